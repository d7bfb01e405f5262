"""From a verb's signature to its flags, and from its result to what is printed."""

from __future__ import annotations

import argparse
import json
import typing
from typing import Any

from genarium.cli.parser import UNSET
from genarium.verbs import Argument, Verb


def add_arguments(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """Places, flags, and the flags that every verb has: --out, --json, --quiet."""
    parser.description, parser.epilog = verb.doc.split("\n\n", 1)[0], verb.notes or None
    for argument in verb.arguments.values():
        if argument.place:
            parser.add_argument(argument.name, **_by_place(argument))
        else:
            parser.add_argument(argument.flag, dest=argument.name, **_flag(argument))
    if verb.out:
        parser.add_argument("--out", metavar="PATH", help=_plain(verb.out))
        if "" in verb.result.SUFFIXES:
            parser.add_argument(
                "--overwrite",
                action="store_true",
                help="replace the pictures that an earlier call wrote into the folder --out",
            )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    if verb.shows_progress:
        parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(verb: Verb, found: Any) -> int:
    """Call the verb with what was given, save its result, print it."""
    values: dict[str, Any] = {}
    for argument in verb.arguments.values():
        value = getattr(found, argument.name)
        if value is not UNSET:
            shown = argument.look.metavar or argument.name.upper()
            values[argument.name] = argument.check(
                value, str(shown) if argument.place else argument.flag
            )
    if verb.shows_progress:
        values["progress"] = not found.quiet
    overwrite = getattr(found, "overwrite", False)
    if verb.out and (found.out is not None or overwrite):
        place = found.out if found.out is not None else verb.result.NAME
        verb.result.check(place, overwrite)  # before anything is computed
    result = verb.function(**values)
    if verb.out and (found.out is not None or result.NAME):
        result.save(found.out, overwrite=overwrite)
    print(json.dumps(result.facts(), indent=1, default=str) if found.json else result.report())
    return 0


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _help(argument: Argument) -> str:
    text = _plain(argument.help)
    default = argument.default
    if argument.required or default in (None, "", False) or "(default" in text:
        return text
    shown = ",".join(map(str, default)) if isinstance(default, (tuple, list)) else default
    return f"{text} (default: {shown})" if text else f"default: {shown}"


def _by_place(argument: Argument) -> dict[str, Any]:
    metavar = argument.look.metavar or argument.name.upper()
    several = argument.look.repeat
    nargs = ("+" if argument.required else "*") if several else None if argument.required else "?"
    found: dict[str, Any] = {"metavar": metavar, "help": _help(argument)}
    if nargs:
        found["nargs"] = nargs
    if not argument.required:
        found["default"] = UNSET
    return found


def _flag(argument: Argument) -> dict[str, Any]:
    look, found = argument.look, {"default": UNSET, "help": _help(argument)}
    if _is_bool(argument.type):
        action = argparse.BooleanOptionalAction if argument.default else "store_true"
        return {**found, "action": action}
    if isinstance(look.metavar, tuple):
        return {**found, "metavar": look.metavar, "nargs": len(look.metavar)}
    if look.repeat:
        found["action"] = "append"
    if look.alone is not None:
        found |= {"nargs": "?", "const": look.alone}
    return {**found, "metavar": look.metavar or _metavar(argument.type)}


def _is_bool(kind: Any) -> bool:
    return bool in (kind, *typing.get_args(kind))


def _metavar(kind: Any) -> str:
    """What a flag wants, from its type: {a,b}, N, X or TEXT."""
    flat = list(_parts(kind))
    for part in flat:
        if typing.get_origin(part) is typing.Literal:
            return "{" + ",".join(map(str, typing.get_args(part))) + "}"
    if any(typing.get_origin(part) in (tuple, list) for part in flat):
        return "A,B,..."
    if float in flat:
        return "X"
    return "N" if int in flat else "TEXT"


def _parts(kind: Any) -> typing.Iterator[Any]:
    yield kind
    if typing.get_origin(kind) is not typing.Literal:
        for part in typing.get_args(kind):
            yield from _parts(part)
