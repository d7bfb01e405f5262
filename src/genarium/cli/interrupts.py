"""A Ctrl-C while PyTorch is being imported waits until that is done.

Its start calls Python from C++, where a KeyboardInterrupt ends the process with SIGABRT and a line
about pybind11. So while `torch` is only half imported the signal is sent again a little later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

AGAIN = 0.05  # seconds


def wait_for_torch() -> None:
    """Let Ctrl-C wait for that import, where nobody has said otherwise what it does."""
    if threading.current_thread() is not threading.main_thread():
        return  # which alone may set it
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    if getattr(spec, "_initializing", False):  # what importlib notes of a module that it executes
        threading.Timer(AGAIN, os.kill, (os.getpid(), number)).start()
        return
    signal.default_int_handler(number, frame)
