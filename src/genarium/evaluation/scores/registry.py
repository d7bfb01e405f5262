"""Scores of a set of images against a reference set: the metrics, and those of every table.

`METRICS` are those of every table, `MORE` those on demand; `scores.own` has the decorator that adds
one from outside. Scores by the distance of features are in `scores.features`, the rest is here.

Shapes: N images · D pooled features · K classes
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor

from genarium.errors import UserError
from genarium.evaluation.metrics.inception_score import inception_score
from genarium.evaluation.metrics.sharpness import sharpness
from genarium.evaluation.scores import features as feature_scores
from genarium.evaluation.scores.measured import RECOGNISED, Measured, Metric
from genarium.evaluation.scores.own import registered
from genarium.evaluation.scores.score import (
    Score,
    Undefined,
    Z,
    standard_error,
    student,
    wilson,
)

SPLITS = 10  # of the Inception Score
# Student's t for 1 to 9 degrees of freedom, two-sided 95 %
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
DRAWS = 1000  # of a bootstrap


def classifier_score(samples: Measured, reference: Measured) -> Score | None:
    """The Inception Score's formula on the extractor's classes."""
    classes = len(samples.extractor.classes) or samples.extractor.soft_classes
    if not classes:
        return None
    name = f"IS ({samples.extractor.name})"
    if not min(samples.count, reference.count):
        raise Undefined(f"{name}: there are no images")
    mean, std = inception_score(samples.logits, SPLITS)
    parts = min(SPLITS, samples.count)
    error = None
    if samples.count >= 2 * parts > 2:
        # the parts are independent scores; few of them, so Student's distribution
        error = std / (parts - 1) ** 0.5 * STUDENT[parts - 2] / Z
    return Score(
        name,
        mean,
        error,
        better="higher",
        unit=f"1 to {classes}",
        note=f"{parts} splits, deviation {std:.3g} between them; does not detect copying",
        reference=inception_score(reference.logits, SPLITS)[0],
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
        note=f"probability of one class ≥ {RECOGNISED:g} by {samples.extractor.name}",
        reference=real,
        interval=wilson(share, samples.count),
    )


def classes_found(samples: Measured, reference: Measured) -> Score | None:
    """Classes that hold at least a tenth of the share that they hold in the reference."""
    if not samples.extractor.classes:
        return None
    ours, theirs = samples.histogram().double(), reference.histogram().double()
    value = int(_represented(ours, theirs).item())
    again = _represented(_redrawn(ours), theirs)
    low, high = (again.quantile(q).item() for q in (0.025, 0.975))
    return Score(
        "classes found",
        value,
        again.std().item(),
        better="higher",
        interval=(min(low, value), max(high, value)),
        unit=f"of {len(ours)}",
        note="with at least a tenth of their share in the reference; recognised images only",
        reference=int((theirs > 0).sum().item()),
    )


def class_entropy(samples: Measured, reference: Measured) -> Score | None:
    """-Σ p ln p of the class shares among the recognised images."""
    if not samples.extractor.classes:
        return None
    results = []
    for each in (samples, reference):
        counts = each.histogram().double()
        if not counts.sum():
            raise Undefined(f"class entropy: no {each.name} image was recognised")
        share = counts / counts.sum()
        results.append(max(0.0, -torch.xlogy(share, share).sum().item()))
    # H is the mean of -ln p of the class of an image; its derivative is that too
    counts = samples.histogram().double()
    total, known = counts.sum(), int((counts > 0).sum())
    surprise = -(counts.clamp(min=1) / total).log()
    spread = ((counts * surprise.square()).sum() / total - results[0] ** 2).clamp(min=0)
    # of even classes the first order is 0 and the second all there is; it is skewed to low values
    skew = (known - 1) / (2 * total.item())
    variance = spread.item() / total.item() + skew / total.item()
    std = (variance * total.item() / max(1.0, total.item() - known)) ** 0.5
    return Score(
        "class entropy",
        results[0],
        std,
        better="higher",
        interval=(max(0.0, results[0] - Z * std - skew), results[0] + Z * std),
        unit="nats",
        note=f"recognised images only; ln {len(samples.extractor.classes)} if classes are even",
        reference=results[1],
    )


def _represented(ours: Tensor, theirs: Tensor) -> Tensor:
    """Classes that hold a tenth of their share, of counts [...,K] against counts [K]."""
    expected = theirs / theirs.sum().clamp(min=1) * ours.sum(dim=-1, keepdim=True)
    return ((ours > 0) & (ours >= 0.1 * expected)).sum(dim=-1).double()


def _redrawn(counts: Tensor) -> Tensor:
    """Counts [K] of as many images drawn anew from themselves, `DRAWS` times: [DRAWS,K]."""
    total = int(counts.sum())
    if not total:
        return counts.expand(DRAWS, -1)
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(DRAWS, total, generator=generator, dtype=torch.float64) * total
    drawn = torch.searchsorted(counts.cumsum(0), place.flatten(), right=True).view(DRAWS, total)
    result = torch.zeros(DRAWS, len(counts), dtype=torch.float64)
    return result.scatter_add_(1, drawn.clamp(max=len(counts) - 1), torch.ones_like(place))


def sharpness_score(samples: Measured, reference: Measured) -> Score:
    """Mean variance of the Laplacian."""
    ours, theirs = samples.per_image["sharpness"], reference.per_image["sharpness"]
    if not min(len(ours), len(theirs)):
        raise Undefined("sharpness: there are no images")
    mean, std = ours.mean().item(), standard_error(ours)
    return Score(
        "sharpness",
        mean,
        std,
        interval=student(mean, std, len(ours)),
        unit="variance of the Laplacian, grey on [0,1]",
        note="good near the reference: blur lowers it, noise raises it",
        reference=theirs.mean().item(),
    )


METRICS: tuple[Metric, ...] = (
    Metric(feature_scores.fid, needs=("pool",)),
    Metric(feature_scores.kid_score, needs=("pool",), name="kid"),
    Metric(feature_scores.precision, needs=("pool",)),
    Metric(feature_scores.recall, needs=("pool",)),
    Metric(classifier_score, needs=("logits",), name="is"),
    Metric(recognised, needs=("logits",)),
    Metric(classes_found, needs=("logits",)),
    Metric(class_entropy, needs=("logits",)),
    Metric(
        sharpness_score,
        {"sharpness": sharpness},
        on_features=False,
        least=3,
        needs=(),
        name="sharpness",
    ),
)
"""Of every table."""

MORE: tuple[Metric, ...] = (
    Metric(feature_scores.density, needs=("pool",)),
    Metric(feature_scores.coverage, needs=("pool",)),
    Metric(feature_scores.fid_infinity, needs=("pool",)),
    Metric(feature_scores.fld, needs=("pool", "train"), unseen=True),
)
"""On demand: `--metrics all`, or by name."""


def choose(
    names: str | None, always: Sequence[Metric] = (), further: Sequence[Metric] = ()
) -> tuple[Metric, ...]:
    """The metrics that a user names, e.g. "fid,kid,coverage"; "all" is all, None `METRICS`.

    always: those that the data ask for; they are in every table. further: those that are in it
    unless others were named. Of `genarium.evaluation.scores.own` are those by name, or all.
    Raises UserError for an unknown name, and for an own metric under a name that is taken.
    """
    if names is None:
        return (*METRICS, *always, *further)
    known = {metric.key: metric for metric in (*METRICS, *MORE)}
    yours = registered()
    for name in {*yours} & {*known, "all", *(metric.key for metric in (*always, *further))}:
        raise UserError(f"@metric({name!r}): there is a metric of this name: choose another")
    known |= yours
    wanted = [name.strip() for name in names.split(",")]
    if wanted == ["all"]:
        return (*known.values(), *always, *further)
    known |= {metric.key: metric for metric in further}
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UserError(f"--metrics {name}: {hint}Choose from all, {', '.join(known)}")
    return (*(known[name] for name in dict.fromkeys(wanted)), *always)
