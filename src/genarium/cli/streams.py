"""stdout and stderr that are closed, full, gone, or cannot show a sign: never a traceback."""

from __future__ import annotations

import os
import sys
from typing import Any


def ensure() -> None:
    """Standard streams that take any text, and none that is closed (`2>&-`).

    Else the next file that is opened, a checkpoint perhaps, would get the number of a closed one
    and what libraries print into it.
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
    except (OSError, ValueError):  # the second: of a closed file
        abandon(sys.stderr)


def flushed() -> int:
    """Write what was printed; gives 1, and says so, where that cannot be.

    Done before the interpreter's end, which would answer with a traceback. BrokenPipeError passes.
    What stderr could not take is lost, and the work none the worse; left in its buffer it would
    end the interpreter with status 120.
    """
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        abandon(sys.stderr)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon(sys.stdout)
        say(f"genarium: stopped: stdout cannot be written ({error.strerror}): send it elsewhere")
        return 1
    return 0


def abandon(stream: Any) -> None:
    """Send what is left in a stream nowhere, so that the interpreter's last flush succeeds."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    except (OSError, ValueError):  # it has no number, or is closed: nothing is left in it
        pass
    finally:
        os.close(null)
