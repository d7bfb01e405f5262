"""One planted fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """name: short and unique. file: below src/genarium. old, new: texts; old occurs there once.
    tests: that ought to see it. breaks: what is wrong then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    breaks: str


def of(file: str, tests: str | Sequence[str], *rows: tuple[str, str, str, str]) -> Iterator[Fault]:
    """Faults of one file and one set of tests: rows of name, old text, new text, what it breaks."""
    tests = (tests,) if isinstance(tests, str) else tuple(tests)
    for name, old, new, breaks in rows:
        yield Fault(name, file, old, new, tests, breaks)
