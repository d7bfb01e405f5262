"""The budget of a run, and the learning rate that follows from how much of it is used."""

from __future__ import annotations

import math

from genarium.training.options import TrainOptions


class Budget:
    """The limits of `options` (steps, epochs, minutes); the first that is reached ends the run.

    images: that a step consumes, over all processes. size: images of the training split.
    """

    def __init__(self, options: TrainOptions, images: int, size: int):
        self.options, self.images, self.size = options, images, size

    def epochs(self, step: int) -> float:
        """How many passes over the data `step` steps are."""
        return step * self.images / self.size

    def used(self, step: int, seconds: float) -> float:
        """The share of the budget, 0 to 1, that `step` steps in `seconds` are: the largest share
        of the limits given."""
        o = self.options
        shares = [0.0]
        if o.steps:
            shares.append(step / o.steps)
        if o.epochs:
            shares.append(self.epochs(step) / o.epochs)
        if o.minutes:
            shares.append(seconds / (60 * o.minutes))
        return min(1.0, max(shares))

    def learning_rate(self, step: int, seconds: float, rollbacks: int) -> float:
        """The factor of each learning rate: the warm-up and the schedule, halved a rollback."""
        factor = 0.5**rollbacks
        if self.options.warmup and step < self.options.warmup:
            factor *= (step + 1) / self.options.warmup
        used = self.used(step, seconds)
        if self.options.schedule == "cosine":
            factor *= 0.5 * (1 + math.cos(math.pi * used))
        elif self.options.schedule == "linear":
            factor *= 1 - used
        elif self.options.schedule == "constant-linear":
            factor *= min(1.0, 2 * (1 - used))
        return factor
