"""What the monitor of a training is handed: held-out images, a way to sample, a test for copies."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from genarium.contract import Model, Spec, capabilities, to_uint8
from genarium.evaluation.diagnostics.findings import Originals, copying_finding
from genarium.evaluation.images import Stored, thin
from genarium.evaluation.scores.score import Undefined
from genarium.runs.painting import sampler
from genarium.training.batches import TrainingData
from genarium.training.monitors.fixed import MOST
from genarium.training.monitors.monitor import Monitor

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.data.dataset import Split

COPIES = 200  # samples among which copies are searched
POOL = 5000  # training images at most: a copy of another one of more would be missed


def tensors_of(split: Split, spec: Spec) -> TrainingData:
    """A split as the trainer takes it."""
    return TrainingData(
        split.images,
        split.labels,
        dict(split.extra),
        dict(split.unpaired),
        spec.values,
        spec.second_values,
    )


def heldout_of(dataset: Dataset) -> TrainingData | None:
    """The validation images; None where there are none, in one of the domains."""
    held, spec = dataset.validation, dataset.spec
    if not len(held) or (spec.second is not None and not len(held.domain("b"))):
        return None
    return tensors_of(held, spec)


def monitor_of(model: Model, dataset: Dataset, seed: int) -> Monitor:
    """The monitor of a training of `model` on a data set."""
    heldout = heldout_of(dataset)
    if "sample" not in capabilities(model):
        return Monitor(heldout)
    sample = sampler(dataset, seed)
    planar = dataset.spec.planar
    copies = None if planar or heldout is None else Copies(dataset, sample)
    return Monitor(heldout, lambda model: sample(model, MOST), copies)


class Copies:
    """The test for copies, of a model in evaluation mode. samples: looked at. pool: training images
    that they are compared with at most."""

    def __init__(
        self,
        dataset: Dataset,
        sample: Callable[[Model, int], torch.Tensor],
        samples: int = COPIES,
        pool: int = POOL,
    ):
        self.dataset, self.sample, self.samples, self.pool = dataset, sample, samples, pool

    @cached_property
    def _originals(self) -> Originals | None:
        values = self.dataset.spec.values
        train, held = self.dataset.train, self.dataset.validation
        try:
            return Originals(
                thin(Stored(train.images, values=values), self.pool),
                thin(Stored(held.images, values=values), self.pool),
            )
        except Undefined:
            return None

    def __call__(self, model: Model) -> dict[str, float]:
        """copying/evidence: -log10 of the smaller p-value; copying/share: of copies. Nothing where
        images are too few, too small or not finite."""
        if self._originals is None:
            return {}
        drawn = self.sample(model, self.samples).cpu()
        if not drawn.isfinite().all():
            return {}
        numbers = copying_finding(to_uint8(drawn), self._originals).numbers
        p = max(1e-9, min(numbers["p_side"], numbers["p_close"]))
        return {"copying/evidence": -math.log10(p), "copying/share": numbers["share"]}
