"""When a run draws its sample grids: early, then at growing distances, and at checkpoints."""

from __future__ import annotations

from genarium.training.options import TrainOptions


def early(step: int) -> bool:
    """Whether a step is 10, 20, 50, 100, 200, 500, 1000, ..."""
    if step < 10:
        return False
    while step % 10 == 0:
        step //= 10
    return step in (1, 2, 5)


class Grids:
    """The steps of the grids. With `--sample-every N` each N-th; else the early ones, and all at
    which a checkpoint is saved.

    An early one is left out where drawing takes longer than the training since the last one: a
    model that samples pixel by pixel would spend its first minutes on pictures of noise. Pictures
    change no number of the run. Nothing is drawn twice at one step.
    """

    def __init__(self, options: TrainOptions):
        self.options = options
        self.drawn = -1  # the step of the last grid
        self.since = 0.0  # seconds of training since
        self.cost = 0.0  # seconds that the last one took

    def due(self, step: int) -> bool:
        """Whether step `step` is one."""
        if self.drawn == step:
            return False
        if self.regular(step):
            return True
        return not self.options.sample_every and early(step) and self.cost <= self.since

    def regular(self, step: int) -> bool:
        return step % (self.options.sample_every or self.options.checkpoint_every) == 0

    def trained(self, seconds: float) -> None:
        self.since += seconds

    def took(self, step: int, seconds: float) -> None:
        """The grid of a step was drawn in `seconds`."""
        self.drawn, self.since, self.cost = step, 0.0, seconds

    def count(self, first: int, last: int, step_seconds: float) -> int:
        """How many there are in the steps first + 1 to last, at this pace; the end has one."""
        every = self.options.sample_every or self.options.checkpoint_every
        result = last // every - first // every + (last % every > 0)
        if self.options.sample_every:
            return result
        at, power = first, 10
        while power <= last:
            for step in (power, 2 * power, 5 * power):
                if first < step < last and step % every:
                    trained = step - max(at, step // every * every)
                    if at == first or self.cost <= trained * step_seconds:
                        result, at = result + 1, step
            power *= 10
        return result
