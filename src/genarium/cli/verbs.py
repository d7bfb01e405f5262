"""From a verb's signature to its flags, and from its result to what is printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from genarium.api._results import home_of
from genarium.cli import processes
from genarium.errors import UserError
from genarium.signatures import Field, choices
from genarium.verbs import Entry, Verb

UNSET = object()
"""What a flag that was not given holds: defaults belong to the function and the configuration."""


def listing(entries: Mapping[str, Entry], groups: Mapping[str, str]) -> str:
    """The verbs with their summaries, under the titles of their groups."""
    width = max(map(len, entries), default=0)
    lines: list[str] = []
    for group in dict.fromkeys(entry.group for entry in entries.values()):
        lines += ["", f"{groups.get(group, group)}:"]
        mine = (entry for entry in entries.values() if entry.group == group)
        lines += [f"  {entry.name:<{width}}  {summary(entry)}" for entry in mine]
    return "\n".join(lines[1:])


def summary(entry: Entry) -> str:
    """The first line of its docstring, as it stands in a list."""
    text = entry.summary.rstrip(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def add_arguments(parser: argparse.ArgumentParser, verb: Verb, words: Sequence[str]) -> None:
    """Places, flags, and the flags that every verb has: --out, --json, --quiet.

    words: the command line behind the verb's name.
    """
    parser.description = _plain(verb.doc.split("\n\n", 1)[0])
    parser.epilog = verb.notes() if callable(verb.notes) else verb.notes
    for argument in verb.arguments.values():
        if argument.place:
            parser.add_argument(argument.name, **_by_place(argument))
        else:
            _add(parser, argument)
    if verb.out:
        parser.add_argument("--out", metavar="PATH", help=_plain(verb.out))
        if "" in verb.result.SUFFIXES:
            parser.add_argument(
                "--overwrite",
                action="store_true",
                help="replace the pictures that an earlier call wrote into the folder --out",
            )
        if verb.result.FORMS:
            parser.add_argument(
                "--form",
                metavar="{" + ",".join(verb.result.FORMS) + "}",
                help="what --out holds: pictures of 8 bits for the eye, or values of the data's "
                "type in their units (default: of .png and a folder pictures, else values)",
            )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    if verb.shows_progress:
        parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    if verb.processes:
        processes.add_arguments(parser, [*verb.name.split(), *words])
    settings = verb.settings(words) if verb.settings else {}
    for about, fields in settings.items():
        title, _, text = about.partition("\n")
        group = parser.add_argument_group(title, _plain(text) or None)
        for setting in fields:
            _add(group, setting)
    every = [setting for fields in settings.values() for setting in fields]
    older = [setting.before for setting in every if setting.before is not None]
    for setting in older:
        _add(parser, setting)
    parser.set_defaults(settings=[*every, *older])


def run(verb: Verb, args: Any) -> int:
    """Call the verb with what was given, save its result, print it."""
    values = _given(verb.arguments.values(), args)
    values = {name: verb.arguments[name].check(value) for name, value in values.items()}
    values |= _given(args.settings, args)
    first = True
    if verb.processes:
        verb.processes(**values)
        status = processes.several(args.processes, args.command)
        if status is not None:
            return status
        first = processes.is_first()
    if verb.shows_progress:
        values["progress"] = first and not args.quiet
    how = {name: getattr(args, name) for name in verb.places if name != "out"}
    if verb.out:
        place, name = args.out, verb.result.NAME
        is_folder = bool(name) and not Path(name).suffix
        if place is None and (how.get("overwrite") or is_folder):
            place = home_of(args.run) / name  # a folder of pictures may hold something
        if place is None and how.get("form"):
            raise UserError(f"--form {how['form']}: say where it goes with --out")
        if place is not None:
            verb.result.check(place, **how)  # before anything is computed
    with _stdout_for_json(args.json):
        result = verb.function(**values)
    if verb.out and (args.out is not None or verb.result.NAME):
        result.save(args.out, **how)
    if first:
        print(json.dumps(result.facts(), indent=1, default=str) if args.json else result.report())
    return 0


@contextlib.contextmanager
def _stdout_for_json(json_is_asked: bool) -> Iterator[None]:
    """Within, what a verb prints as it goes is on stderr: stdout is one JSON document."""
    with contextlib.redirect_stdout(sys.stderr) if json_is_asked else contextlib.nullcontext():
        yield


def _given(fields: Iterable[Field], args: Any) -> dict[str, Any]:
    """The values that the command line has, by name."""
    values = {field.name: getattr(args, _dest(field)) for field in fields}
    return {name: value for name, value in values.items() if value is not UNSET}


def _dest(field: Field) -> str:
    return field.name if field.place else f"{field.section}.{field.name}"


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _help(field: Field) -> str:
    text, default = _plain(field.help).removesuffix("."), field.default
    is_setting = field.section != "verb"
    if isinstance(default, bool) and is_setting:
        default = "yes" if default else "no"
    unsaid = default is None or default is False or default in ("", ())
    if field.required or unsaid or "(default" in text or "default:" in text:
        return text
    shown = ",".join(map(str, default)) if isinstance(default, (tuple, list)) else default
    if text.endswith(")"):
        return f"{text[:-1]}; default: {shown})"
    return f"{text} (default: {shown})" if text else f"default: {shown}"


def _by_place(field: Field) -> dict[str, Any]:
    several = field.look.repeat
    nargs = ("+" if field.required else "*") if several else None if field.required else "?"
    options: dict[str, Any] = {"metavar": field.shown, "help": _help(field)}
    if nargs:
        options["nargs"] = nargs
    if not field.required:
        options["default"] = UNSET
    return options


def _add(parser: Any, field: Field) -> None:
    """The flag of an argument or a setting; values stay texts, the field's check reads them."""
    look, options = field.look, {"dest": _dest(field), "default": UNSET, "help": _help(field)}
    if look.hidden:
        options["help"] = argparse.SUPPRESS
    if bool in (field.type, *typing.get_args(field.type)):
        # a setting may be on in a configuration file, and be turned off
        either = field.default is True or field.section != "verb"
        options["action"] = argparse.BooleanOptionalAction if either else "store_true"
    elif isinstance(look.metavar, tuple):
        options |= {"metavar": look.metavar, "nargs": len(look.metavar)}
    else:
        options["metavar"] = look.metavar or _metavar(field.type)
        if look.repeat or look.several:
            options["action"] = _Append
        if look.several:
            options["nargs"] = "+"
        if look.alone is not None:
            options |= {"nargs": "?", "const": look.alone}
    parser.add_argument(field.flag, required=field.required, **options)


class _Append(argparse.Action):
    """All the values that a flag was given with, in a list."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        before = getattr(namespace, self.dest)
        more = values if isinstance(values, list) else [values]
        setattr(namespace, self.dest, [*([] if before is UNSET else before), *more])


def _metavar(kind: Any) -> str:
    """What a flag wants, from its type: {a,b}, N, X or TEXT."""
    flat = list(_parts(kind))
    if known := choices(kind):
        return "{" + ",".join(known) + "}"
    if any(typing.get_origin(part) in (tuple, list) for part in flat):
        return "A,B,..."
    for part in flat:
        if typing.get_origin(part) is typing.Literal:
            return "{" + ",".join(map(str, typing.get_args(part))) + "}"
    if float in flat:
        return "X"
    return "N" if int in flat else "TEXT"


def _parts(kind: Any) -> typing.Iterator[Any]:
    yield kind
    if typing.get_origin(kind) is not typing.Literal:
        for part in typing.get_args(kind):
            yield from _parts(part)
