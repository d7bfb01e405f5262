"""What follows from the rows of a run's metrics.jsonl: curves, stability, cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genarium.drawing.plots import Series

Row = Mapping[str, Any]


OLD_NAMES = {
    "generator/game": "generator/adversarial",
    "generators/game_a2b": "generators/adversarial_a2b",
    "generators/game_b2a": "generators/adversarial_b2a",
    "decoder/game": "decoder/adversarial",
}
"""Losses by their names in version 0.1 -> those of today: a resumed run has one curve of each."""


def logged(history: Sequence[Row]) -> list[Row]:
    """The rows that carry losses, without those of events; losses by the names of today."""
    return [
        {**row, "losses": {OLD_NAMES.get(n, n): value for n, value in row["losses"].items()}}
        for row in history
        if row.get("losses")
    ]


def _value(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def curves(history: Sequence[Row], group: str = "losses") -> list[Series]:
    """One series over the step for each name in `group` ("losses" or "metrics")."""
    rows = logged(history)
    names = dict.fromkeys(name for row in rows for name in row.get(group, {}))
    steps = [float(row["step"]) for row in rows]
    return [
        Series(name, steps, [_value(row.get(group, {}).get(name)) for row in rows])
        for name in names
    ]


@dataclass(frozen=True)
class Spread:
    """One loss over the last quarter of the training.

    mean, deviation: of the logged values (each the mean of the steps since the last row).
    relative: variance / mean², the squared coefficient of variation; None for a mean of 0.
    rows: how many values that is; a single one has no spread (deviation and relative are None).
    """

    loss: str
    mean: float
    deviation: float | None
    relative: float | None
    rows: int


@dataclass(frozen=True)
class Stability:
    """How calmly a run trained.

    rollbacks: times a loss or weight stopped being finite and the run went back to its last
    good checkpoint. lost: steps that were thrown away by that. failed: the steps it happened at.
    nonfinite: logged rows with a loss that is missing or not finite.
    """

    spreads: tuple[Spread, ...] = ()
    rollbacks: int = 0
    lost: int = 0
    failed: tuple[int, ...] = ()
    nonfinite: int = 0


def stability(history: Sequence[Row]) -> Stability:
    """The spread of every loss over the last quarter of the steps, and what went wrong."""
    rows = logged(history)
    events = [row for row in history if row.get("event") == "rollback"]
    failed = tuple(int(row["failed"]) for row in events)
    lost = sum(max(0, int(row["failed"]) - int(row["step"])) for row in events)
    bad = sum(any(_value(v) is None for v in row["losses"].values()) for row in rows)
    if not rows:
        return Stability((), len(events), lost, failed, bad)
    last = float(rows[-1]["step"])
    late = [row for row in rows if float(row["step"]) > 0.75 * last] or rows[-1:]
    spreads = []
    for series in curves(late):
        values = [y for y in series.y if y is not None]
        if not values:
            continue
        mean = statistics.fmean(values)
        deviation = statistics.pstdev(values) if len(values) > 1 else None
        relative = deviation**2 / mean**2 if mean and deviation is not None else None
        spreads.append(Spread(series.label, mean, deviation, relative, len(values)))
    return Stability(tuple(spreads), len(events), lost, failed, bad)


@dataclass(frozen=True)
class TrainingCost:
    """What the training took: wall-clock seconds of its steps, and images drawn for them."""

    steps: int = 0
    seconds: float | None = None
    images: int | None = None

    @property
    def rate(self) -> float | None:
        """Images a second over the whole training."""
        if not self.seconds or self.images is None:
            return None
        return self.images / self.seconds


def training_cost(history: Sequence[Row]) -> TrainingCost:
    """From the last row: the counters there run over the whole training."""
    rows = logged(history)
    if not rows:
        return TrainingCost()
    last = rows[-1]
    images = last.get("images")
    return TrainingCost(
        steps=int(last["step"]),
        seconds=_value(last.get("seconds")),
        images=int(images) if isinstance(images, int | float) else None,
    )
