"""argparse with one-line errors, and flags made from typed settings."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import typing
from collections.abc import Iterable
from typing import Any, NoReturn

from genarium.config import Field
from genarium.errors import UserError

UNSET = object()
"""What a flag that was not given holds: defaults belong to the configuration."""


class Parser(argparse.ArgumentParser):
    """Errors are a `UserError` of one line that names the flag, with the nearest right one."""

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            raise self._unknown(rest[0], found)
        return found

    def _unknown(self, argument: str, found: Any) -> UserError:
        verb = getattr(found, "verb", None)
        where = self._verb(verb) if verb else self
        name = argument.split("=")[0]
        if not name.startswith("-"):
            return UserError(f"argument {argument!r} is not expected: see `{where.prog} --help`")
        flags = [o for action in where._actions for o in action.option_strings]
        close = difflib.get_close_matches(name, flags, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see `{where.prog} --help`"
        return UserError(f"flag {name} is unknown: {hint}")

    def _verb(self, verb: str) -> argparse.ArgumentParser:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and verb in action.choices:
                return typing.cast(argparse.ArgumentParser, action.choices[verb])
        return self

    def error(self, message: str) -> NoReturn:
        match = re.match(r"argument VERB: invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if match:
            names = re.findall(r"[a-z-]+", match.group(2))
            close = difflib.get_close_matches(match.group(1), names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(names)}"
            raise UserError(f"verb {match.group(1)} is unknown: {hint}")
        raise UserError(f"{message}: see `{self.prog} --help`")


def add_settings(parser: argparse.ArgumentParser, title: str, settings: Iterable[Field]) -> None:
    """Flags for typed settings; values stay texts, `config.check` turns them into types."""
    group = parser.add_argument_group(title)
    for setting in settings:
        text = setting.help.replace("%", "%%")
        shown = "" if setting.default in (None, "") else f" (default: {_shown(setting.default)})"
        names = (setting.flag,)
        if setting.type is bool:
            group.add_argument(
                *names,
                dest=_dest(setting),
                default=UNSET,
                action=argparse.BooleanOptionalAction,
                help=text + f" (default: {'yes' if setting.default else 'no'})",
            )
        else:
            group.add_argument(
                *names,
                dest=_dest(setting),
                default=UNSET,
                metavar=_metavar(setting.type),
                help=text + shown,
            )


def given(found: Any, settings: Iterable[Field]) -> dict[str, dict[str, Any]]:
    """The settings that were given as flags, by section."""
    layer: dict[str, dict[str, Any]] = {}
    for setting in settings:
        value = getattr(found, _dest(setting), UNSET)
        if value is not UNSET:
            layer.setdefault(setting.section, {})[setting.name] = value
    return layer


def _dest(setting: Field) -> str:
    return f"{setting.section}.{setting.name}"


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _metavar(kind: Any) -> str:
    """What a flag wants, from its type: {a,b}, N, X or TEXT."""
    if typing.get_origin(kind) is typing.Literal:
        return "{" + ",".join(map(str, typing.get_args(kind))) + "}"
    flat = [kind, *typing.get_args(kind)]
    flat += [inner for part in flat for inner in typing.get_args(part)]
    if typing.get_origin(kind) in (tuple, list):
        return "A,B,..."
    if float in flat:
        return "X"
    return "N" if int in flat else "TEXT"


def positive(flag: str, least: int = 1) -> Any:
    """An argparse type: a whole number of at least `least`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise UserError(f"{flag} {text!r}: give a whole number") from None
        if value < least:
            raise UserError(f"{flag} {text}: give a number of at least {least}")
        return value

    return convert


def real(flag: str, *, least: float = -math.inf, above: float = -math.inf) -> Any:
    """An argparse type: a finite number of at least `least` and above `above`."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise UserError(f"{flag} {text!r}: give a number") from None
        if not math.isfinite(value):
            raise UserError(f"{flag} {text}: give a finite number")
        if value < least or value <= above:
            bound = f"above {above:g}" if value <= above else f"of at least {least:g}"
            raise UserError(f"{flag} {text}: give a number {bound}")
        return value

    return convert
