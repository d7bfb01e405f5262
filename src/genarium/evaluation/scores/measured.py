"""What scores are computed from: a set of images, measured batch by batch, and a metric.

`Measured` keeps what the metrics need of images, never the images. Sets that were measured apart,
by several processes, merge. A `Metric` makes one score of two measured sets.

Shapes: N images · D pooled features · K classes
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from genarium.evaluation.diagnostics.finding import Finding
from genarium.evaluation.extractors.extractor import Extractor, Features
from genarium.evaluation.metrics.frechet import Moments
from genarium.evaluation.scores.score import Score, Undefined

RECOGNISED = 0.9  # largest class probability from which on an image counts as recognised


@dataclass(frozen=True)
class Metric:
    """One score of the samples against the reference.

    score: may raise `Undefined`, or return None where the extractor has no classes and the score
    needs them. per_image: functions uint8 [N,C,H,W] -> [N] whose results it reads. on_features:
    whether its value depends on the extractor; if not, it is left out for images of several sizes.
    least: the shortest side, in pixels, of images that it can judge; of smaller ones it is left
    out. needs: the features that it reads of each image, "pool" and "logits"; "train" where it
    reads those of training images too. name: how `--metrics` calls it; the function's, if "".
    unseen: whether the reference must be images that no model was trained on.
    """

    score: Callable[[Measured, Measured], Score | None]
    per_image: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    on_features: bool = True
    least: int = 1
    needs: tuple[str, ...] = ("pool", "logits")
    name: str = ""
    unseen: bool = False

    @property
    def key(self) -> str:
        """The name in `--metrics`."""
        return self.name or self.score.__name__.replace("_", "-")


class Measured:
    """What the metrics need of a set of images, taken in batch by batch.

    name: what to call the set in notes. count: N. moments: of the pooled features. pool [N,D],
    logits [N,K]: the features, where a metric needs them. per_image: [N] numbers that metrics ask
    for, by name. shapes: (C, H, W) that were seen. broken: images whose features are not finite, by
    kind of feature; scores that need that kind are left out. train: the training images, where they
    are known and a metric needs them. labels: the classes [N] int64, of samples those that were
    asked for; conditions: what goes with the images, or what samples were asked to show, [N] or
    [N,A]; both None where they are not known. memo: what metrics share. findings: what they say in
    words.
    """

    def __init__(self, name: str, extractor: Extractor, metrics: Sequence[Metric]):
        self.name = name
        self.extractor = extractor
        self.count = 0
        self.moments = Moments(extractor.dims)
        self.shapes: set[tuple[int, ...]] = set()
        self.train: Measured | None = None
        self.labels: Tensor | None = None
        self.conditions: Tensor | None = None
        self.findings: list[Finding] = []
        self.memo: dict[Any, Any] = {}
        self.broken = dict.fromkeys(Features._fields, 0)
        self._functions = {k: (f, m.least) for m in metrics for k, f in m.per_image.items()}
        wanted = {need for metric in metrics for need in metric.needs} & {"pool", "logits"}
        self._kept: dict[str, list[Tensor]] = {k: [] for k in (*wanted, *self._functions)}
        self._digest = hashlib.sha256()
        self._last: tuple[int, ...] = ()

    def add(self, images: Tensor) -> None:
        """Take in uint8 images [B,C,H,W]."""
        shape = self.read(images)
        self.add_features(self.extractor(images))
        for name, (function, least) in self._functions.items():
            if min(shape[-2:]) >= least:
                self._kept[name].append(function(images))

    def add_features(self, features: Features) -> None:
        """Take in features alone, for scores that need no images."""
        for name, values in features._asdict().items():
            self.broken[name] += int((~torch.isfinite(values)).any(dim=1).sum())
        if not self.broken["pool"]:
            self.moments.add(features.pool)
        for name, values in features._asdict().items():
            if name in self._kept:
                self._kept[name].append(values)
        self.count += len(features.pool)

    def read(self, images: Tensor) -> tuple[int, ...]:
        """Count images [B,C,H,W] into the digest only; gives their (C, H, W)."""
        shape = tuple(images.shape[1:])
        if shape != self._last:
            self._digest.update("x".join(map(str, shape)).encode())
            self._last = shape
        self._digest.update(images.cpu().contiguous().numpy().data)
        self.shapes.add(shape)
        return shape

    def merge(self, other: Measured) -> Measured:
        """Take in what another process measured, of other images with the same metrics."""
        if other.extractor.hash != self.extractor.hash or other._kept.keys() != self._kept.keys():
            raise ValueError("only sets of one extractor and one list of metrics merge")
        self.moments.merge(other.moments)
        for name, parts in other._kept.items():
            self._kept[name] += parts
        for name, count in other.broken.items():
            self.broken[name] += count
        self.labels = _joined(self.labels, other.labels)
        self.conditions = _joined(self.conditions, other.conditions)
        self._digest.update(other._digest.digest())
        self._last = ()
        self.shapes |= other.shapes
        self.count += other.count
        return self

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of shapes and pixels, in order."""
        return self._digest.hexdigest()[:12]

    @property
    def pool(self) -> Tensor:
        return self._all("pool", self.extractor.dims)

    @property
    def logits(self) -> Tensor:
        return self._all("logits", len(self.extractor.classes))

    @property
    def per_image(self) -> dict[str, Tensor]:
        return {name: self._all(name) for name in self._functions}

    def _all(self, name: str, *shape: int) -> Tensor:
        if name not in self._kept:
            raise ValueError(f"no metric said that it needs {name!r}")
        parts = self._kept[name]
        if len(parts) != 1:  # joined once, not once a metric
            parts[:] = [torch.cat(parts) if parts else torch.empty(0, *shape)]
        return parts[0]

    def histogram(self) -> Tensor:
        """Recognised images of each class, [K] int64."""
        guess = self.recognised()
        return guess[guess >= 0].bincount(minlength=self.logits.shape[1])

    def recognised(self) -> Tensor:
        """The class of each image, [N] int64; -1 where none has probability .9 or more."""
        probability, guess = self.logits.softmax(dim=1).max(dim=1)
        return torch.where(probability >= RECOGNISED, guess, -1)


def _joined(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else torch.cat([a, b])


def suited(metrics: Sequence[Metric], *sets: Measured) -> tuple[tuple[Metric, ...], list[str]]:
    """Those metrics that can judge images of these sizes, and a warning if any is left out for
    images of several sizes."""
    shapes = {shape for one in sets for shape in one.shapes}
    side = min((min(shape[-2:]) for shape in shapes), default=0)
    fitting = [metric for metric in metrics if metric.least <= side]
    sizes = max(len({shape[-2:] for shape in one.shapes}) for one in sets)
    if sizes <= 1:
        return tuple(fitting), []
    kept = tuple(metric for metric in fitting if metric.on_features)
    left = ", ".join(metric.key for metric in fitting if not metric.on_features)
    resize = sets[0].extractor.resize
    words = f"images of {sizes} sizes, each resized by itself for the features ({resize})"
    return kept, [words + (f"; left out {left}: give --size to have one size" if left else "")]


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
            _check(metric, samples, reference)
            score = metric.score(samples, reference)
        except Undefined as reason:
            warnings.append(f"left out {reason}")
            continue
        if score is not None:
            shared = {**basis, **features} if metric.on_features else basis
            rows.append(replace(score, basis={**shared, **score.basis}))
    return rows, warnings


def _check(metric: Metric, *sets: Measured) -> None:
    """Raise Undefined if features that the metric needs are not finite."""
    if not metric.on_features:
        return
    trained = [one.train for one in sets if one.train and "train" in metric.needs]
    for one in (*sets, *trained):
        for need in metric.needs:
            if one.broken.get(need):
                raise Undefined(
                    f"{metric.key}: {one.extractor.name} gave {need} features that are not finite "
                    f"for {one.broken[need]:,} of {one.count:,} {one.name} images"
                )


def class_counts(samples: Measured, reference: Measured) -> dict[str, Any]:
    """Class names with the number of recognised images in both sets, for the context."""
    return {
        "names": list(samples.extractor.classes),
        "samples": samples.histogram().tolist(),
        "reference": reference.histogram().tolist(),
    }
