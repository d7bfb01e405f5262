"""A path, and what is said of it behind a colon.

    scan.npy   set.npz:x   set.h5:train/images,labels=train/y   stack.tif:pages=channels

The first colon after a path that exists ends it; so a name with a colon in it is a path still.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Address(NamedTuple):
    """A path and the text behind its colon."""

    path: Path
    rest: str


def address(text: str) -> Address | None:
    """The path that a text names, with what is said behind it; None where there is none."""
    if exists(text):
        return Address(Path(text).expanduser(), "")
    at = text.find(":")
    while at > 0:
        if exists(text[:at]):
            return Address(Path(text[:at]).expanduser(), text[at + 1 :])
        at = text.find(":", at + 1)
    return None


def exists(text: str) -> bool:
    """Whether a text is a path to something."""
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no permission, a NUL, an unknown ~user
        return False
