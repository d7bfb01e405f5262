"""The score by which `--keep-best` chooses: of a model in training, on validation images.

Of each model what it has, in this order: bits a dimension (exact, or the bound), of a translator
the L1 error to its pairs or the Fréchet distance to the other domain, else the Fréchet distance of
samples, else the reconstruction error. Lower is better in each. The test split is not touched, so
the scores of `evaluate` are still of images that chose nothing.

The score of few images is biased, but each checkpoint's in the same way: the images, the noise of
the samples and their number are the same each time.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from genarium.contract import (
    TRANSLATED,
    HasElbo,
    HasLogProb,
    HasPrior,
    Model,
    Reconstructs,
    Samples,
    Translates,
    capabilities,
    to_uint8,
)
from genarium.errors import UserError
from genarium.evaluation.diagnostics.findings import Originals, copying_finding
from genarium.evaluation.extractors import by_name
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.images import Stored, thin
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.evaluation.plan import draws_of
from genarium.evaluation.scores.likelihood import likelihood
from genarium.evaluation.scores.model import reconstruction
from genarium.evaluation.scores.registry import choose
from genarium.evaluation.scores.score import Undefined
from genarium.evaluation.scores.translation import translations
from genarium.training.best import Scored
from genarium.training.options import TrainOptions

if TYPE_CHECKING:
    from genarium.data import Dataset

MOST = 500  # validation images, and samples
MOST_TRANSLATED = 100  # images of either domain: translators are slow
FEWEST, FEWEST_FRECHET = 2, 20  # validation images for a mean, for a covariance
LOOKED_AT = 200  # samples in which copies are searched
BATCH = 128


def scorer(model: Model, dataset: Dataset, options: TrainOptions) -> Validation | None:
    """What scores the checkpoints of a run; None where it keeps no best one.

    Raises UserError where the data or the model have nothing to score by.
    """
    if not options.keep_best:
        if options.patience:
            raise UserError(
                f"--patience {options.patience}: waits for a better validation score: give "
                "--keep-best too"
            )
        return None
    return Validation(model, dataset)


class Validation:
    """Scores a model on the validation split of a data set."""

    def __init__(self, model: Model, dataset: Dataset):
        # the split that is scored stands where an evaluation has the test split
        self.data = dataclasses.replace(dataset, test=dataset.validation)
        count = len(dataset.validation)
        if dataset.spec.second is not None and count:
            count = min(count, len(dataset.validation.domain("b")))
        known = (HasLogProb, HasElbo, Translates, Samples, Reconstructs)
        if not isinstance(model, known):
            raise UserError(
                f"--keep-best: {type(model).__name__} can {', '.join(capabilities(model))}, which "
                "gives no score to choose by: leave it out"
            )
        likely = isinstance(model, HasLogProb | HasElbo)
        fewest = FEWEST_FRECHET if isinstance(model, Samples) and not likely else FEWEST
        if count < fewest:
            raise UserError(
                f"--keep-best: the data have {count} validation images and the score needs "
                f"{fewest}: give more images (a tenth of them is set apart), or leave it out"
            )
        self.held = thin(Stored(dataset.validation.images, values=dataset.spec.values), MOST)

        self._likely, self._draws = likely, isinstance(model, Samples)

    def prepare(self) -> None:
        """Measure the real images."""
        with torch.inference_mode(), suppress(Undefined):
            if not self._likely and self._draws:
                _ = self._real
            if self._draws:
                _ = self._originals.real

    def __call__(self, model: Model) -> Scored:
        with torch.inference_mode():
            try:
                return self._scored(model)
            except Undefined as reason:
                return Scored("score", None, len(self.held), str(reason))

    def _scored(self, model: Model) -> Scored:
        context = {
            "seed": 0,
            "batch": BATCH,
            "heldout": {"split": "validation", "count": len(self.held), "sha256": ""},
        }
        if isinstance(model, HasLogProb | HasElbo):
            row = likelihood(model, self.held, context, _silent)[0]
            cheap = isinstance(model, Samples) and isinstance(model, HasPrior)
            note = self._copying(self._samples(model, LOOKED_AT)) if cheap else ""
            return Scored(row.name, row.value, len(self.held), note)
        if isinstance(model, Translates):
            return self._translated(model)
        if isinstance(model, Samples):
            samples = self._samples(model, MOST)
            value = frechet_distance_of_features(self._pooled(samples), self._real)
            name = f"FID ({self._extractor.name})"
            return Scored(name, value, len(self.held), self._copying(samples[:LOOKED_AT]))
        row = reconstruction(model, self.held, context, _silent)[0]
        return Scored(row.name, row.value, len(self.held))

    def _samples(self, model: Model, count: int) -> torch.Tensor:
        """uint8 samples [count,C,H,W], the same noise each time."""
        draws = draws_of(self.data, model, MOST, 0)
        parts = [draws.draw(min(BATCH, count - at)).cpu() for at in range(0, count, BATCH)]
        drawn = torch.cat(parts)
        if not torch.isfinite(drawn).all():
            raise Undefined("some samples hold pixels that are not finite")
        return to_uint8(drawn)

    def _translated(self, model: Any) -> Scored:
        warnings: list[str] = []
        rows = translations(
            model,
            (self.data.test.images, self.data.test.domain("b")),
            self.data.spec.paired,
            extractor=self._extractor,
            metrics=choose("fid"),
            n=MOST_TRANSLATED,
            seed=0,
            batch=TRANSLATED,
            split="validation",
            report=_silent,
            warnings=warnings,
            values={"a": self.data.spec.values, "b": self.data.spec.second_values},
        )
        errors = [row for row in rows if row.name.endswith(" L1") and "cycle" not in row.name]
        chosen = errors or [row for row in rows if " FID " in row.name]
        if not chosen:
            raise Undefined("; ".join(warnings))
        value = sum(row.value for row in chosen) / len(chosen)
        name = chosen[0].name if len(chosen) == 1 else f"mean of {len(chosen)} {chosen[0].name[4:]}"
        return Scored(name, value, min(MOST_TRANSLATED, len(self.held)))

    def _copying(self, samples: torch.Tensor) -> str:
        """The verdict on copying; empty where the images are too few or too small for one."""
        try:
            return copying_finding(samples, self._originals).text
        except Undefined:
            return ""

    @cached_property
    def _originals(self) -> Originals:
        values = self.data.spec.values
        train, held = (Stored(p.images, values=values) for p in (self.data.train, self.data.test))
        return Originals(train, held)

    @cached_property
    def _extractor(self) -> Extractor:
        spec = self.data.spec
        return by_name.extractor(by_name.default_for(self.data.name, spec), shape=spec.shape)

    @cached_property
    def _real(self) -> torch.Tensor:
        return torch.cat([self._extractor(part).pool for part in self.held.batches(BATCH)])

    def _pooled(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._extractor(part).pool for part in images.split(BATCH)])


def _silent(what: str, done: int, total: int) -> None: ...
