"""How much each number of a code changes the image: what sliders are ordered by.

Each number is moved at a few codes while the others stay, by `genarium traverse`; how much that
changes the image is `genarium.latent.effect`, and below `genarium.latent.DEAD` it is dead.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import genarium
from genarium.errors import UserError

if TYPE_CHECKING:
    from genarium.studio.turns import Turns

log = logging.getLogger("genarium.studio")

CODES = 4
STEPS = 3
PATIENCE = 60.0
"""Seconds that are spent unasked."""
TRIED = 3
"""Numbers after which it is known how long all of them take."""


class Effects:
    """The effects of one model, measured once, in a thread of its own."""

    def __init__(self, run: genarium.Trained, columns: list[int], turns: Turns):
        self.run, self.columns, self._turns = run, columns, turns
        self._found: dict[int, float] = {}
        self._thread: threading.Thread | None = None
        self._asked = False
        self._seconds = math.inf  # that the fastest took: the first is slower than the rest
        self.problem = ""

    def start(self, *, whatever: bool = False) -> None:
        """Measure, unless that is done or under way. whatever: also if it takes long."""
        self._asked = self._asked or whatever
        if self.done or self.problem or (self.waits and not self._asked):
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._measure, daemon=True)
            self._thread.start()

    @property
    def done(self) -> bool:
        return len(self._found) == len(self.columns)

    @property
    def left(self) -> float:
        """Seconds that the rest takes; 0 where that is not known yet."""
        rest = len(self.columns) - len(self._found)
        return self._seconds * rest if self._found else 0.0

    @property
    def waits(self) -> bool:
        """Whether it would take so long that somebody must ask for it."""
        return not self._asked and len(self._found) >= TRIED and self.left > PATIENCE

    def to_dict(self) -> dict[str, Any]:
        """What is known so far. effects: [number, grey levels], the largest first."""
        from genarium.latent import DEAD

        ordered = sorted(self._found.items(), key=lambda item: -item[1])
        return {
            "done": self.done,
            "share": len(self._found) / max(1, len(self.columns)),
            "waits": self.waits,
            "left": round(self.left, 1),
            "problem": self.problem,
            "dead": DEAD,
            "effects": [[number, round(value, 3)] for number, value in ordered],
        }

    def _measure(self) -> None:
        for number in self.columns:
            if number in self._found:
                continue
            if self.waits:
                return
            self._turns.give_way()
            start = time.monotonic()
            try:
                self._found[number] = self._effect(number)
            except (UserError, RuntimeError) as error:  # RuntimeError: no memory for it
                self.problem = str(error)
                log.warning("effects of %s: %s", self.run.name, error)
                return
            self._seconds = min(self._seconds, time.monotonic() - start)

    def _effect(self, number: int) -> float:
        """In grey levels of 0 to 255."""
        from genarium.latent import REACH

        return genarium.traverse(
            self.run,
            dimension=number,
            start=f"0-{CODES - 1}" if "prior" in self.run.capabilities else None,
            range=(-REACH, REACH),
            steps=STEPS,
        ).effect
