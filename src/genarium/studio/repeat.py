"""A call of a verb as a command line and as Python, made from the verb's signature."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from typing import Any

from genarium import verbs
from genarium.signatures import Field


def repeated(
    name: str, path: str, step: int | None, arguments: Mapping[str, Any], out: str = "picture.png"
) -> dict[str, str]:
    """{"command", "python"} of the verb `name` on a run. arguments: by name; those that are None
    or as the verb has them are left out. out: the file that it is saved as; "": none."""
    verb = _verb(name)
    fields = verb.arguments
    given = {
        key: value
        for key, value in arguments.items()
        if value is not None and value != () and value != fields[key].default
    }
    return {
        "command": _command(name, path, step, fields, given, out),
        "python": _python(verb.function.__name__, path, step, fields, given, out),
    }


@functools.cache
def _verb(name: str) -> verbs.Verb:
    """A verb by name: slider moves ask often, and the catalogue reads files."""
    return verbs.catalogue()[name].load()


def _command(
    name: str,
    path: str,
    step: int | None,
    fields: Mapping[str, Field],
    given: Mapping[str, Any],
    out: str,
) -> str:
    words = ["genarium", *name.split(), path]
    for key, value in given.items():
        if fields[key].place:
            words += [str(v) for v in (value if isinstance(value, list | tuple) else [value])]
    for key, value in given.items():
        field = fields[key]
        if field.place:
            continue
        if value is True:
            words.append(field.flag)
        elif isinstance(value, Mapping):
            for place, number in value.items():
                words += [field.flag, f"{place}={number:g}"]
        elif isinstance(value, list | tuple) and field.look.repeat:
            for one in value:
                words += _flag(field.flag, one)
        elif isinstance(value, list | tuple):
            words += [field.flag, *map(_said, value)]
        else:
            words += _flag(field.flag, value)
    words += [] if step is None else ["--step", str(step)]
    words += ["--out", out] if out else []
    return " ".join(map(shlex.quote, words))


def _flag(flag: str, value: Any) -> list[str]:
    text = _said(value)
    # what begins with a dash would be taken for a flag
    return [f"{flag}={text}"] if text.startswith("-") and flag.startswith("--") else [flag, text]


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _python(
    function: str,
    path: str,
    step: int | None,
    fields: Mapping[str, Field],
    given: Mapping[str, Any],
    out: str,
) -> str:
    at = "" if step is None else f", step={step}"
    places = [_repr(value) for key, value in given.items() if fields[key].place]
    named = [f"{key}={_repr(value)}" for key, value in given.items() if not fields[key].place]
    lines = [
        "import genarium",
        "",
        f"run = genarium.load({path!r}{at})",
        f"result = genarium.{function}({', '.join(['run', *places, *named])})",
    ]
    return "\n".join([*lines, *([f"result.save({out!r})"] if out else [])]) + "\n"


def _repr(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_repr(v)}" for k, v in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else repr(value)
