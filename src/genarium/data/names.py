"""File names as they may be printed."""

from __future__ import annotations

import os


def shown(name: str) -> str:
    """A file name fit for one line: undecodable bytes and control characters as escapes."""
    if name.isprintable():  # what cannot be encoded is not
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def span(low: tuple[float, ...], high: tuple[float, ...], unit: str = "") -> str:
    """A range as it is printed: "0 to 4,095 counts"; one after another of several channels."""
    pairs = [f"{_number(a)} to {_number(b)}" for a, b in zip(low, high, strict=True)]
    return "; ".join(pairs) + (f" {unit}" if unit else "")


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e12 else f"{value:.6g}"
