"""Standard streams that are closed, full or gone never end a command with a traceback."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def ensure() -> None:
    """Standard streams that take any text, and none that is closed (`2>&-`).

    A file opened later, a checkpoint perhaps, would get the number of a closed stream, and what a
    library writes to stderr would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name, number, how in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, how, closefd=False))
    change = getattr(sys.stdout, "reconfigure", None)
    if change is not None:  # an arrow in an ASCII locale, a name that is no UTF-8
        change(errors="backslashreplace")


def say(text: str) -> None:
    """One line on stderr, whatever is in it; nothing where stderr is full or gone."""
    from genarium.errors import one_line

    try:
        print(one_line(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        abandon(sys.stderr)


def flushed() -> int:
    """Write what was printed; gives 1 where that cannot be."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon(sys.stdout)
        say(f"genarium: stopped: stdout cannot be written ({error.strerror}): send it elsewhere")
        return 1
    return 0


def abandon(stream: TextIO) -> None:
    """Send what is left in a stream nowhere, so that the interpreter's last flush succeeds."""
    if stream.closed:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
