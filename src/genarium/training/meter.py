"""What a run measures between two rows of its log: mean losses, metrics and images a second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genarium.contract import Step
from genarium.training.engine import Engine
from genarium.training.log import Means


class NonFinite(Exception):
    """A loss or gradient that is NaN or infinite: the trainer rolls back."""


class Meter:
    """Means since the last row. images: that a step consumes, over all processes."""

    def __init__(self, engine: Engine, images: int):
        self.engine, self.images = engine, images
        self._means = Means()
        self._logged = (0, 0.0)

    def start(self, step: int, seconds: float) -> None:
        """The next row begins at this step, after these seconds of training."""
        self._logged = (step, seconds)

    def clear(self) -> None:
        self._means.clear()

    def gradient(self, phase: str, norm: Tensor) -> None:
        """Take in the norm of a player's gradient."""
        self._means.add(f"{phase}/gradient_norm", norm)

    def take(self, phase: str, result: Step) -> None:
        """Take in the losses and metrics of a turn."""
        for name, value in result.losses.items():
            self._means.add(f"losses {phase}/{name}", value)
        for name, value in result.metrics.items():
            self._means.add(f"metrics {phase}/{name}", value)

    def expect_finite(self, loss: Tensor, result: Step, phase: str) -> None:
        """Raise NonFinite where the summed loss of a turn is no number, on any process."""
        # on a GPU reading the loss each turn would stall it: there the log's means are checked
        bad = self.engine.device.type == "cpu" and not math.isfinite(loss.item())
        if self.engine.any(int(bad)):
            names = [k for k, v in result.losses.items() if not bool(v.isfinite().all())]
            raise NonFinite(f"loss {phase}/{names[0] if names else 'of another process'}")

    def rate(self, step: int, seconds: float) -> float:
        """Images a second since the last row."""
        before_step, before_seconds = self._logged
        passed = max(1e-9, seconds - before_seconds)
        return (step - before_step) * self.images / passed

    def row(
        self, step: int, seconds: float, epoch: float, rates: Mapping[str, float]
    ) -> dict[str, Any]:
        """The row of the log at this step; the means begin anew. rates: learning rates by player.

        Raises NonFinite for a mean loss that is no number.
        """
        names, means = self._means.stacked()
        means = self.engine.mean(means.to(self.engine.device))
        self._means.clear()
        row: dict[str, Any] = {
            "step": step,
            "seconds": round(seconds, 3),
            "images": step * self.images,
            "epoch": round(epoch, 4),
            "rate": round(self.rate(step, seconds), 1),
            "learning_rate": dict(rates),
            "losses": {},
            "metrics": {},
        }
        for name, value in zip(names, means.tolist()):
            group, _, key = name.partition(" ")
            if not key:
                group, key = "metrics", name
            if group == "losses" and not math.isfinite(value):
                raise NonFinite(f"loss {key}")
            # JSON has no NaN: a metric that is not a number in this interval is left out
            if math.isfinite(value):
                row[group][key] = value
        return row
