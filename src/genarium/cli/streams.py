"""stderr that is closed, full or gone never ends a command."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def ensure() -> None:
    """Put the null device in the place of standard streams that are closed (`2>&-`).

    Else the next file that is opened, a checkpoint perhaps, would get their number and what
    libraries print into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- to the end
            setattr(sys, name, stream)
            os.dup2(stream.fileno(), number)


def say(text: str) -> None:
    """A line on stderr, if it can be written."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
