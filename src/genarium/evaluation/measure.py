"""Scores of a set of images against a reference set: the metrics, and what they are computed from.

`Measured` takes in batches of images and keeps what is needed of them, never the images. A
`Metric` makes one score of two measured sets; `METRICS` are those of every table, and
docs/evaluation.md adds one in ten lines.

Shapes: N images · D pooled features · K classes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from genarium.evaluation.features import Extractor
from genarium.evaluation.frechet import Moments, frechet_distance
from genarium.evaluation.inception_score import inception_score
from genarium.evaluation.scores import Score, Undefined
from genarium.evaluation.sharpness import sharpness

RECOGNISED = 0.9  # largest class probability from which on an image counts as recognised
UNBIASED_FROM = 2048  # images under which the bias of the FID is not small


class Measured:
    """What the metrics need of a set of images, taken in batch by batch.

    name: what to call the set in notes. count: N. moments: of the pooled features. pool [N,D],
    logits [N,K]: the features. per_image: [N] numbers that metrics ask for, by name.
    """

    def __init__(self, name: str, extractor: Extractor, metrics: Sequence[Metric]):
        self.name = name
        self.extractor = extractor
        self.count = 0
        self.moments = Moments(extractor.dims)
        self._functions = {k: f for metric in metrics for k, f in metric.per_image.items()}
        self._kept: dict[str, list[Tensor]] = {k: [] for k in ("pool", "logits", *self._functions)}

    def add(self, images: Tensor) -> None:
        """Take in uint8 images [B,C,H,W]."""
        features = self.extractor(images)
        self.moments.add(features.pool)
        self._kept["pool"].append(features.pool)
        self._kept["logits"].append(features.logits)
        for name, function in self._functions.items():
            self._kept[name].append(function(images))
        self.count += len(images)

    @property
    def pool(self) -> Tensor:
        return torch.cat(self._kept["pool"])

    @property
    def logits(self) -> Tensor:
        return torch.cat(self._kept["logits"])

    @property
    def per_image(self) -> dict[str, Tensor]:
        return {name: torch.cat(self._kept[name]) for name in self._functions}

    def histogram(self) -> Tensor:
        """Recognised images of each class, [K] int64."""
        probability, guess = self.logits.softmax(dim=1).max(dim=1)
        return guess[probability >= RECOGNISED].bincount(minlength=self.logits.shape[1])


@dataclass(frozen=True)
class Metric:
    """One score of the samples against the reference.

    score: may raise `Undefined`, or return None where the extractor has no classes and the score
    needs them. per_image: functions uint8 [N,C,H,W] -> [N] whose results it reads. on_features:
    whether its value depends on the extractor. least: the shortest side, in pixels, of images that
    it can judge; of smaller ones it is left out.
    """

    score: Callable[[Measured, Measured], Score | None]
    per_image: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    on_features: bool = True
    least: int = 1


def fid(samples: Measured, reference: Measured) -> Score:
    """Fréchet distance of the pooled features, mean and covariance of each set."""
    count, other, dims = samples.count, reference.count, samples.extractor.dims
    name = f"FID ({samples.extractor.name})"
    if min(count, other) < 2:
        raise Undefined(f"{name}: a covariance needs at least 2 images, not {min(count, other)}")
    note = f"{count:,} samples, {other:,} {reference.name} images"
    if min(count, other) <= dims:
        note += f"; no more images than the {dims} features, so strongly biased upwards"
    elif min(count, other) < UNBIASED_FROM:
        note += f"; biased upwards under {UNBIASED_FROM:,}"
    if not samples.extractor.classes:
        note += f"; {samples.extractor.caveat}"
    value = frechet_distance(*samples.moments.statistics(), *reference.moments.statistics())
    return Score(name, value, better="lower", note=note)


def classifier_score(samples: Measured, reference: Measured) -> Score | None:
    """The Inception Score's formula on the extractor's classes."""
    classes = len(samples.extractor.classes)
    if not classes:
        return None
    name = f"IS ({samples.extractor.name})"
    if not min(samples.count, reference.count):
        raise Undefined(f"{name}: there are no images")
    mean, std = inception_score(samples.logits)
    return Score(
        name,
        mean,
        std,
        better="higher",
        unit=f"1 to {classes}",
        note=f"{min(10, samples.count)} splits, ± their deviation; blind to copying",
        reference=inception_score(reference.logits)[0],
    )


def recognised(samples: Measured, reference: Measured) -> Score | None:
    """Share of images to which the classifier gives a class with probability .9 or more."""
    if not samples.extractor.classes:
        return None
    if not min(samples.count, reference.count):
        raise Undefined("recognised: there are no images")
    share, real = (s.histogram().sum().item() / s.count for s in (samples, reference))
    return Score(
        "recognised",
        share,
        (share * (1 - share) / samples.count) ** 0.5,
        better="higher",
        unit="share",
        note=f"probability of one class ≥ {RECOGNISED:g} by {samples.extractor.name}; "
        "± standard error",
        reference=real,
    )


def classes_found(samples: Measured, reference: Measured) -> Score | None:
    """Classes that hold at least a tenth of the share that they hold in the reference."""
    if not samples.extractor.classes:
        return None
    ours, theirs = samples.histogram().double(), reference.histogram().double()
    expected = theirs / theirs.sum().clamp(min=1) * ours.sum()
    there = (ours > 0) & (ours >= 0.1 * expected)
    return Score(
        "classes found",
        int(there.sum().item()),
        better="higher",
        unit=f"of {len(ours)}",
        note="with at least a tenth of their share in the reference; recognised images only",
        reference=int((theirs > 0).sum().item()),
    )


def class_entropy(samples: Measured, reference: Measured) -> Score | None:
    """-Σ p ln p of the class shares among the recognised images."""
    if not samples.extractor.classes:
        return None
    found = []
    for each in (samples, reference):
        counts = each.histogram().double()
        if not counts.sum():
            raise Undefined(f"class entropy: no {each.name} image was recognised")
        share = counts / counts.sum()
        found.append(max(0.0, -torch.xlogy(share, share).sum().item()))
    return Score(
        "class entropy",
        found[0],
        better="higher",
        unit="nats",
        note=f"recognised images only; ln {len(samples.extractor.classes)} if classes are even",
        reference=found[1],
    )


def sharpness_score(samples: Measured, reference: Measured) -> Score:
    """Mean variance of the Laplacian."""
    ours, theirs = samples.per_image["sharpness"], reference.per_image["sharpness"]
    if not min(len(ours), len(theirs)):
        raise Undefined("sharpness: there are no images")
    return Score(
        "sharpness",
        ours.mean().item(),
        standard_error(ours),
        unit="variance of the Laplacian, grey on [0,1]",
        note="good near the reference: blur lowers it, noise raises it; ± standard error",
        reference=theirs.mean().item(),
    )


def standard_error(values: Tensor) -> float | None:
    """Standard error of the mean of [N] values; None for fewer than two."""
    if len(values) < 2:
        return None
    return (values.double().std() / len(values) ** 0.5).item()


METRICS: tuple[Metric, ...] = (
    Metric(fid),
    Metric(classifier_score),
    Metric(recognised),
    Metric(classes_found),
    Metric(class_entropy),
    Metric(sharpness_score, {"sharpness": sharpness}, on_features=False, least=3),
)


def suited(metrics: Sequence[Metric], *images: Tensor) -> tuple[Metric, ...]:
    """Those metrics that can judge images of this size, [N,C,H,W]."""
    side = min(min(one.shape[-2:]) for one in images)
    return tuple(metric for metric in metrics if metric.least <= side)


def score_all(
    samples: Measured,
    reference: Measured,
    metrics: Sequence[Metric],
    basis: Mapping[str, str | int],
) -> tuple[list[Score], list[str]]:
    """The scores of all metrics, and warnings for those that are undefined here.

    basis: of every score; the extractor is added to those that are on features.
    """
    extractor = samples.extractor
    features = {"extractor": f"{extractor.name} {extractor.hash}", "resize": extractor.resize}
    rows, warnings = [], []
    for metric in metrics:
        try:
            score = metric.score(samples, reference)
        except Undefined as reason:
            warnings.append(f"left out {reason}")
            continue
        if score is not None:
            shared = {**basis, **features} if metric.on_features else basis
            rows.append(replace(score, basis={**shared, **score.basis}))
    return rows, warnings


def class_counts(samples: Measured, reference: Measured) -> dict[str, Any]:
    """Class names with the number of recognised images in both sets, for the context."""
    return {
        "names": list(samples.extractor.classes),
        "samples": samples.histogram().tolist(),
        "reference": reference.histogram().tolist(),
    }
