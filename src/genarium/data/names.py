"""File names as they may be printed."""

from __future__ import annotations

import os


def shown(name: str) -> str:
    """A file name fit for one line: undecodable bytes and control characters as escapes."""
    if name.isprintable():  # what cannot be encoded is not
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
