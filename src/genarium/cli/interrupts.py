"""A Ctrl-C while PyTorch is being imported waits until that is done.

Its start calls Python from C++, where a KeyboardInterrupt ends the process with SIGABRT and a line
about pybind11. So while `torch` is only half imported the signal is sent again a little later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.05  # seconds


@contextmanager
def after_torch() -> Iterator[None]:
    """Within, Ctrl-C waits for that import, where nobody has said otherwise what it does.

    Afterwards it is Python's own again, so that what comes later does not name this file.
    """
    mine = threading.current_thread() is threading.main_thread()  # which alone may set it
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted(number: int, frame: FrameType | None) -> None:
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    if getattr(spec, "_initializing", False):  # what importlib notes of a module that it executes
        threading.Timer(AGAIN, os.kill, (os.getpid(), number)).start()
        return
    signal.default_int_handler(number, frame)
