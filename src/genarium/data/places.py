"""Where data lie: the paths in the name of a source, made absolute, and those that are gone.

resolved("photos/")                    "/home/ada/photos": means the same in every working directory
resolved("pairs:a=masks,b=photos")     "pairs:a=/home/ada/masks,b=/home/ada/photos"
resolved("digits")                     "digits"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from genarium.data.addresses import address, exists
from genarium.data.registry import Source, find
from genarium.errors import UserError


def resolved(source: str) -> str:
    """The source with every path absolute; as it is where it names none, or nothing known."""
    try:
        entry = find(source)
    except UserError:
        return source
    if entry.matches is None:
        return _with_paths(entry, source, absolute)
    named = address(source)
    if named is None:  # of another kind
        return source
    path = absolute(str(named.path))
    return f"{path}:{_changed(entry, named.rest, _if_there)}" if named.rest else path


def gone(source: str) -> bool:
    """Whether a source is not there: a path that does not exist, or a name that is none."""
    try:
        entry = find(source)
    except UserError:
        return address(source) is None
    named: list[str] = []

    def note(path: str) -> str:
        named.append(path)
        return path

    if entry.matches is None:
        _with_paths(entry, source, note)
    return not all(exists(path) for path in named)


def absolute(path: str) -> str:
    """A path from the root of the file system; a link stays a link."""
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:  # an unknown ~user
        return path


def _with_paths(entry: Source, source: str, change: Callable[[str], str]) -> str:
    """The source with `change` of each of its arguments that is a path."""
    name, colon, text = source.partition(":")
    return f"{name}{colon}{_changed(entry, text, change)}"


def _changed(entry: Source, text: str, change: Callable[[str], str]) -> str:
    items = []
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if equals and key.strip() in entry.paths and value.strip():
            path = change(value.strip())
            # arguments cannot hold a comma: such a path stays as it was typed
            item = item if "," in path else f"{key}={path}"
        items.append(item)
    return ",".join(items)


def _if_there(path: str) -> str:
    """Absolute where a file is there; else it is the name of something in the file."""
    return absolute(path) if Path(path).suffix and exists(path) else path
