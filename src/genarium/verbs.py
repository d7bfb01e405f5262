"""Verbs: typed functions whose signature *is* their command line.

    @verb("images", out="FILE.png: one grid; ...")
    def sample(run: Run, *, n: Count = 64, seed: Seed = 0) -> Samples:
        '''New images from a trained model. (The first line is the help's description.)

        n: how many.      (One line an argument: the help of its flag.)
        '''

The function is the library's (`genarium.sample(run, n=64)`), and the command makes the rest of it:
an argument by place is one by place (`genarium sample RUN`), a keyword argument is a flag (`--n`,
or what `Flag` says), its type is checked in both, its default is the same. What a verb returns is a
`Result`: the command saves it (`--out`), prints its text or, with `--json`, its `to_dict()`.

Verbs are the files of `genarium/api` and those of GENARIUM_PATH; the catalogue reads the source,
so that `genarium --help` imports none of them.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from genarium import plugins
from genarium.errors import UserError
from genarium.recipes import argument_help
from genarium.runs.configuration import Field, check, unknown

SAMPLER = "sampler"
"""The name of the `**settings` of a verb that samples."""

P = ParamSpec("P")
R = TypeVar("R")

HOME = Path(__file__).parent / "api"
GROUPS = {
    "training": "train",
    "images": "make images",
    "latent": "walk in the latent space",
    "features": "codes as features",
    "measures": "measure and compare",
    "data": "data",
    "people": "people",
    "about": "about",
}
"""Where a verb stands in the help."""


@dataclass(frozen=True)
class Help:
    """The help of an argument, carried by its type: `Seed = Annotated[int, Ge(0), Help("...")]`."""

    text: str


@dataclass(frozen=True)
class Flag:
    """How an argument looks on the command line, where that is not `--name TYPE`.

    name: the flag. metavar: what follows it; several for a tuple of that many. alone: its value
    where the flag stands by itself. repeat: it may be given several times, a value each. raw: the
    library takes richer values than texts, so the function itself reads the text.
    """

    name: str = ""
    metavar: str | tuple[str, ...] = ""
    alone: Any = None
    repeat: bool = False
    raw: bool = False


@dataclass(frozen=True)
class Argument:
    """An argument of a verb. place: whether it is given by place."""

    name: str
    type: Any
    default: Any
    help: str
    place: bool
    flag: str
    look: Flag

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def check(self, value: Any, shown: str) -> Any:
        """`value` as the argument's type; a `UserError` that names it as `shown`."""
        if self.look.raw or value is self.default:
            return value
        return check(Field("verb", self.name, self.type, self.default, self.help), value, shown)


class Verb:
    """A verb as the command needs it. name: "sample", or two words ("study create")."""

    def __init__(
        self, function: Callable[..., Any], name: str, group: str, out: str = "", notes: str = ""
    ):
        self.function, self.name, self.group = function, name, group
        self.out, self.notes = out, notes
        self.doc = inspect.getdoc(function) or ""
        self.summary = self.doc.split("\n", 1)[0]

    @functools.cached_property
    def arguments(self) -> dict[str, Argument]:
        """The arguments of the signature by name, but `progress` and `**settings`."""
        texts = argument_help(self.doc)
        found: dict[str, Argument] = {}
        for p in inspect.signature(self.function).parameters.values():
            if p.name == "progress":
                continue
            if p.kind is p.VAR_KEYWORD:
                found |= _of_samplers() if p.name == SAMPLER else {}
                continue
            kind = p.annotation
            if isinstance(kind, str):  # not get_type_hints: the result's type needs torch
                kind = eval(kind, self.function.__globals__)
            notes = list(_notes(kind))
            look = next((note for note in notes if isinstance(note, Flag)), Flag())
            text = texts.get(p.name) or next((n.text for n in notes if isinstance(n, Help)), "")
            flag = look.name or ("-n" if p.name == "n" else "--" + p.name.replace("_", "-"))
            place = p.kind is not p.KEYWORD_ONLY
            found[p.name] = Argument(p.name, kind, p.default, text, place, flag, look)
        return found

    @functools.cached_property
    def result(self) -> Any:
        """The class of what it returns."""
        kind = self.function.__annotations__["return"]
        return eval(kind, self.function.__globals__) if isinstance(kind, str) else kind

    @functools.cached_property
    def shows_progress(self) -> bool:
        return "progress" in inspect.signature(self.function).parameters

    @functools.cached_property
    def takes_settings(self) -> bool:
        """Whether it takes further settings (`train`: those of a recipe)."""
        each = inspect.signature(self.function).parameters.values()
        return any(p.kind is p.VAR_KEYWORD and p.name != SAMPLER for p in each)

    def in_python(self, message: str) -> str:
        """A message that names flags, with the names of the arguments instead."""
        names = {a.flag: a.name for a in self.arguments.values() if not a.place}

        def name(match: re.Match[str]) -> str:
            flag = match[0]
            if flag in names:
                return names[flag]
            return flag[2:].replace("-", "_") if self.takes_settings else flag

        return re.sub(r"(?<![\w-])--?[a-z][a-z-]*(?![\w-])", name, message)


def _of_samplers() -> dict[str, Argument]:
    """What a verb with `**sampler` takes: the settings that the models declare for sampling.

    The function checks them itself, once it knows the model.
    """
    from genarium.runs.sampling import declared

    return {
        s.name: Argument(
            s.name,
            bool if s.is_bool else str,
            None,
            s.help,
            False,
            "--" + s.name.replace("_", "-"),
            Flag(metavar=s.metavar, raw=True),
        )
        for s in declared().values()
    }


def _notes(kind: Any) -> Iterator[Any]:
    """What `Annotated` says of a type, at any depth."""
    for part in typing.get_args(kind):
        yield from _notes(part)
    yield from getattr(kind, "__metadata__", ())


def verb(
    group: str, *, name: str = "", out: str = "", notes: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator that makes a verb of a typed function.

    group: of `GROUPS`. name: on the command line, if it is not the function's. out: the help of
    --out, for a verb whose result can be saved. notes: what the help ends with.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        made = Verb(function, name or function.__name__.replace("_", "-"), group, out, notes)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            settings = {*made.arguments, "progress"}
            for key in kwargs:
                if key not in settings and not made.takes_settings:
                    raise unknown(key, sorted(settings), "argument")
            bound = signature.bind(*args, **kwargs)
            for key, value in bound.arguments.items():
                if key in made.arguments:
                    bound.arguments[key] = made.arguments[key].check(value, key)
            try:
                return function(*bound.args, **bound.kwargs)
            except UserError as error:
                error.args = (made.in_python(str(error)), *error.args[1:])
                raise

        call.__dict__["verb"] = made
        return cast(Callable[P, R], call)

    return wrap


def of(function: Callable[..., Any]) -> Verb:
    """The verb of a decorated function."""
    return cast(Verb, function.__dict__["verb"])


@dataclass(frozen=True)
class Entry:
    """Where the catalogue found a verb, read from the source without importing it."""

    name: str
    function: str
    group: str
    summary: str
    file: Path

    def load(self) -> Verb:
        """Import the file and give the verb."""
        return of(self.call())

    def call(self) -> Callable[..., Any]:
        """The library's function."""
        own = self.file.parent == HOME
        module = (
            importlib.import_module(f"genarium.api.{self.file.stem}")
            if own
            else plugins.load(self.file)
        )
        return cast(Callable[..., Any], getattr(module, self.function))


def catalogue() -> dict[str, Entry]:
    """Every verb by its name on the command line, in the order of the help."""
    found = [entry for file in (*_own(), *plugins.files()) for entry in _scan(file)]
    order = list(GROUPS)
    found.sort(key=lambda e: (order.index(e.group) if e.group in order else len(order), e.name))
    return {entry.name: entry for entry in found}


@functools.cache
def _own() -> tuple[Path, ...]:
    return tuple(sorted(file for file in HOME.glob("*.py") if not file.name.startswith("_")))


def _scan(file: Path) -> list[Entry]:
    found = []
    for node in plugins.declared(file, "verb"):
        (call,) = (
            d
            for d in node.decorator_list
            if isinstance(d, ast.Call) and ast.unparse(d.func).split(".")[-1] == "verb"
        )
        group = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
        named = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
        name = named.get("name") or node.name.replace("_", "-")
        summary = (ast.get_docstring(node) or "").split("\n", 1)[0]
        found.append(Entry(str(name), node.name, str(group), summary, file))
    return found


__all__ = ["GROUPS", "Argument", "Entry", "Flag", "Help", "Verb", "catalogue", "of", "verb"]
