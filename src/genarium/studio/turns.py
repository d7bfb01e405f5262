"""Who computes: one request at a time, and of a slider's states only the latest.

A page that moves a slider asks more often than a model can answer. Requests of one channel (a view
of one page) are numbered; one that waits while a later one of its channel has arrived is not
computed at all: `Superseded`. Work in the background waits while anybody is waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Superseded(Exception):
    """A later request of the same channel has taken the place of this one."""


class Turns:
    """Hands out turns; safe to be called from many threads."""

    CHANNELS = 1000
    """Channels that are remembered; pages come and go."""

    def __init__(self) -> None:
        self._computing = threading.Lock()
        self._state = threading.Lock()
        self._latest: dict[str, int] = {}
        self._waiting = 0

    @contextmanager
    def turn(self, channel: str = "", number: int = 0) -> Iterator[None]:
        """Within, nobody else computes. Raises Superseded where number is no longer the latest of
        its channel; "" is a channel of its own each time."""
        with self._state:
            if channel:
                latest = max(number, self._latest.pop(channel, number))
                self._latest[channel] = latest  # at the end: the one that was used last
                while len(self._latest) > self.CHANNELS:
                    self._latest.pop(next(iter(self._latest)))
                if number < latest:
                    raise Superseded
            self._waiting += 1
        try:
            with self._computing:
                if channel and self._latest.get(channel, number) > number:
                    raise Superseded
                yield
        finally:
            with self._state:
                self._waiting -= 1

    def give_way(self) -> None:
        """Wait until nobody waits for a turn: called by work in the background, often."""
        while self._waiting:
            time.sleep(0.002)
