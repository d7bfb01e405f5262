"""The evaluator: every score that a model, or a plain set of images, can have.

What a model can do decides which rows the table holds: no `sample`, no FID; no density, no bits
per dimension. Samples are rounded to uint8 first, as they would be saved, so the scores are those
of the pictures that a user gets. Everything but the speed is a function of the seed.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import Model, Samples
from genarium.errors import UserError
from genarium.evaluation import features
from genarium.evaluation.features import Extractor
from genarium.evaluation.measure import (
    METRICS,
    Measured,
    Metric,
    class_counts,
    score_all,
    suited,
)
from genarium.evaluation.model_scores import (
    Progress,
    batches,
    clustering,
    likelihood,
    parameters,
    reconstruction,
    sample_into,
)
from genarium.evaluation.scores import Score, Scores, Undefined


def evaluate_model(
    model: Model,
    *,
    reference: Tensor,
    labels: Tensor | None = None,
    heldout: Tensor | None = None,
    extractor: str | Extractor,
    n: int = 1000,
    seed: int = 0,
    batch: int = 256,
    progress: Progress | None = None,
    split: str = "test",
    metrics: Sequence[Metric] = METRICS,
) -> Scores:
    """Score a model by what it can do.

    reference: uint8 [N,C,H,W] images to compare samples with. labels: their classes [N], which
    only serve to say how far the extractor can be trusted on them. heldout: images for likelihood
    and reconstruction; the reference if None. n: samples, and images of either set, at most.
    seed, batch: of the samples; together they determine the result. split: the name of the split
    that reference and heldout come from. metrics: scores of samples against the reference.

    The model is scored in evaluation mode, its modules' modes restored afterwards.

    Raises UserError for an unknown extractor, no images, or n or batch under 1.
    """
    if n < 1 or batch < 1:
        raise UserError(f"--n {n}, --batch {batch}: both must be at least 1")
    chosen = _extractor(extractor, reference)
    labels = _labels_of(reference, labels, n)
    reference = _thin(reference, n, split)
    metrics = suited(metrics, reference)
    heldout = reference if heldout is None else _thin(heldout, n, split)
    report = progress or (lambda what, done, total: None)
    context = _context(chosen, reference, split) | {
        "heldout": {"split": split, "count": len(heldout), "sha256": _digest(heldout)},
        "seed": seed,
        "batch": batch,
    }
    rows: list[Score] = []
    warnings: list[str] = []
    with _evaluating(model), torch.inference_mode():
        if isinstance(model, Samples):
            ours = Measured("sample", chosen, metrics)
            theirs = _measure(split, chosen, metrics, reference, batch, labels, report, warnings)
            try:
                speed = sample_into(ours, model, reference, seed, batch, report)
            except Undefined as reason:
                warnings.append(f"left out the scores of samples: {reason}")
            else:
                found, more = score_all(ours, theirs, metrics, _basis(context, ours.count))
                rows += [*found, speed]
                warnings += more
                context["samples"] = ours.count
                if chosen.classes:
                    context["classes"] = class_counts(ours, theirs)
        for part in (likelihood, reconstruction):
            try:
                rows += part(model, heldout, context, report)
            except Undefined as reason:
                warnings.append(f"left out {reason}")
        if heldout is reference:  # the labels are the reference's
            rows += clustering(model, heldout, labels, context, report)
        rows.append(parameters(model))
    if len(reference) < n:
        warnings.append(f"--n {n}: only {len(reference)} {split} images, so as many of each")
    return Scores(rows, context, warnings)


def evaluate_images(
    images: Tensor,
    reference: Tensor,
    *,
    labels: Tensor | None = None,
    extractor: str | Extractor,
    n: int | None = None,
    batch: int = 256,
    progress: Progress | None = None,
    split: str = "test",
    metrics: Sequence[Metric] = METRICS,
) -> Scores:
    """Score plain images, uint8 [N,C,H,W], against reference images uint8 [M,C',H',W'].

    The larger set is thinned to the size of the smaller, and both to `n` if given. Other
    arguments and errors as in `evaluate_model`.
    """
    chosen = _extractor(extractor, reference)
    count = min(len(images), len(reference), len(images) if n is None else n)
    if count < 1:
        raise UserError(f"{len(images)} images against {len(reference)}: both sides need one")
    warnings: list[str] = []
    if images.shape[1:] != reference.shape[1:]:
        warnings.append(
            f"images are {_size(images)}, the reference {_size(reference)}: sharpness is not "
            "comparable, and the resize before the extractor differs"
        )
    labels = _labels_of(reference, labels, count)
    images, reference = _thin(images, count, "given"), _thin(reference, count, split)
    report = progress or (lambda what, done, total: None)
    metrics = suited(metrics, images, reference)
    ours = _measure("sample", chosen, metrics, images, batch, None, report, warnings)
    theirs = _measure(split, chosen, metrics, reference, batch, labels, report, warnings)
    context = _context(chosen, reference, split) | {"samples": count}
    if chosen.classes:
        context["classes"] = class_counts(ours, theirs)
    rows, more = score_all(ours, theirs, metrics, _basis(context, count))
    return Scores(rows, context, warnings + more)


# ---------------------------------------------------------------------------------------------
# Helpers


def _extractor(given: str | Extractor, images: Tensor) -> Extractor:
    if not isinstance(given, str):
        return given
    return features.extractor(given, shape=tuple(images.shape[1:]))


def _measure(
    name: str,
    extractor: Extractor,
    metrics: Sequence[Metric],
    images: Tensor,
    batch: int,
    labels: Tensor | None,
    report: Progress,
    warnings: list[str],
) -> Measured:
    """Measure a set of images; warn if the extractor does not know its classes."""
    measured = Measured(name, extractor, metrics)
    for done, part in batches(images, batch, torch.device("cpu")):
        measured.add(part)
        report(name, done, len(images))
    if labels is not None and extractor.classes:
        right = (measured.logits.argmax(dim=1) == labels.cpu()).double().mean().item()
        if right < 0.9:
            warnings.append(
                f"{extractor.name} is right about {right:.0%} of the {name} images only: "
                "scores by class mean little"
            )
    return measured


def _thin_rows(values: Tensor, n: int) -> Tensor:
    """At most n rows, the same random ones for the same sizes, in their order.

    Not the first n and not each k-th: a set may be sorted by class, or go through them in turn.
    """
    total = len(values)
    if total <= n:
        return values
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    return values[order[:n].sort().values]


def _labels_of(images: Tensor, labels: Tensor | None, n: int) -> Tensor | None:
    if labels is None:
        return None
    if len(labels) != len(images):
        raise ValueError(f"{len(labels)} labels for {len(images)} images")
    return _thin_rows(labels, n)


def _thin(images: Tensor, n: int, split: str) -> Tensor:
    features.check_images(images)
    if not len(images):
        raise UserError(f"the {split} split holds no images; evaluation needs some")
    return _thin_rows(images, n)


def _size(images: Tensor) -> str:
    return "x".join(str(side) for side in images.shape[1:])


def _digest(images: Tensor) -> str:
    """First 12 hex digits of the SHA-256 of shape and pixels."""
    digest = hashlib.sha256(_size(images).encode())
    digest.update(images.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:12]


def _context(extractor: Extractor, reference: Tensor, split: str) -> dict[str, Any]:
    return {
        "extractor": {"name": extractor.name, "hash": extractor.hash, "dims": extractor.dims},
        "resize": extractor.resize,
        "reference": {"split": split, "count": len(reference), "sha256": _digest(reference)},
    }


def _basis(context: dict[str, Any], samples: int) -> dict[str, str | int]:
    reference = context["reference"]
    return {
        "samples": samples,
        "reference split": reference["split"],
        "reference images": reference["count"],
        "reference SHA-256": reference["sha256"],
    }


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; each module's own mode is restored."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode
