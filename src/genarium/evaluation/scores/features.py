"""Scores by the distance or overlap of two sets of features, each with its error.

Shapes: N images · D pooled features
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from genarium.evaluation.metrics.frechet import (
    frechet_distance,
    frechet_infinity,
    frechet_influence,
)
from genarium.evaluation.metrics.kid import influence, kid
from genarium.evaluation.metrics.likelihood_divergence import centres_of, divergence_terms
from genarium.evaluation.metrics.manifold import manifold
from genarium.evaluation.scores.measured import Measured
from genarium.evaluation.scores.score import Score, Undefined, Z, wilson

T = TypeVar("T")
Influence = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

UNBIASED_FROM = 2048  # images under which the bias of the FID is not small
MOST = 10_000  # images of a set that the overlap is searched in, as published
MOST_PAIRS = 5_000  # images of a set where the work or memory is that of all pairs in float64
LEAST_HALVED = 20  # images of a set that can be halved
K, K_DENSITY = 3, 5
STRANGE = 1e4  # an FLD from which on the samples explain hardly a test image
PARTS = 5  # disjoint parts of a set, whose scores say how much the score varies
PARTITIONS = 8
SMALL = (1.5, 1.5, 1.5, 9.0)  # over a part's images, which the error of parts is too small by
STUDENT = 2.0639  # 97.5 % point of t: over repetitions that variance scatters as with 24 degrees


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
    std, careful, shared = _frechet_error(samples, reference)
    low, high = _of_distance(value, careful, unbiased=False)
    return Score(
        name,
        value,
        std,
        better="lower",
        note=note,
        interval=(max(0.0, low), high),
        shared=shared,
    )


def fid_infinity(samples: Measured, reference: Measured) -> Score:
    """FID extrapolated to infinitely many images."""
    name = f"FID∞ ({samples.extractor.name})"
    try:
        estimate = frechet_infinity(samples.pool, reference.pool)
    except ValueError as reason:
        raise Undefined(f"{name}: {reason}") from None
    std, careful, shared = _frechet_error(samples, reference)
    whole = math.hypot(std, estimate.std)
    return Score(
        name,
        estimate.value,
        whole,
        better="lower",
        note=f"a line over 1/N, up to {samples.count:,} images, at 1/N = 0",
        interval=_of_distance(estimate.value, math.hypot(careful, estimate.std), unbiased=True),
        shared=shared,
    )


def _frechet_error(samples: Measured, reference: Measured) -> tuple[float, float, Tensor]:
    """Standard error of the FID, the careful one of its interval, and `shared`."""

    def compute() -> tuple[float, float, Tensor]:
        ours, theirs, careful = _error(frechet_influence, samples.pool, reference.pool)
        std = (ours.square().sum() + theirs.square().sum()).sqrt().item()
        return std, careful, theirs

    return _once(samples, reference, compute, "frechet error")


def _error(influence: Influence, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """What each image adds to the error of a squared distance, and a standard error for intervals.

    The variance is L/n + c/n². Squared influences have L/n + 2c/n² on average, and on halves of the
    sets 2L/n + 8c/n²; the two together give what there is too much, c/n². That correction is right
    on average and errs itself: with it, intervals of 50 to 400 images covered 83 to 92 %. So the
    interval's error is the one without it, too large for sets that are alike.
    """
    ours, theirs = influence(x, y)
    whole = float(ours.square().sum() + theirs.square().sum())
    if min(len(x), len(y)) < LEAST_HALVED:
        return ours, theirs, whole**0.5
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(f), generator=generator) for f in (x, y)]
    half = 0.0
    for one, other in zip(*(order.tensor_split(2) for order in orders)):
        parts = influence(x[one], y[other])
        half += float(sum(part.square().sum() for part in parts)) / 2
    share = min(1.0, max(0.5, 1.5 - 0.25 * half / whole)) if whole > 0 else 1.0
    return ours * share**0.5, theirs * share**0.5, whole**0.5


def _of_distance(value: float, std: float, unbiased: bool) -> tuple[float, float]:
    """95 % interval of a squared distance θ, whose variance is a·θ + b.

    As Wilson's for a share: all θ with (value - θ)² <= Z² (a θ + b). The estimate of the error
    falls with the value, so an even interval would miss the truth above too often. A value within
    one error of 0 determines no a, which is then taken as if the value were the error; else b is
    0. unbiased: whether the value of alike sets is about 0, and by chance above it; the lower end
    is then halfway to that of the even interval.
    """
    slope = std**2 / max(value, std) if std > 0 else 0.0
    centre = value + Z**2 * slope / 2
    half = Z * (std**2 + (Z * slope / 2) ** 2) ** 0.5
    low = centre - half
    return (low + value - Z * std) / 2 if unbiased else low, centre + half


def kid_score(samples: Measured, reference: Measured) -> Score:
    """Kernel Inception Distance by the published protocol."""
    name = f"KID ({samples.extractor.name})"
    count, other = samples.count, reference.count
    if min(count, other) < 2:
        raise Undefined(f"{name}: it needs at least 2 images, not {min(count, other)}")
    estimate = kid(samples.pool, reference.pool)
    size = min(1000, count, other)
    note = "unbiased at any count; "
    note += f"100 subsets of {size:,}" if size < max(count, other) else "all images at once"
    std = shared = interval = None
    if min(count, other) > 2:
        # the variance of a mean falls with the count, so a part of the images gives it
        x, y = _some(samples.pool, MOST_PAIRS), _some(reference.pool, MOST_PAIRS)
        ours, theirs, careful = _error(influence, x, y)
        ours, theirs = ours * (len(x) / count) ** 0.5, theirs * (len(y) / other) ** 0.5
        careful *= max(len(x) / count, len(y) / other) ** 0.5
        drawing = estimate.std**2 / 100  # of the subsets
        std = (ours.square().sum() + theirs.square().sum() + drawing).sqrt().item()
        shared = theirs
        interval = _of_distance(estimate.value, math.hypot(careful, drawing**0.5), unbiased=True)
    return Score(
        name, estimate.value, std, better="lower", note=note, interval=interval, shared=shared
    )


# ---------------------------------------------------------------------------------------------
# Overlap


def precision(samples: Measured, reference: Measured) -> Score:
    """Share of samples within the real images' neighbourhoods."""
    return _overlap("precision", 0, samples, reference, "samples among real images")


def recall(samples: Measured, reference: Measured) -> Score:
    """Share of real images within the samples' neighbourhoods."""
    return _overlap("recall", 1, samples, reference, "real images among samples")


def density(samples: Measured, reference: Measured) -> Score:
    """Real neighbourhoods that hold a sample, over k."""
    return _overlap("density", 2, samples, reference, "1 for samples like real images")


def coverage(samples: Measured, reference: Measured) -> Score:
    """Share of real images whose neighbourhood holds a sample."""
    return _overlap("coverage", 3, samples, reference, "real images with a sample near by")


def _overlap(kind: str, place: int, samples: Measured, reference: Measured, words: str) -> Score:
    name = f"{kind} ({samples.extractor.name})"
    k = K if place < 2 else K_DENSITY
    least = min(samples.count, reference.count)
    if least <= K_DENSITY:
        raise Undefined(f"{name}: it needs more than {K_DENSITY} images, not {least}")
    x, y = _some(reference.pool, MOST), _some(samples.pool, MOST)

    def whole() -> tuple[float, float, float, float]:
        return manifold(x, y, k=K, k_density=K_DENSITY).means()

    values = _once(samples, reference, whole, "overlap")
    parts = _once(samples, reference, lambda: _overlap_of_parts(x, y), "overlap of parts")
    note = f"{words}; {k} neighbours, {len(y):,} samples, {len(x):,} {reference.name} images"
    std = shared = interval = None
    if parts is not None:
        shared = parts[..., place].flatten()
        std = shared.square().sum().sqrt().item()
        ends = values[place] - STUDENT * std, values[place] + STUDENT * std
        interval = (max(0.0, ends[0]), ends[1] if kind == "density" else min(1.0, ends[1]))
        if kind != "density":  # parts that agree know of no error
            low, high = wilson(values[place], len(x if kind in ("recall", "coverage") else y))
            interval = (min(low, interval[0]), max(high, interval[1]))
    unit = "" if kind == "density" else "share"
    return Score(
        name,
        values[place],
        std,
        better="higher",
        unit=unit,
        note=note,
        interval=interval,
        shared=shared,
    )


def _overlap_of_parts(x: Tensor, y: Tensor) -> Tensor | None:
    """How far disjoint parts of both sets are from their mean, as parts of the error of the whole,
    [PARTITIONS,PARTS,4]; None for too few images.

    A part is a smaller pair of sets of the same proportions; the variance of the whole is that of
    a part over the number of parts. (Smaller parts than a fifth would give too small a variance:
    theirs times their size still grows with the size.) Leaving images out or drawing them twice,
    as jackknife and bootstrap do, would change who is whose neighbour. `SMALL` widens the error
    where a neighbourhood is a large share of a part.
    """
    if min(len(x), len(y)) // PARTS <= K_DENSITY:
        return None
    results = []
    for seed in range(PARTITIONS):
        orders = [
            torch.randperm(len(f), generator=torch.Generator().manual_seed(seed)) for f in (x, y)
        ]
        pairs = zip(*(f[order].tensor_split(PARTS) for f, order in zip((x, y), orders)))
        results.append([manifold(a, b, k=K, k_density=K_DENSITY).means() for a, b in pairs])
    values = torch.tensor(results, dtype=torch.float64)
    scale = (PARTITIONS * PARTS * (PARTS - 1)) ** 0.5
    small = 1 + torch.tensor(SMALL, dtype=torch.float64) / (min(len(x), len(y)) // PARTS)
    return small * (values - values.mean(dim=1, keepdim=True)) / scale


# ---------------------------------------------------------------------------------------------
# Likelihood


def fld(samples: Measured, reference: Measured) -> Score:
    """Feature likelihood divergence: sees copying of training images."""
    name = f"FLD ({samples.extractor.name})"
    if reference.train is None:
        raise Undefined(f"{name}: it needs the training images")
    made, asked = (_some(s.pool, MOST) for s in (samples, reference))
    known = reference.train.pool  # all: a copy is seen by its original only
    try:
        terms = divergence_terms(made, known, asked)
    except ValueError as reason:
        raise Undefined(f"{name}: {reason}") from None
    value = terms.mean().item()
    centres = centres_of(len(made), len(known))
    note = f"0 for samples as good as training images; {centres:,} samples"
    if centres < samples.count:
        why = "half of the training images" if centres < len(made) else "at most"
        note += f" of {samples.count:,} ({why})"
    note += f", all {len(known):,} training images, {len(asked):,} {reference.name} images"
    note += f"; error of the {reference.name} images only"
    if value > STRANGE:
        note += (
            f"; the samples explain hardly a {reference.name} image: copies of training images, "
            "or images of another kind"
        )
    shared = (terms - value) / (len(terms) * (len(terms) - 1)) ** 0.5
    return Score(
        name,
        value,
        shared.square().sum().sqrt().item(),
        better="lower",
        note=note,
        shared=shared,
        basis={
            "training images": len(known),
            "training SHA-256": reference.train.digest,
        },
    )


# ---------------------------------------------------------------------------------------------


def _some(rows: Tensor, n: int) -> Tensor:
    """At most n rows, the same random ones for the same count."""
    if len(rows) <= n:
        return rows
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:n]]


def _once(samples: Measured, reference: Measured, compute: Callable[[], T], key: str) -> T:
    """Metrics of one table share what is computed of the same two sets."""
    place = (key, id(reference))
    if place not in samples.memo:
        samples.memo[place] = compute()
    result: T = samples.memo[place]
    return result
