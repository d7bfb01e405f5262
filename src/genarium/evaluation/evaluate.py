"""The evaluator: every score that a model, or a plain set of images, can have.

What a model can do decides which rows the table holds: no `sample`, no FID; no density, no bits
per dimension. Samples are rounded to uint8 first, as they would be saved, so the scores are those
of the pictures that a user gets. Everything but the speed is a function of the seed. Images are
read and measured batch by batch; only numbers of them stay in memory.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, TRANSLATED, Model, Samples, Settings, Values
from genarium.contract.modes import evaluation_mode
from genarium.errors import UserError
from genarium.evaluation.diagnostics.finding import Finding
from genarium.evaluation.draws import Draws, conditions_for
from genarium.evaluation.extractors import by_name as features
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.images import Images, Stored, as_images, shape_of, thin, thinned
from genarium.evaluation.scores.heldout import Progress, batches
from genarium.evaluation.scores.likelihood import likelihood
from genarium.evaluation.scores.measured import Measured, Metric, class_counts, score_all, suited
from genarium.evaluation.scores.model import (
    clustering,
    latents,
    parameters,
    reconstruction,
    sample_into,
)
from genarium.evaluation.scores.registry import METRICS
from genarium.evaluation.scores.score import Score, Scores, Undefined, sampled_with
from genarium.evaluation.scores.translation import translations


def evaluate_model(
    model: Model,
    *,
    reference: Tensor,
    labels: Tensor | None = None,
    heldout: Tensor | None = None,
    train: Tensor | None = None,
    extractor: str | Extractor,
    n: int = 1000,
    seed: int = 0,
    batch: int = 256,
    progress: Progress | None = None,
    split: str = "test",
    metrics: Sequence[Metric] = METRICS,
    second: Tensor | None = None,
    paired: bool = False,
    conditions: Tensor | None = None,
    draws: Draws | None = None,
    values: Values | None = None,
    second_values: Values | None = None,
) -> Scores:
    """Score a model by what it can do.

    reference: [N,C,H,W] images to compare samples with, as the model's data are stored. labels:
    their classes [N], for metrics that read them, and to say how far the extractor can be trusted
    on them. conditions:
    what goes with them, [N,A], of the kind that the model is conditioned on. heldout: images for
    likelihood and reconstruction; the reference if None. train: the training images, for scores
    that see copying, which read all of them. n: samples, and images of either other set, at most.
    seed, batch: of the samples; together they determine the result. split: the name of the split
    that reference and heldout come from.
    metrics: scores of samples against the reference. second: held-out images of a second domain,
    for a model that translates; the reference is the first then. paired: whether their rows belong
    together. draws: the samples, where somebody else wants to see them too. values, second_values:
    what stored values mean; those of the model's data if None. Samples and reference are compared
    as pictures of 8 bits over the range.

    The model is scored in evaluation mode, its modules' modes restored afterwards.

    Raises UserError for an unknown extractor, no images, or n or batch under 1.
    """
    if n < 1 or batch < 1:
        raise UserError(f"--n {n}, --batch {batch}: both must be at least 1")
    spec: Any = getattr(model, "spec", None)
    here, there = (
        given if given is not None else getattr(spec, name, EIGHT_BIT)
        for name, given in (("values", values), ("second_values", second_values))
    )
    chosen = _extractor(extractor, reference)
    shape = tuple(reference.shape[1:])
    labels = _rows_of(reference, labels, n, "labels")
    conditions = _rows_of(reference, conditions, n, "conditions")
    real = _thin(reference, n, split, here)
    held = real if heldout is None else _thin(heldout, n, split, here)
    report = progress or (lambda what, done, total: None)
    rows: list[Score] = []
    warnings: list[str] = []
    findings: list[Finding] = []
    with evaluation_mode(model), torch.inference_mode():
        theirs = _measure(split, chosen, metrics, real, batch, labels, report, warnings)
        theirs.conditions = conditions
        context = _context(chosen, theirs, here) | {
            "heldout": {"split": split, "count": len(held), "sha256": _digest(held, theirs, real)},
            "seed": seed,
            "batch": batch,
        }
        if isinstance(model, Samples):
            known = None if train is None else Stored(train, values=here)
            _add_train(theirs, known, chosen, metrics, batch, report, warnings)
            ours = Measured("sample", chosen, metrics)
            draws = draws or Draws(model, seed, conditions_for(model, conditions))
            try:
                speed = sample_into(ours, draws, len(real), shape, batch, report)
            except Undefined as reason:
                warnings.append(f"left out the scores of samples: {reason}")
            else:
                given = draws.settings
                rows += [*_scores(ours, theirs, metrics, context, warnings, given), speed]
                findings += ours.findings
        for part in (likelihood, reconstruction, latents):
            try:
                rows += part(model, held, context, report)
            except Undefined as reason:
                warnings.append(f"left out {reason}")
        if second is not None:
            rows += translations(
                model,
                (reference, second),
                paired,
                extractor=chosen,
                metrics=metrics,
                n=n,
                seed=seed,
                batch=min(batch, TRANSLATED),
                split=split,
                report=report,
                warnings=warnings,
                values={"a": here, "b": there},
            )
        if heldout is None or heldout is reference:  # the labels are the reference's
            try:
                rows += clustering(model, held, labels, context, report)
            except Undefined as reason:
                warnings.append(f"left out {reason}")
        rows.append(parameters(model))
    if len(real) < n:
        warnings.append(f"--n {n}: only {len(real)} {split} images, so as many of each")
    return Scores(rows, context, warnings, findings)


def evaluate_images(
    images: Tensor | Images,
    reference: Tensor | Images,
    *,
    labels: Tensor | None = None,
    train: Tensor | Images | None = None,
    extractor: str | Extractor,
    n: int | None = None,
    batch: int = 256,
    progress: Progress | None = None,
    split: str = "test",
    metrics: Sequence[Metric] = METRICS,
    settings: Settings | None = None,
) -> Scores:
    """Score plain images against reference images: uint8 [N,C,H,W], or anything that is `Images`.

    Sizes may differ, between the sets and within one: the extractor resizes each image. The larger
    set is thinned to the size of the smaller, and both to `n` if given. settings: how a model that
    the images are of sampled them. Other arguments and errors as in `evaluate_model`.
    """
    chosen = _extractor(extractor, reference)
    images, given = as_images(images), as_images(reference)
    count = min(len(images), len(given), len(images) if n is None else n)
    if count < 1:
        raise UserError(f"{len(images)} images against {len(given)}: both sides need one")
    warnings: list[str] = []
    labels = _rows_of(given, labels, count, "labels")
    report = progress or (lambda what, done, total: None)
    ours = _measure("sample", chosen, metrics, thin(images, count), batch, None, report, warnings)
    theirs = _measure(split, chosen, metrics, thin(given, count), batch, labels, report, warnings)
    if not min(ours.count, theirs.count):
        raise UserError(f"{ours.count} readable images against {theirs.count}: both sides need one")
    if ours.shapes != theirs.shapes and len(ours.shapes) == len(theirs.shapes) == 1:
        warnings.append(
            f"images are {_size(ours)}, the reference {_size(theirs)}: sharpness is not "
            "comparable, and the resize before the extractor differs"
        )
    _add_train(theirs, train, chosen, metrics, batch, report, warnings)
    context = _context(chosen, theirs, getattr(given, "values", EIGHT_BIT))
    rows = _scores(ours, theirs, metrics, context, warnings, settings)
    return Scores(rows, context, warnings, list(ours.findings))


# ---------------------------------------------------------------------------------------------
# Helpers


def _scores(
    ours: Measured,
    theirs: Measured,
    metrics: Sequence[Metric],
    context: dict[str, Any],
    warnings: list[str],
    settings: Settings | None,
) -> list[Score]:
    """The rows of samples against the reference; adds to context and warnings."""
    fitting, mixed = suited(metrics, ours, theirs)
    basis = _basis(context, ours.count) | sampled_with(settings)
    rows, undefined = score_all(ours, theirs, fitting, basis)
    warnings += [*mixed, *undefined]
    context["samples"] = ours.count
    if settings is not None and settings.changed():
        context["settings"] = settings.changed()
    if ours.extractor.classes and any("logits" in metric.needs for metric in metrics):
        context["classes"] = class_counts(ours, theirs)
    return rows


def _extractor(given: str | Extractor, images: Tensor | Images) -> Extractor:
    if not isinstance(given, str):
        return given
    return features.extractor(given, shape=shape_of(images))


def _measure(
    name: str,
    extractor: Extractor,
    metrics: Sequence[Metric],
    images: Images,
    batch: int,
    labels: Tensor | None,
    report: Progress,
    warnings: list[str],
) -> Measured:
    """Measure a set of images; warn if the extractor does not know its classes."""
    measured = Measured(name, extractor, metrics)
    for done, part in batches(images, batch):
        measured.add(part)
        report(name, done, len(images))
    warnings += images.warnings
    if labels is not None and len(labels) == measured.count:
        measured.labels = labels
    known = extractor.classes and any("logits" in metric.needs for metric in metrics)
    if labels is not None and known and len(labels) == measured.count:
        right = (measured.logits.argmax(dim=1) == labels.cpu()).double().mean().item()
        if right < 0.9:
            warnings.append(
                f"{extractor.name} is right about {right:.0%} of the {name} images only: "
                "scores by class mean little"
            )
    return measured


def _add_train(
    reference: Measured,
    train: Tensor | Images | None,
    extractor: Extractor,
    metrics: Sequence[Metric],
    batch: int,
    report: Progress,
    warnings: list[str],
) -> None:
    """Measure all training images where a metric reads them: of a part, most copies would lose the
    image that they are copies of."""
    needing = [metric for metric in metrics if "train" in metric.needs]
    if train is not None and needing:
        reference.train = _measure(
            "train", extractor, needing, as_images(train), batch, None, report, warnings
        )


def _rows_of(images: Tensor | Images, values: Tensor | None, n: int, what: str) -> Tensor | None:
    """The values of the images that `thin` takes."""
    if values is None:
        return None
    if len(values) != len(images):
        raise ValueError(f"{len(values)} {what} for {len(images)} images")
    rows = thinned(len(values), n)
    return values if rows is None else values[rows]


def _thin(images: Tensor, n: int, split: str, values: Values) -> Stored:
    given = Stored(images, values=values)
    if not len(images):
        raise UserError(f"the {split} split holds no images; evaluation needs some")
    return thin(given, n)


def _size(measured: Measured) -> str:
    return "x".join(str(side) for side in next(iter(measured.shapes)))


def _digest(held: Images, measured: Measured, real: Images) -> str:
    """The digest of the held-out images, which are mostly those that were measured."""
    if held is real:
        return measured.digest
    reader = Measured("held-out", measured.extractor, ())
    for part in held.batches(256):
        reader.read(part)
    return reader.digest


def _context(
    extractor: Extractor, reference: Measured, values: Values = EIGHT_BIT
) -> dict[str, Any]:
    stated = {} if values.eight_bit else {"pictures": f"8 bits over {values.span}"}
    return {
        **stated,
        "extractor": {"name": extractor.name, "hash": extractor.hash, "dims": extractor.dims},
        "resize": extractor.resize,
        "reference": {
            "split": reference.name,
            "count": reference.count,
            "sha256": reference.digest,
        },
    }


def _basis(context: dict[str, Any], samples: int) -> dict[str, str | int]:
    reference = context["reference"]
    pictures = {"pictures": context["pictures"]} if "pictures" in context else {}
    return {
        **pictures,
        "samples": samples,
        "reference split": reference["split"],
        "reference images": reference["count"],
        "reference SHA-256": reference["sha256"],
    }
