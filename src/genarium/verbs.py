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
A verb that takes long has the argument `progress: bool | None = None`: on the command line that is
--quiet, and from Python None stands for progress in a notebook and none elsewhere.

Verbs are the files of `genarium/api` and those of GENARIUM_PATH; the catalogue reads the source,
so that `genarium --help` imports none of them.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from genarium import notebook, plugins
from genarium.errors import UserError
from genarium.signatures import Field, Flag, Help, argument_help, field, name_of, unknown

SAMPLER = "sampler"
"""The name of the `**settings` of a verb that samples."""

P = ParamSpec("P")
R = TypeVar("R")

HOME = Path(__file__).parent / "api"
GROUPS = {
    "training": "train",
    "images": "make images",
    "latent": "latent space",
    "features": "features",
    "measures": "measure",
    "data": "data",
    "people": "people",
    "share": "share",
    "about": "about",
}
"""Where a verb stands in the help."""


Settings = dict[str, list[Field]]
"""Further settings of a verb, by the lines that the help shows above them, a title first."""


class Verb:
    """A verb as the command needs it. name: "sample", or two words ("study create")."""

    def __init__(self, function: Callable[..., Any], name: str, group: str, more: More):
        self.function, self.name, self.group = function, name, group
        self.out, self.notes = more.out, more.notes
        self.settings, self.processes = more.settings, more.processes
        self.doc = inspect.getdoc(function) or ""
        self.summary = self.doc.split("\n", 1)[0]

    @functools.cached_property
    def arguments(self) -> dict[str, Field]:
        """The arguments of the signature by name, but `progress` and `**settings`."""
        texts = argument_help(self.doc)
        results: dict[str, Field] = {}
        for p in inspect.signature(self.function).parameters.values():
            if p.name == "progress":
                continue
            if p.kind is p.VAR_KEYWORD:
                # what the verb itself calls so (the `steps` of a walk) stays its own
                more = _of_samplers() if p.name == SAMPLER else {}
                results |= {name: field for name, field in more.items() if name not in results}
                continue
            kind = p.annotation
            if isinstance(kind, str):  # not get_type_hints: the result's type needs torch
                kind = eval(kind, self.function.__globals__)
            made = field("verb", p.name, kind, p.default, texts)
            place = p.kind is not p.KEYWORD_ONLY and not made.look.name
            results[p.name] = replace(made, place=place)
        return results

    @functools.cached_property
    def result(self) -> Any:
        """The class of what it returns."""
        kind = self.function.__annotations__["return"]
        return eval(kind, self.function.__globals__) if isinstance(kind, str) else kind

    @functools.cached_property
    def places(self) -> tuple[str, ...]:
        """The further arguments that say where the result goes: those of `Result.save`."""
        if not self.out:
            return ()
        several = ("overwrite",) if "" in self.result.SUFFIXES else ()
        return ("out", *several, *(("form",) if self.result.FORMS else ()))

    @functools.cached_property
    def shows_progress(self) -> bool:
        return "progress" in inspect.signature(self.function).parameters

    @functools.cached_property
    def takes_settings(self) -> bool:
        """Whether it takes further settings (`train`: those of a recipe)."""
        each = inspect.signature(self.function).parameters.values()
        return any(p.kind is p.VAR_KEYWORD and p.name != SAMPLER for p in each)

    def in_python(self, message: str) -> str:
        """A message that names flags, with the names of the arguments instead.

        Commands, which stand in `...`, stay what they are.
        """
        names = {a.flag: a.name for a in self.arguments.values() if not a.place}

        def name(match: re.Match[str]) -> str:
            flag = match[0]
            return names.get(flag) or (name_of(flag) if self.takes_settings else flag)

        parts = message.split("`")
        parts[::2] = [re.sub(r"(?<![\w-])--?[a-z][a-z-]*(?![\w-])", name, p) for p in parts[::2]]
        return "`".join(parts)


@dataclass(frozen=True)
class More:
    """What the decorator says of a verb, beside its name and group."""

    out: str = ""
    notes: str | Callable[[], str] = ""
    settings: Callable[[Sequence[str]], Settings] | None = None
    processes: Callable[..., object] | None = None


def _of_samplers() -> dict[str, Field]:
    """What a verb with `**sampler` takes: the settings that the models declare for sampling.

    The function checks them itself, once it knows the model.
    """
    from genarium.runs.sampling import declared

    return {
        s.name: Field(
            "verb",
            s.name,
            bool if s.is_bool else str,
            None,
            s.help,
            Flag(metavar=s.metavar, raw=True),
        )
        for s in declared().values()
    }


def verb(
    group: str,
    *,
    name: str = "",
    out: str = "",
    notes: str | Callable[[], str] = "",
    settings: Callable[[Sequence[str]], Settings] | None = None,
    processes: Callable[..., object] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator that makes a verb of a typed function.

    group: of `GROUPS`. name: on the command line, if it is not the function's. out: the help of
    --out, for a verb whose result can be saved. notes: what the help ends with. settings: for a
    verb that takes `**settings`: which, given the words of the command line behind its name.
    processes: for a verb that several processes may do together: called with the arguments before
    they start, so that mistakes are reported once.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        more = More(out, notes, settings, processes)
        made = Verb(function, name or function.__name__.replace("_", "-"), group, more)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            place = {key: kwargs.pop(key) for key in made.places if key in kwargs}
            known = {*made.arguments, *made.places, *(["progress"] if made.shows_progress else [])}
            for key in kwargs:
                if key not in known and not made.takes_settings:
                    raise unknown(key, sorted(known), "argument")
            bound = signature.bind(*args, **kwargs)
            for key, value in bound.arguments.items():
                if key in made.arguments:
                    bound.arguments[key] = made.arguments[key].check(value, key)
            if made.shows_progress and bound.arguments.get("progress") is None:
                bound.arguments["progress"] = notebook.running()
            try:
                if place.get("out") is not None:
                    made.result.check(**place)
                elif place.get("form") is not None:
                    raise UserError(f"--form {place['form']}: say where it goes with --out")
                result = function(*bound.args, **bound.kwargs)
                if place.get("out") is not None:
                    result.save(**place)  # type: ignore[attr-defined]
                return result
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
    entries = [entry for file in (*_own(), *plugins.files()) for entry in _scan(file)]
    order = list(GROUPS)
    entries.sort(key=lambda e: (order.index(e.group) if e.group in order else len(order), e.name))
    return {entry.name: entry for entry in entries}


@functools.cache
def _own() -> tuple[Path, ...]:
    return tuple(sorted(file for file in HOME.glob("*.py") if not file.name.startswith("_")))


def _scan(file: Path) -> list[Entry]:
    entries = []
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
        entries.append(Entry(str(name), node.name, str(group), summary, file))
    return entries


__all__ = ["GROUPS", "Entry", "Field", "Flag", "Help", "Verb", "catalogue", "of", "verb"]
