"""The samples of a model that are scored and shown: one stream of them for one seed.

A model that takes a class is asked for the classes in turn, 0, 1, ... K-1, 0, ...; one that is
conditioned on attributes or a vector for those of the reference images, in their order. So it is
known of each sample what was asked for.

Shapes: N samples · C channels · H, W height and width · A numbers of a condition
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Settings, draw
from genarium.evaluation.scores.score import standard_error

BATCH = 256
"""Samples drawn at a time; with the seed it decides them."""


class Draws:
    """Samples of a model in evaluation mode, in order.

    seed: of the generator. conditions: what is asked for, gone through in turn, [M] class labels or
    [M,A] rows; None leaves it to the model. keep: the first samples that `first` gives later.
    settings: how the model samples, None for its own way. count: samples so far.
    """

    def __init__(
        self,
        model: Any,
        seed: int,
        conditions: Tensor | None = None,
        keep: int = 0,
        settings: Settings | None = None,
    ):
        self.model, self.keep, self.settings, self.seed = model, keep, settings, seed
        self.count = 0
        self._conditions = conditions
        self._generator = torch.Generator().manual_seed(seed)
        self._kept: list[Tensor] = []
        self._times: list[tuple[int, float]] = []
        self.device = torch.device("cpu")

    def draw(self, size: int) -> Tensor:
        """The next samples, floats [size,C,H,W] as the model gives them."""
        asked = self.asked(self.count, self.count + size)
        begin = _now()
        drawn = draw(
            self.model,
            size,
            condition=asked,
            generator=self._generator,
            settings=self.settings,
        )
        self._times.append((size, _now() - begin))
        missing = self.keep - self.count
        if missing > 0:
            self._kept.append(drawn[:missing].detach().cpu())
        self.count += size
        self.device = drawn.device
        return drawn

    def again(self) -> Draws:
        """The same samples from the first on."""
        results = copy.copy(self)
        results.count, results.keep, results._kept, results._times = 0, 0, [], []
        results._generator = torch.Generator().manual_seed(self.seed)
        return results

    def asked(self, start: int, stop: int) -> Tensor | None:
        """What samples `start` to `stop` are asked to show; None where it is left to the model."""
        if self._conditions is None:
            return None
        return self._conditions[torch.arange(start, stop) % len(self._conditions)]

    @property
    def conditions(self) -> Tensor | None:
        """What the samples so far were asked to show, [N] or [N,A]."""
        return self.asked(0, self.count)

    @property
    def labels(self) -> Tensor | None:
        """The classes that they were asked to show, [N] int64."""
        classes = self.conditions
        return classes if classes is not None and classes.ndim == 1 else None

    def first(self, n: int) -> Tensor:
        """The first n samples, at most `keep`; those that were not drawn yet are drawn."""
        while self.count < n:
            self.draw(min(BATCH, n - self.count))
        return torch.cat(self._kept)[:n]

    @property
    def batches(self) -> int:
        """How many times samples were drawn."""
        return len(self._times)

    def rate(self) -> tuple[float, float | None]:
        """Samples a second, and its standard error over the batches; the first also includes
        allocation and does not count if there are others."""
        warm = self._times[1:] or self._times
        images, seconds = sum(size for size, _ in warm), sum(spent for _, spent in warm)
        rate, deviation = images / max(seconds, 1e-9), None
        if len(warm) > 2:  # of the seconds an image
            deviation = standard_error(torch.tensor([spent / size for size, spent in warm]))
        return rate, None if deviation is None else deviation * rate**2


def conditions_for(model: Any, rows: Tensor | None = None) -> Tensor | None:
    """What the samples of a model are asked for in turn; see above.

    rows: what goes with the reference images, of the extra tensor that the model is conditioned on.
    """
    classes = getattr(getattr(model, "spec", None), "classes", ())
    if getattr(model, "conditional", False) and classes:
        return torch.arange(len(classes))
    if rows is not None and rows.ndim == 2 and rows.is_floating_point() and len(rows):
        return rows.float()
    return None


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
