"""Recipes: typed functions that build a model. A recipe's signature *is* its configuration.

The command line makes its flags from the signature, a run stores the arguments, and calling the
recipe again with them builds the model again. Recipes live in their model's own file; the
catalogue finds them by reading the source (no import, so no torch) and imports on use.

A recipe:

    @recipe(family="explicit/approximate", tiny={"latent": 2}, paper="Kingma & Welling 2014",
            steps=3000, training={"ema": 0.999})
    def vae(spec: Spec, *, latent: int = 20, width: int = 32, lr: float = 1e-3) -> VAE:
        '''Variational autoencoder. (The first line is the catalogue's description.)

        latent: size of the code.     (One line an argument: the help text of its flag.)
        '''

Own recipes need no place in the package: a file in a folder named by the environment variable
GENARIUM_PATH joins the catalogue, and any decorated function may be passed to `genarium.train`.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

from genarium import plugins
from genarium.errors import UserError
from genarium.signatures import AUTO, as_given, choice_of, parameters_of

if TYPE_CHECKING:
    from genarium.contract import Model, Spec

PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]


MODELS = Path(__file__).parent / "models"
YOURS = "yours"  # the family of a recipe that names none

_of_a_run: ContextVar[bool] = ContextVar("_of_a_run", default=False)


@contextmanager
def of_a_run() -> Iterator[None]:
    """Within, a model is built that a run trained already: `refuse` refuses nothing."""
    token = _of_a_run.set(True)
    try:
        yield
    finally:
        _of_a_run.reset(token)


def refuse(when: bool, reason: str) -> None:
    """Raise a `UserError` if `when`: arguments that cannot act together are not ignored.

    But a run that was made before they were refused can still be loaded (`of_a_run`).
    """
    if when and not _of_a_run.get():
        raise UserError(reason)


def refuse_unused(reason: str, **given: tuple[Any, Any]) -> None:
    """`refuse` an argument that does nothing beside the others unless it has its default.

    given: (value, default) by the argument's name. reason: why it does nothing.
    """
    for name, (value, default) in given.items():
        refuse(value != default, f"{as_given(name, value)}: {reason}: leave it out")


@dataclass(frozen=True)
class Recipe:
    """A recipe as the decorator leaves it: call it with a Spec and arguments to get the model.

    family: its place in the taxonomy, see `recipe`. tiny: arguments of the smallest sensible size,
    for tests. paper: where it comes from. needs: what the data must have ("labels", "pairs",
    "domains" ...). training: its defaults of the training options (`TrainOptions`), by name; those
    of steps, epochs and minutes hold where a run is given none of the three. former: arguments that
    runs of earlier versions do not name, with the values that rebuild them.
    """

    function: Callable[..., Model]
    family: tuple[str, ...] = ()
    tiny: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    needs: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    former: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.function.__name__.replace("_", "-")

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    def parameters(self) -> dict[str, inspect.Parameter]:
        """The configurable arguments (all but the Spec), annotations resolved."""
        (_, *result) = parameters_of(self.function).items()
        return dict(result)

    def defaults(self) -> dict[str, Any]:
        return {name: p.default for name, p in self.parameters().items()}

    def returns(self) -> type[Model]:
        """The model's class, from the return annotation."""
        kind: type[Model] = typing.get_type_hints(self.function)["return"]
        return kind

    def chosen(self, spec: Spec, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What each of the arguments that are `auto` stands for with these data, by name."""
        results: dict[str, Any] = {}
        given = {**self.defaults(), **arguments}
        for name, parameter in self.parameters().items():
            choice = choice_of(parameter.annotation)
            if choice is not None and given[name] == AUTO:
                results[name] = given[name] = choice.of(spec, given)
        return results

    def __call__(self, spec: Spec, **arguments: Any) -> Model:
        # a group's names and defaults are not the function's own
        known = self.defaults()
        for name in arguments:
            if name not in known:
                raise TypeError(f"recipe {self.name} has no argument {name!r}")
        given = {**known, **arguments}
        return self.function(spec, **{**given, **self.chosen(spec, given)})


def recipe(
    *,
    tiny: Mapping[str, Any],
    family: str = YOURS,
    paper: str = "",
    batch: int = 128,
    steps: int = 2000,
    needs: tuple[str, ...] = (),
    training: Mapping[str, Any] | None = None,
    former: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], Recipe]:
    """Decorator that makes a recipe of a typed function `(spec, *, argument: type = default)`.

    family: its place in the taxonomy, written out (the catalogue reads it unimported):
    "nonprobabilistic", "explicit/tractable", "explicit/tractable/change of variables",
    "explicit/approximate", "explicit/path", "implicit", "hybrid", or your own. batch, steps,
    training: defaults of its training, `training` those of any other option: {"ema": 0.999,
    "schedule": "cosine"}. former: written out too: an argument that is added with another default
    than what the recipe did before names here what it did. The rest: see `Recipe`.
    """

    def wrap(function: Callable[..., Any]) -> Recipe:
        defaults = {"batch": batch, "steps": steps, **(training or {})}
        made = Recipe(function, taxonomy(family), dict(tiny), paper, needs, defaults, former or {})
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            grouped = parameter.kind is inspect.Parameter.VAR_KEYWORD
            if parameter.default is inspect.Parameter.empty and not grouped:
                raise TypeError(f"recipe {made.name}: argument {name!r} needs a default")
        _registered[made.name] = made
        return made

    return wrap


def taxonomy(family: str) -> tuple[str, ...]:
    """ "explicit/tractable" -> ("explicit", "tractable")."""
    return tuple(part.strip() for part in family.split("/"))


_registered: dict[str, Recipe] = {}


@dataclass(frozen=True)
class Entry:
    """Where the catalogue found a recipe, read from the source without importing it."""

    name: str
    function: str
    file: Path
    taxonomy: tuple[str, ...]  # e.g. ("explicit", "approximate")
    summary: str
    former: Mapping[str, Any]

    def load(self) -> Recipe:
        """Import the file and give the recipe."""
        if self.file.is_relative_to(MODELS):
            relative = self.file.relative_to(MODELS.parent).with_suffix("")
            module = importlib.import_module(".".join(("genarium", *relative.parts)))
        else:
            module = plugins.load(self.file)
        loaded = getattr(module, self.function)
        assert isinstance(loaded, Recipe)
        return loaded


def _said(node: plugins.Declared, name: str, default: Any) -> Any:
    """What `@recipe(name=...)` says, as far as it is written out; else the default."""
    for decorator in node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg == name:
                with suppress(ValueError):
                    return ast.literal_eval(keyword.value)
    return default


def _scan(file: Path) -> list[Entry]:
    return [
        Entry(
            name=node.name.replace("_", "-"),
            function=node.name,
            file=file,
            taxonomy=taxonomy(str(_said(node, "family", YOURS))),
            summary=(ast.get_docstring(node) or "").split("\n", 1)[0],
            former=_said(node, "former", {}),
        )
        for node in plugins.declared(file, "recipe")
    ]


@cache
def _own() -> tuple[Entry, ...]:
    return tuple(entry for file in sorted(MODELS.rglob("*.py")) for entry in _scan(file))


def catalogue() -> dict[str, Entry]:
    """Every recipe by name: those under `models/`, then those of GENARIUM_PATH."""
    yours = (entry for file in plugins.files() for entry in _scan(file))
    return {entry.name: entry for entry in (*_own(), *yours)}


def get(name: str | Recipe) -> Recipe:
    """The recipe of that name; a misspelt one is a `UserError` that suggests the nearest."""
    if isinstance(name, Recipe):
        return name
    key = name.replace("_", "-")
    entries = catalogue()
    if key in entries:
        return entries[key].load()
    if key in _registered:
        return _registered[key]
    close = difflib.get_close_matches(key, [*entries, *_registered], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(sorted(entries))}"
    raise UserError(f"recipe {name!r} is not in the catalogue: {hint}")
