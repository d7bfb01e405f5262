"""What may end a training from outside: signals, a full disk, too little memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genarium.errors import PeerGone, RunError, out_of_memory

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """The first signal that asked to stop; 0 for none. It ends the run after its step."""

    def __init__(self) -> None:
        self.number = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Remember signals inside the block; a second SIGINT or SIGTERM kills, as usual.

        A terminal that closes sends SIGHUP several times, so that one never kills here. Signals
        that the process was told to ignore (`nohup`) stay ignored. Threads see none.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def remember(number: int, _frame: object) -> None:
            self.number = self.number or number
            if number != signal.SIGHUP:
                signal.signal(number, before[signal.Signals(number)])

        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {n: handler for n, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in before:
            signal.signal(number, remember)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def explained(step: Callable[[], int], batch: int, folder: Path | None) -> Iterator[None]:
    """Full disks, full memory and lost processes as a `RunError`; any other error passes."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(
            f"could not write {error.filename or folder} at step {step()}: {reason}; "
            "free some space, then `genarium resume`"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error):
            raise RunError(
                f"out of memory at step {step()} with batches of {batch}: use a "
                "smaller --batch, a smaller --size, or a narrower network"
            ) from error
        # batch norm meets the other processes within a model's turn
        if any(word in str(error) for word in ("gloo", "NCCL", "by peer")):
            raise PeerGone from error
        raise
