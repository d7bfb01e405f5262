"""Where data lie: the paths in the name of a source, made absolute, and those that are gone.

resolved("photos/")                    "/home/ada/photos": means the same in every working directory
resolved("pairs:a=masks,b=photos")     "pairs:a=/home/ada/masks,b=/home/ada/photos"
resolved("digits")                     "digits"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
    return absolute(source) if _exists(source) else source  # an address of another kind


def gone(source: str) -> bool:
    """Whether a source is not there: a path that does not exist, or a name that is none."""
    try:
        entry = find(source)
    except UserError:
        return not _exists(source)
    named: list[str] = []

    def note(path: str) -> str:
        named.append(path)
        return path

    if entry.matches is None:
        _with_paths(entry, source, note)
    return not all(_exists(path) for path in named)


def absolute(path: str) -> str:
    """A path from the root of the file system; a link stays a link."""
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:  # an unknown ~user
        return path


def _with_paths(entry: Source, source: str, change: Callable[[str], str]) -> str:
    """The source with `change` of each of its arguments that is a path."""
    name, colon, text = source.partition(":")
    items = []
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if equals and key.strip() in entry.paths and value.strip():
            path = change(value.strip())
            # arguments cannot hold a comma: such a path stays as it was typed
            item = item if "," in path else f"{key}={path}"
        items.append(item)
    return f"{name}{colon}{','.join(items)}"


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no permission, a NUL, an unknown ~user
        return False
