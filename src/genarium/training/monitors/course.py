"""The course of a training: its readings so far, in the order of the steps.

A reading is a row of metrics.jsonl:

    {"step": 400, "event": "reading", "used": 0.2, "values": {"loss/heldout": 91.2, ...}, ...}

used: the share of the budget, 0 to 1. values: what was measured, by name; of what a model does not
have, and of what was too dear at this step, there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EVENT = "reading"


@dataclass(frozen=True)
class Reading:
    """What was measured at a step; used: share of the budget."""

    step: int
    used: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Course:
    """readings: so far. losses: (step, summed mean losses) of the log, of a model with one player.
    rates: the learning rate at each of these. rollbacks: how often a loss was not finite. ended:
    whether the budget is used."""

    readings: Sequence[Reading]
    losses: Sequence[tuple[int, float]] = field(default_factory=tuple)
    rollbacks: int = 0
    ended: bool = False
    rates: Sequence[float] = field(default_factory=tuple)

    @property
    def step(self) -> int:
        """That of the last reading or loss."""
        return max([0, *(r.step for r in self.readings[-1:]), *(s for s, _ in self.losses[-1:])])

    def of(self, name: str) -> list[tuple[int, float]]:
        """(step, value) of all that was measured under a name."""
        return [(r.step, r.values[name]) for r in self.readings if name in r.values]

    def last(self, name: str, count: int) -> list[float]:
        """The last `count` values of a name, empty where there are fewer."""
        values = [value for _, value in self.of(name)]
        return values[-count:] if len(values) >= count else []

    def names(self, start: str) -> list[str]:
        """The names that begin so, of any reading."""
        return sorted({n for r in self.readings for n in r.values if n.startswith(start)})

    def upto(self, step: int) -> Course:
        """The course as it was at an earlier step, before the end."""
        return Course(
            [r for r in self.readings if r.step <= step],
            [(s, v) for s, v in self.losses if s <= step],
            self.rollbacks,
            self.ended and step >= self.step,
            self.rates[: sum(s <= step for s, _ in self.losses)],
        )


def of_rows(rows: Iterable[Mapping[str, Any]], ended: bool = False) -> Course:
    """The course that a metrics.jsonl holds. Runs of versions without readings have losses only."""
    readings, losses, rates, rollbacks, before = [], [], [], 0, -1
    for row in sorted(rows, key=lambda row: row["step"]):
        event = row.get("event")
        if event == EVENT:
            values = {k: float(v) for k, v in row["values"].items() if math.isfinite(v)}
            readings.append(Reading(row["step"], row["used"], values))
        elif event == "rollback":
            rollbacks += 1
        elif row.get("losses") and row["step"] > before:
            before = row["step"]
            losses.append((before, total(row["losses"])))
            rates.append(rate(row.get("learning_rate", 1.0)))
    return Course(readings, losses, rollbacks, ended, rates)


def rate(known: Mapping[str, float] | float) -> float:
    """The largest learning rate of a row; logs of older versions have one number."""
    return max(known.values(), default=0.0) if isinstance(known, Mapping) else float(known)


def total(losses: Mapping[str, float]) -> float:
    """The sum of a row's losses where one player has them, else NaN: two players' do not add up."""
    players = {name.partition("/")[0] for name in losses}
    return sum(losses.values()) if len(players) == 1 else math.nan
