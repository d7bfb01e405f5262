"""argparse with one-line errors."""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import typing
from typing import Any, NoReturn

from genarium.errors import UserError


class Parser(argparse.ArgumentParser):
    """Errors are a `UserError` of one line that names the flag, with the nearest right one."""

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            raise self._unknown(rest[0], parsed)
        self._expect_words(parsed)
        return parsed

    def _expect_words(self, args: Any) -> None:
        """Refuse empty texts: as a path "" is the working folder, as a flag it would do nothing."""
        for action in (*self._actions, *self._reached(args)._actions):
            if action.default != "" and "" in _flat(getattr(args, action.dest, None)):
                name = max(action.option_strings, key=len, default=action.metavar or action.dest)
                raise UserError(f"{name} is empty: give a value")

    def _unknown(self, argument: str, args: Any) -> UserError:
        where = self._reached(args)
        name = argument.split("=")[0]
        if not name.startswith("-"):
            return UserError(f"argument {argument!r} is not expected: see `{where.prog} --help`")
        from genarium.cli import elsewhere  # only an error needs it

        if place := elsewhere.place_of(name):  # a guess would lead away
            return UserError(
                f"flag {name} is not taken here, {place}: see `{where.prog} --help` for what is"
            )
        flags = [o for action in where._actions for o in action.option_strings]
        close = difflib.get_close_matches(name, flags, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see `{where.prog} --help`"
        return UserError(f"flag {name} is unknown: {hint}")

    def _reached(self, args: Any) -> argparse.ArgumentParser:
        """The innermost parser that was chosen: of the verb, or of its action."""
        parser: argparse.ArgumentParser = self
        while True:
            inner = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
            action = next(inner, None)
            chosen = action and action.choices.get(getattr(args, action.dest, None) or "")
            if chosen is None:
                return parser
            parser = typing.cast(argparse.ArgumentParser, chosen)

    def error(self, message: str) -> NoReturn:
        match = re.match(
            r"argument (VERB|ACTION): invalid choice: (.*) \(choose from (.*)\)$", message, re.S
        )
        if match:
            what, given, choices = match.groups()
            given = str(ast.literal_eval(given))
            names = re.findall(r"[a-z-]+", choices)
            close = difflib.get_close_matches(given, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(names)}"
            raise UserError(f"{what.lower()} {given or repr(given)} is unknown: {hint}")
        raise UserError(f"{message}: see `{self.prog} --help`")


def _flat(value: Any) -> list[Any]:
    """A flag's values, also where it was given several times with several each."""
    many = isinstance(value, (list, tuple))
    return [v for each in value for v in _flat(each)] if many else [value]
