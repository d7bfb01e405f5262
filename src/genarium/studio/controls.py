"""Settings as controls of a page: what a signature says of an argument, as JSON."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from typing import Any

from genarium.signatures import EMPTY, Field, choices


def control(field: Field) -> dict[str, Any]:
    """One setting: name, flag, help, default, kind (flag, choice, int, float, list or text), and
    what it may be: choices, or least and most (above, below: the ends do not belong to it)."""
    parts = [*_parts(field.type)]
    names = [*choices(field.type)] or [*_literals(parts)]
    plain = {part for part in parts if isinstance(part, type)}
    several = any(typing.get_origin(part) in (tuple, list) for part in parts)
    if bool in plain:
        kind = "flag"
    elif several:
        kind = "list"
    elif names and not plain & {int, float}:
        kind = "choice"
    else:
        kind = "float" if float in plain else "int" if int in plain else "text"
    ends = {"gt": "above", "ge": "least", "lt": "below", "le": "most"}
    limits = {ends[key]: getattr(part, key) for part in parts for key in ends if hasattr(part, key)}
    default = None if field.default is EMPTY else field.default
    return {
        "name": field.name,
        "flag": field.flag,
        "help": field.help.removesuffix("."),
        "kind": kind,
        "choices": names,
        "default": list(default) if isinstance(default, tuple | list) else default,
        "optional": type(None) in parts,
        **limits,
    }


def controls(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """The controls of settings, those left out that are old names."""
    return [control(field) for field in fields if not field.look.hidden]


def _parts(kind: Any) -> Iterator[Any]:
    """A type, all types in it, and what Annotated says of them."""
    yield kind
    if typing.get_origin(kind) is not typing.Literal:
        for part in typing.get_args(kind):
            yield from _parts(part)
    # of aliases the notes may hang on the type alone
    yield from getattr(kind, "__metadata__", ())


def _literals(parts: Iterable[Any]) -> Iterator[str]:
    for part in parts:
        if typing.get_origin(part) is typing.Literal:
            yield from map(str, typing.get_args(part))
