"""How a model samples: the settings that model classes declare, as flags and as checked values.

A model class names a small frozen dataclass, its `settings`; the fields are what one may set. The
flags of the verbs that sample are those of all models, since the command reads them before it knows
the run: from the source, unimported. What the run's own model does not declare is then refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium import notebook, plugins
from genarium.data.progress import bar
from genarium.errors import UserError
from genarium.recipes import MODELS
from genarium.signatures import (
    Field,
    argument_help,
    as_given,
    check,
    dataclass_fields,
    refuse_idle,
)

if TYPE_CHECKING:
    from genarium.contract import Progress, Settings
    from genarium.runs.opened import OpenedRun
    from genarium.runs.trained import Trained

BASE = "Settings"


@dataclass(frozen=True)
class Declared:
    """A setting as the source says it: its name, its type as a text, its help with the default."""

    name: str
    type: str
    help: str
    default: str = ""

    @property
    def is_bool(self) -> bool:
        return self.type == "bool"

    @property
    def choices(self) -> tuple[str, ...]:
        """What it is one of, where its type says so."""
        if "Literal[" not in self.type:
            return ()
        inner = self.type.split("Literal[", 1)[1].split("]", 1)[0]
        return tuple(part.strip(" '\"") for part in inner.split(","))

    @property
    def metavar(self) -> str:
        """What the flag wants, from the type: {a,b}, N, X or TEXT."""
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        kind = self.type.lower()
        return "X" if "float" in kind else "N" if "int" in kind else "TEXT"


def declared() -> dict[str, Declared]:
    """The settings of all models, by name; help of a name that several declare is that of all."""
    each: dict[str, list[Declared]] = {}
    for file in (*sorted(MODELS.rglob("*.py")), *plugins.files()):
        for setting in _scan(file, file.stat().st_mtime_ns):
            each.setdefault(setting.name, []).append(setting)
    return {name: _together(many) for name, many in each.items()}


def _together(many: Sequence[Declared]) -> Declared:
    """One setting for those of one name: each help once, with the default where it is one."""
    texts = []
    for text in dict.fromkeys(setting.help for setting in many):
        defaults = {setting.default for setting in many if setting.help == text}
        shown = defaults.pop() if len(defaults) == 1 else "the recipe's"
        said = "default" in text or shown in ("", "False", "None")
        texts.append(text if said else f"{text} (default: {shown})")
    widest = max(many, key=lambda setting: len(setting.choices))
    return replace(widest, help="; ".join(texts))


@lru_cache(maxsize=512)
def _scan(file: Path, stamp: int) -> tuple[Declared, ...]:
    text = file.read_text(encoding="utf-8")
    if f"{BASE})" not in text:
        return ()
    return tuple(_fields(ast.parse(text, filename=str(file))))


def _fields(tree: ast.Module) -> Iterator[Declared]:
    helps = _helps(tree)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        if BASE not in {ast.unparse(base).split(".")[-1] for base in node.bases}:
            continue
        texts = argument_help(ast.get_docstring(node) or "")
        for part in node.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                name, (kind, *notes) = part.target.id, _annotated(part.annotation)
                carried = next((helps[note] for note in notes if note in helps), "")
                help = texts.get(name, carried).removesuffix(".")
                default = "" if part.value is None else ast.unparse(part.value).strip("'")
                default = default.removesuffix(".0")
                yield Declared(name, kind, help, default)


def _annotated(annotation: ast.expr) -> list[str]:
    """The type, then the notes of Annotated[type, note ...], as the source has them."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=parts)):
            return [ast.unparse(part) for part in parts]
    return [ast.unparse(annotation)]


def _helps(tree: ast.Module) -> dict[str, str]:
    """The texts of a module's `NAME = Help("...")`, which several settings may carry."""
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "Help"
    }


@contextmanager
def shown(progress: bool | Progress | None, n: int) -> Iterator[Progress | None]:
    """What to tell of the progress of n images: True is a bar, None one in a notebook only."""
    if progress is None:
        progress = notebook.running()
    if not isinstance(progress, bool):
        yield progress
        return
    with bar("sampling", n, progress) as advance:
        before = 0.0

        def report(done: int, of: int) -> None:
            nonlocal before
            images = n * done / of
            advance(images - before)
            before = images

        yield report if progress else None


def settings_of(run: OpenedRun, given: Mapping[str, Any] | Settings | None) -> Settings | None:
    """What was given, checked, as the settings of the run's model; None where nothing was.

    Raises UserError for a setting that this model does not declare, for one that does nothing
    beside the others, and for a wrong value.
    """
    kind = run.model.settings
    if given is None or (isinstance(given, Mapping) and not given):
        return None
    run.can("sample")
    if not isinstance(given, Mapping):
        if kind is None or not isinstance(given, kind):
            wanted = "no settings" if kind is None else kind.__name__
            raise UserError(
                f"settings: {type(given).__name__}: {run.path} is a {run.recipe.name}, whose "
                f"sampler takes {wanted}"
            )
        given = given.changed()
    fields = fields_of(run)
    for name, value in given.items():
        if name not in fields:
            raise UserError(f"{as_given(name, value)}: {_known(run)}: leave it out")
    assert kind is not None
    result = kind(**{name: check(fields[name], value) for name, value in given.items()})
    refuse_idle(given, result.unused())
    return result


def fields_of(run: OpenedRun) -> dict[str, Field]:
    """The settings that the run's model declares, by name."""
    kind = run.model.settings
    return {} if kind is None else {f.name: f for f in dataclass_fields("sampler", kind)}


def _known(run: OpenedRun) -> str:
    known = " and ".join(f.flag for f in fields_of(run).values())
    has = f"{known} only" if known else "no settings"
    return f"{run.path} is a run of {run.recipe.name}, whose sampler has {has}"


def each_with_its_own(runs: Sequence[Trained], given: Mapping[str, Any]) -> list[Trained]:
    """The runs, each sampling with those of the settings that its model declares.

    So a comparison of a GAN and a VAE may have a truncation for the one and a temperature for the
    other. Raises UserError for a setting that none of them declares.
    """
    for name, value in given.items():
        if not any(name in fields_of(run) for run in runs):
            has = "; ".join(dict.fromkeys(map(_known, runs)))
            raise UserError(f"{as_given(name, value)}: {has}: leave it out")
    mine = ({n: v for n, v in given.items() if n in fields_of(run)} for run in runs)
    return [_with(run, own) if own else run for run, own in zip(runs, mine)]


def _with(run: Trained, own: Mapping[str, Any]) -> Trained:
    """Raises UserError for a wrong value, and names the run: for another it may be right."""
    try:
        return run.with_settings(own)
    except UserError as error:
        raise UserError(f"{run.path}: {error}") from error


def expect_used(run: OpenedRun, given: Mapping[str, Any], capability: str) -> None:
    """Raise UserError for settings that do nothing in a capability of the run's model, also for
    those that were given as they are by default."""
    if run.settings is not None:
        refuse_idle(given, run.settings.idle(capability))


def expect_none(given: Mapping[str, Any], reason: str) -> None:
    """Raise UserError for settings where nothing is sampled; reason: why that is so."""
    for name, value in given.items():
        raise UserError(f"{as_given(name, value)}: {reason}: leave it out")
