"""Findings as rows of an evaluation: `Watch` knows the real images, its metrics the samples.

Shapes: N training images · M held-out images · K classes
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from genarium.errors import UserError
from genarium.evaluation.diagnostics.dropping import dropping
from genarium.evaluation.diagnostics.findings import (
    CLEAR,
    FEWEST,
    Originals,
    classes_finding,
    copying_finding,
    repeats_finding,
)
from genarium.evaluation.diagnostics.thumbnails import (
    LEAST,
    thumbnail_shape,
    thumbnails,
    thumbnails_of,
)
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.images import Images, Stored, as_images, thinned
from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.score import Score, Undefined

LABELLED = 2000  # held-out images that say how the classifier errs


class Watch:
    """Findings as metrics of an evaluation, on one data set.

    train, heldout: as of `Originals`. labels, heldout_labels: their classes, where the extractor
    knows them. They are left in the `findings` of the samples too.
    """

    def __init__(
        self,
        train: Tensor | Images,
        heldout: Tensor | Images,
        labels: Tensor | None = None,
        heldout_labels: Tensor | None = None,
        seed: int = 0,
    ):
        self._images, self._labels, self._seed = (train, heldout), (labels, heldout_labels), seed
        first = next(as_images(train).batches(1))
        self._shape = thumbnail_shape(*first.shape[1:])

    @cached_property
    def originals(self) -> Originals:
        return Originals(*self._images, seed=self._seed)

    def metrics(self) -> tuple[Metric, ...]:
        """The rows "copied", "repeated" and, with labels, "missing classes"."""
        small = {"thumbnail": self._thumbnail}
        own: dict[str, Any] = {"on_features": False, "least": LEAST, "needs": (), "unseen": True}
        results = [
            Metric(self.copied, small, name="copied", **own),
            Metric(self.repeated, small, name="repeated", **own),
        ]
        if self._labels[0] is not None and self._labels[1] is not None:
            results.append(
                Metric(self.missing, needs=("logits",), name="missing-classes", unseen=True)
            )
        return tuple(results)

    def copied(self, samples: Measured, reference: Measured) -> Score:
        """Share of the samples that are training images."""
        finding = copying_finding(samples.per_image["thumbnail"], self.originals)
        samples.findings.append(finding)
        numbers = finding.numbers
        return Score(
            "copied",
            numbers["share"],
            unit="share",
            reference=0.0,
            note=f"{finding.text}; {numbers['held-out images']:,} held-out images",
            interval=tuple(numbers["interval"]) if finding.detected else None,
            basis={key: numbers[key] for key in ("training images", "held-out images")},
        )

    def repeated(self, samples: Measured, reference: Measured) -> Score | None:
        """Share of the samples that repeat another one."""
        images = samples.per_image["thumbnail"]
        if len(images) < FEWEST:
            raise Undefined(f"repeated: {len(images)} samples, it needs {FEWEST}")
        try:
            finding = repeats_finding(images, self.originals)
        except Undefined:  # of the real images, as `copied` has said
            return None
        samples.findings.append(finding)
        numbers = finding.numbers
        share = 1 - numbers["different"] / numbers["samples"]
        return Score("repeated", share, unit="share", reference=0.0, note=finding.text)

    def missing(self, samples: Measured, reference: Measured) -> Score | None:
        """Classes of the data that the samples lack."""
        names = samples.extractor.classes
        if not names:
            return None
        labels = self._labels[0]
        assert labels is not None
        if int(labels.max()) >= len(names):
            raise Undefined("missing classes: the data have other classes than the extractor")
        result = dropping(
            samples.logits.argmax(dim=1).bincount(minlength=len(names)),
            labels.bincount(minlength=len(names)),
            self._confusion(samples.extractor),
            names,
        )
        ours, theirs = ((s.recognised() >= 0).double().mean().item() for s in (samples, reference))
        finding = classes_finding(result, (ours, theirs))
        samples.findings.append(finding)
        if ours < CLEAR * theirs:  # a number would look like an answer
            return None
        return Score(
            "missing classes",
            len(finding.numbers["missing"]),
            reference=0.0,
            unit=f"of {len(names)}",
            note=finding.text,
        )

    def _thumbnail(self, images: Tensor) -> Tensor:
        return thumbnails(images, self._shape)

    def _confusion(self, extractor: Extractor) -> Tensor:
        images, labels = self._images[1], self._labels[1]
        assert labels is not None
        rows = thinned(len(images), LABELLED)  # not the first: they may be sorted by class
        some = as_images(images)
        if rows is not None:
            some, labels = some.take(rows), labels[rows]
        return confusion(extractor, torch.cat(list(some.batches(LABELLED))), labels)


def confusion(extractor: Extractor, images: Tensor, labels: Tensor) -> Tensor:
    """[K,K] real images of class j that the classifier names k."""
    k = len(extractor.classes)
    pairs = labels * k + extractor(images).logits.argmax(dim=1)
    return pairs.bincount(minlength=k * k).view(k, k)


def for_data(data: Any) -> Watch | None:
    """The watch over a data set (its splits `train` and `validation`); None for points.

    Held out is the validation split, which is cut from the training images or like them. A test
    split may be of another origin (that of MNIST is by other writers), and what is merely unlike
    it is no copy; it serves where there is no validation.
    """
    if data.spec.planar:
        return None
    held = data.validation if len(data.validation) else data.test
    if not len(held):
        return None
    values = data.spec.values
    train, others = (Stored(part.images, values=values) for part in (data.train, held))
    return Watch(train, others, data.train.labels, held.labels)


def for_images(train: Images, heldout: Images) -> Watch | None:
    """The watch over images that are read in batches; None where there are none."""
    first = next(train.batches(1), None)
    if first is None or not len(heldout):
        return None
    shape = thumbnail_shape(*first.shape[1:])
    try:
        return Watch(thumbnails_of(train, shape), thumbnails_of(heldout, shape))
    except Undefined as reason:
        raise UserError(f"evaluate: {reason}") from None
