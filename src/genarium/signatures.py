"""Typed signatures as settings: what recipes, options and verbs have in common.

A function's parameter, or a field of a dataclass of options, becomes a `Field`: name, type, default
and help. Recipes and verbs make their flags from fields, and every value, from a flag, a file or
Python, is checked against the field's type in one place, `check`.

The help of an argument is its `name: text` line in the docstring; without one, what its type
carries. So an argument that several functions share is one alias with its help:

    Width = Annotated[int, Gt(0), Help("channels of the first layer")]
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import os
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genarium.errors import UserError

LARGEST = 10**9
"""The largest whole number of a setting that has no limit of its own."""

EMPTY = inspect.Parameter.empty
"""The default of an argument that must be given."""


@dataclass(frozen=True)
class Help:
    """The help of an argument, carried by its type: `Seed = Annotated[int, Ge(0), Help("...")]`."""

    text: str


@dataclass(frozen=True)
class OneOf:
    """One of several texts that are known when it is asked for: files of the user's may add some.

    names: gives them. `Literal["a", "b"]` is for those that never change.
    """

    names: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Flag:
    """How an argument looks on the command line, where that is not `--name TYPE`.

    name: the flag; also of an argument that Python takes by place. metavar: what follows it;
    several for a tuple of that many. alone: its value where the flag stands by itself. repeat: it
    may be given several times, a value each. several: it takes one value or more. raw: the
    library takes richer values than texts, so the function itself reads the text. hidden: an old
    name that still works and that the help leaves out. was: the name of a setting in an earlier
    version, which flags, files and Python may still use.
    """

    name: str = ""
    metavar: str | tuple[str, ...] = ""
    alone: Any = None
    repeat: bool = False
    several: bool = False
    raw: bool = False
    hidden: bool = False
    was: str = ""


@dataclass(frozen=True)
class Field:
    """One setting: where it belongs, its type and default, and its help text.

    section: "arguments" (of a recipe), "data", "training", or "verb". place: given by place.
    """

    section: str
    name: str
    type: Any
    default: Any
    help: str = ""
    look: Flag = Flag()
    place: bool = False

    @property
    def flag(self) -> str:
        return self.look.name or flag_of(self.name)

    @property
    def shown(self) -> str:
        """How errors of the command call it: the flag, or what stands in its place."""
        return self.flag if not self.place else str(self.look.metavar or self.name.upper())

    @property
    def before(self) -> Field | None:
        """The same setting by its name of an earlier version, hidden; None if it had no other."""
        was = self.look.was
        look = dataclasses.replace(self.look, name="", was="", hidden=True)
        return dataclasses.replace(self, name=was, look=look) if was else None

    @property
    def required(self) -> bool:
        return self.default is EMPTY

    def check(self, value: Any, shown: str = "") -> Any:
        """`value` as the type; a `UserError` that names it as `shown`."""
        if self.look.raw or value is self.default:
            return value
        return check(self, value, shown or self.shown)


@dataclass(frozen=True)
class Default:
    """The default of an argument of a group, carried by its type; see `parameters_of`."""

    value: Any


AUTO = "auto"
"""An argument that is left to the data; see `Choice`."""


@dataclass(frozen=True)
class Choice:
    """What `auto` stands for where an argument's type carries this: a function of what is known at
    the start, for a recipe its data's `Spec` and the arguments, those before this one chosen;
    `Recipe.chosen` asks it."""

    of: Callable[[Any, Mapping[str, Any]], Any]


def choice_of(kind: Any) -> Choice | None:
    """The `Choice` that a type carries."""
    return next((note for note in _notes(kind) if isinstance(note, Choice)), None)


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function by name, their annotations resolved.

    Functions that share many arguments name them once, as a group: a TypedDict whose types carry
    their defaults. In place of `**group` stand its arguments, by keyword:

        class Layers(TypedDict):
            width: Annotated[Width, Default(32)]

        def vae(spec: Spec, *, beta: Beta = 1.0, **layers: Unpack[Layers]) -> VAE: ...
    """
    hints = typing.get_type_hints(function, include_extras=True)
    results = {}
    for parameter in inspect.signature(function).parameters.values():
        group = _group(hints.get(parameter.name))
        if group is None:
            results[parameter.name] = parameter.replace(annotation=hints[parameter.name])
            continue
        for name, kind in typing.get_type_hints(group, include_extras=True).items():
            (default,) = (note.value for note in _notes(kind) if isinstance(note, Default))
            results[name] = inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
    return results


def _group(kind: Any) -> Any:
    """The TypedDict of Unpack[TypedDict], None of any other type."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Unpack else None


def flag_of(name: str) -> str:
    """The flag of an argument: `log_every` is --log-every."""
    # `from` cannot be a Python name
    return {"n": "-n", "from_dir": "--from"}.get(name) or "--" + name.replace("_", "-")


def as_given(name: str, value: Any) -> str:
    """An argument and its value as the command line has it: `--steps 8`, `--denoise`."""
    if isinstance(value, bool):
        return flag_of(name) if value else flag_of(f"no_{name}")
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return f"{flag_of(name)} {shown}"


def refuse_idle(given: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
    """Raise UserError for a setting that was given, by name, and does nothing. reasons: why."""
    for name, reason in reasons.items():
        if name in given:
            raise UserError(f"{as_given(name, given[name])}: {reason}: leave it out")


def name_of(flag: str) -> str:
    """The argument of a flag."""
    return {"--from": "from_dir"}.get(flag) or flag.lstrip("-").replace("-", "_")


def field(section: str, name: str, kind: Any, default: Any, texts: Mapping[str, str]) -> Field:
    """The field of an annotated argument. texts: the docstring's lines, which win over `Help`."""
    notes = list(_notes(kind))[::-1]
    look = next((note for note in notes if isinstance(note, Flag)), Flag())
    text = texts.get(name) or next((note.text for note in notes if isinstance(note, Help)), "")
    return Field(section, name, kind, default, text, look)


def fields_of(section: str, function: Any, parameters: Mapping[str, Any]) -> list[Field]:
    """The fields of a function's parameters, their annotations resolved."""
    texts = argument_help(inspect.getdoc(function) or "")
    return [field(section, n, p.annotation, p.default, texts) for n, p in parameters.items()]


def dataclass_fields(section: str, kind: type) -> list[Field]:
    """The settings that a dataclass of options holds."""
    hints = typing.get_type_hints(kind, include_extras=True)
    texts = argument_help(inspect.cleandoc(kind.__doc__ or ""))
    declared = dataclasses.fields(kind)
    return [field(section, f.name, hints[f.name], f.default, texts) for f in declared]


def _notes(kind: Any) -> Iterator[Any]:
    """What `Annotated` says of a type, at any depth; the outermost last."""
    for part in typing.get_args(kind):
        yield from _notes(part)
    yield from getattr(kind, "__metadata__", ())


def choices(kind: Any) -> tuple[str, ...]:
    """The texts of a type that says `OneOf`; none for another."""
    return next((tuple(n.names()) for n in _notes(kind) if isinstance(n, OneOf)), ())


def _either(names: Sequence[str]) -> str:
    """ "a", "b" -> "'a' or 'b'"."""
    *most, last = map(repr, names)
    return f"{', '.join(most)} or {last}" if most else last


def argument_help(doc: str) -> dict[str, str]:
    """The `name: text` lines of a docstring, as the help texts of the flags."""
    results: dict[str, str] = {}
    last = None
    for line in doc.splitlines():
        match = re.match(r"^([a-z][a-z0-9_]*): (.+)$", line)
        if match:
            last = match.group(1)
            results[last] = match.group(2).strip()
        elif last and line.startswith("    "):
            results[last] += " " + line.strip()
        else:
            last = None
    return results


def renamed(fields: Iterable[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` by the names of today, where some have those of an earlier version.

    Raises UserError for a setting that is there by both.
    """
    now = {each.look.was: each for each in fields if each.look.was}
    for old, each in now.items():
        if old in values and each.name in values:
            raise UserError(f"{flag_of(old)} is the old name of {each.flag}: give one of the two")
    return {now[name].name if name in now else name: value for name, value in values.items()}


def checked(fields: Iterable[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` by name, each as its field's type. UserError for a name that is none of them."""
    known, results = {each.name: each for each in fields}, {}
    for name, value in values.items():
        if name not in known:
            raise unknown(name, list(known), "argument")
        results[name] = check(known[name], value)
    return results


def check(setting: Field, value: Any, shown: str | None = None) -> Any:
    """`value` as the setting's type, or a `UserError` that names it (as `shown`).

    A text is read as the type says (flags are texts), "none" as no value or an empty list. Other
    types are not turned into one another: true is no number, a number no text (a size may be one),
    1 is not true.
    """
    from pydantic import TypeAdapter, ValidationError

    shown = shown or setting.flag
    if isinstance(value, str) and value == AUTO and choice_of(setting.type) is not None:
        return value
    if isinstance(value, str) and value.lower() in ("none", "null"):
        if _optional(setting.type):
            return None
        if _is_sequence(setting.type):
            value = []
    if setting.name == "size" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # size: 32 in a file
    if _is_sequence(setting.type) and isinstance(value, str):
        value = [part for part in value.replace(",", " ").split() if part]
    _strict(setting.type, value, shown)
    try:
        result = TypeAdapter(setting.type).validate_python(value)
    except ValidationError as error:
        remedy = _remedy(error.errors()[0])
        if choice_of(setting.type) is not None and AUTO not in remedy:
            remedy += f", or {AUTO}"
        raise UserError(f"{shown} {said(value)}: {remedy}") from None
    known = choices(setting.type)
    for each in result if isinstance(result, (tuple, list)) else (result,):
        if known and isinstance(each, str) and each not in known:
            near = difflib.get_close_matches(each, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"choose {_either(known)}"
            raise UserError(f"{shown} {said(value)}: {remedy}")
        if isinstance(each, float) and not math.isfinite(each):
            raise UserError(f"{shown} {said(value)}: give a finite number")
        if isinstance(each, int) and abs(each) > LARGEST and not _limited(setting.type):
            raise UserError(f"{shown} {said(value)}: give a number of at most {LARGEST}")
    return result


def _strict(kind: Any, value: Any, shown: str) -> None:
    """Raise for values that pydantic would turn into the type without a word."""
    bare = set(_parts(kind))
    given = value if isinstance(value, (tuple, list)) else (value,)
    for each in given:
        if isinstance(each, bool) and bool not in bare:
            wanted = "number" if bare & {int, float} else "text"
            raise UserError(f"{shown} {said(value)}: give a {wanted}, not true or false")
        if isinstance(each, (int, float)) and not isinstance(each, bool) and bool in bare:
            raise UserError(f"{shown} {said(value)}: give true or false")
        if isinstance(each, str) and not _readable(each):
            raise UserError(f"{shown} {each!r}: a text cannot hold NUL or half a character")
        if isinstance(each, (bytes, bytearray)):
            raise UserError(f"{shown} {said(value)}: give a text or a number")


def _readable(text: str) -> bool:
    """Whether a text could be a name of a file: the system knows it, Unicode or not."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _parts(kind: Any) -> Iterator[Any]:
    """A type and all types in it: of Annotated[int, Gt(0)] | None also int."""
    yield kind
    for inner in typing.get_args(kind):
        yield from _parts(inner)


def _limited(kind: Any) -> bool:
    """Whether a type says an upper limit itself."""
    return any(hasattr(part, "lt") or hasattr(part, "le") for part in _parts(kind))


def said(value: Any) -> str:
    """A value as an error repeats it, several one after another."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(said, value)) or repr(value)
    return repr(value)


def plain(value: Any) -> Any:
    """A bound as one writes it: 0 for 0.0."""
    return f"{value:g}" if isinstance(value, float) else value


def _remedy(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind.startswith(("greater_than", "less_than")) and not math.isfinite(float(error["input"])):
        return "give a finite number"
    words = {
        "greater_than": "give a number above {gt}",
        "greater_than_equal": "give a number of at least {ge}",
        "less_than": "give a number below {lt}",
        "less_than_equal": "give a number of at most {le}",
        "literal_error": "choose {expected}",
        "int_parsing": "give a whole number",
        "int_from_float": "give a whole number",
        "int_type": "give a whole number",
        "float_parsing": "give a number",
        "float_type": "give a number",
        "bool_parsing": "give true or false",
        "bool_type": "give true or false",
        "string_type": "give a text (quote it in a YAML file)",
    }
    if kind in words:
        return words[kind].format(**{k: plain(v) for k, v in context.items()})
    message: str = error["msg"]
    return message[:1].lower() + message[1:]


def bare(kind: Any) -> Any:
    """A type without its notes: of Annotated[int | None, Help("...")] int | None."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    return kind


def _optional(kind: Any) -> bool:
    return type(None) in typing.get_args(bare(kind))


def _is_sequence(kind: Any) -> bool:
    return typing.get_origin(bare(kind)) in (tuple, list)


def unknown(name: str, known: list[str], what: str, where: str = "") -> UserError:
    """The error for a misspelt key or flag, with the nearest right one."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
    return UserError(f"{where}{what} {name} is unknown: {hint}")
