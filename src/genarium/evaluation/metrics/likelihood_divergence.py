"""Feature likelihood divergence (Jiralerspong et al. 2023): fidelity, variety and novelty in one.

A mixture of one round Gaussian a sample, all of equal weight,

    p(x) = 1/M Σ_j N(x; y_j, σ_j² I)

gets its widths σ_j by maximum likelihood on *training* images and is then asked for the likelihood
of *test* images. A sampler that copies training images fits them with σ_j → 0 and explains no test
image, so it scores badly here, which FID and Inception Score cannot see. That works only with *all*
training images: a copy whose original is left out is as good as a new image. With b the same number
of a mixture of M training images fitted to the others,

    FLD = 100 · ( -mean ln p(test) / D - b )

0 for samples as good as training images, lower is better. More centres explain more, so both
mixtures have M: of more samples than half of the training images, so many are drawn at random. (The
published code keeps all samples there and gives the baseline fewer centres, so that samples without
copies come out below 0.)

Features are standardised by the mean and deviation of the test images, as published. Here the
widths are fitted by expectation maximisation, which needs no step size; the published code takes 50
steps of Adam on the same likelihood, so values agree closely but not in every digit.

Shapes: T training images · N test images · M samples, the centres · D features
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = math.exp(-40)  # of σ², as published: a copied image would make it 0
MOST = math.exp(20)
STEPS = 50
ORIGIN = 0.9**2  # the background's squared distances are shrunk by this while fitting
LIVE = 1e-6  # of the largest value: features that vary less are constant but for rounding
BLOCK = 1 << 16  # squared distances at a time: they stay in the cache
KEPT = 800_000_000  # squared distances kept between steps: 3.2 GB; of more, none


def feature_likelihood_divergence(
    samples: Tensor, train: Tensor, test: Tensor, *, seed: int = 0
) -> float:
    """FLD of features `samples` [M,D] given `train` [T,D] and `test` [N,D]; float64.

    train: all training images. seed: of the training images that the baseline is made of, and of
    the samples where there are more than T/2. Memory beside the features: 4·M·T bytes, or of one
    block where that would be more than 3.2 GB (then it takes longer).

    Raises ValueError for fewer than 2 samples, 4 training or 2 test images, features that do not
    fit or are not finite, or test images that do not vary in any feature.
    """
    return divergence_terms(samples, train, test, seed=seed).mean().item()


def centres_of(samples: int, train: int) -> int:
    """M, the centres of either mixture: all samples, but no more than half the training images."""
    return min(samples, train // 2)


def divergence_terms(samples: Tensor, train: Tensor, test: Tensor, *, seed: int = 0) -> Tensor:
    """What each test image adds: [N] float64, of which the FLD is the mean."""
    sets = [f.detach().to("cpu") for f in (samples, train, test)]
    if any(f.ndim != 2 or f.shape[1] != sets[0].shape[1] for f in sets):
        raise ValueError(f"features do not fit: {[list(f.shape) for f in sets]}")
    if len(samples) < 2 or len(train) < 4 or len(test) < 2:
        raise ValueError(
            f"{len(samples)} samples, {len(train)} training and {len(test)} test images: "
            "at least 2, 4 and 2"
        )
    if not all(torch.isfinite(f).all() for f in sets):
        raise ValueError("features hold a value that is not finite")
    made, known, asked = sets
    scale = _Scale.of(asked)
    count = centres_of(len(made), len(known))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(known), generator=generator)
    if len(made) > count:
        made = made[torch.randperm(len(made), generator=generator)[:count]]
    everything = torch.arange(len(known))
    base = _surprise(known[order[:count]], known, order[count:], asked, scale)
    return 100 * (_surprise(made, known, everything, asked, scale) - base)


@dataclass(frozen=True)
class _Scale:
    """Standardises features; those that the test images do not vary in have no scale and go."""

    mean: Tensor
    deviation: Tensor
    live: Tensor

    @staticmethod
    def of(test: Tensor) -> _Scale:
        rows = test.double()
        mean, deviation = rows.mean(dim=0), rows.std(dim=0)
        live = deviation > LIVE * rows.abs().amax(dim=0)
        if not live.any():
            raise ValueError("the test images do not vary in any feature")
        return _Scale(mean[live], deviation[live], live)

    def __call__(self, rows: Tensor) -> Tensor:
        return (rows[:, self.live].double() - self.mean) / self.deviation


def _surprise(centres: Tensor, known: Tensor, rows: Tensor, asked: Tensor, scale: _Scale) -> Tensor:
    """-ln p / D of `asked` [N,D] under the mixture on `centres`, widths fitted to `known[rows]`."""
    centres = scale(centres)
    variance = _fitted(_Distances(known, rows, scale, centres), STEPS)
    a, b = _coefficients(variance, centres.shape[1])
    results = []
    for _, squared in _Distances(asked, torch.arange(len(asked)), scale, centres):
        top, relative = _relative(squared, a, b)
        results.append(top + relative.sum(dim=1).log())
    return -torch.cat(results) / centres.shape[1]


def widths(centres: Tensor, fit: Tensor, steps: int = STEPS) -> Tensor:
    """σ_j² [M] of most likelihood for `fit` [T,D], by expectation maximisation.

    While fitting, a round Gaussian at the mean of `fit` stands beside the mixture and takes what
    no sample explains, so that every image has some likelihood.
    """
    dims = fit.shape[1]
    unit = _Scale(fit.new_zeros(dims), fit.new_ones(dims), torch.ones(dims, dtype=torch.bool))
    return _fitted(_Distances(fit, torch.arange(len(fit)), unit, centres.double()), steps)


def _fitted(distances: _Distances, steps: int) -> Tensor:
    """The widths of the centres that the distances are to."""
    dims = distances.centres.shape[1]
    mean = distances.mean()
    nearest = torch.full((len(distances.centres),), torch.inf, dtype=torch.float64)
    for _, squared in distances:
        nearest = torch.minimum(nearest, squared.amin(dim=0))
    variance = ((nearest + 1e-3) / dims).clamp(LEAST, MOST)
    background = variance.new_ones(1)
    origin = ORIGIN * distances.to(mean)
    for _ in range(steps):
        mass, moved = torch.zeros_like(variance), torch.zeros_like(variance)
        rest, rest_moved = torch.zeros_like(background), torch.zeros_like(background)
        a, b = _coefficients(variance, dims)
        beside = -0.5 * (origin / background + dims * (background * 2 * math.pi).log())
        for rows, squared in distances:
            top, relative = _relative(squared, a, b)
            total = torch.logaddexp(top + relative.sum(dim=1).log(), beside[rows])
            share = (top - total).exp()
            mass += share @ relative
            moved += share @ relative.mul_(squared)
            left = (beside[rows] - total).exp()
            rest += left.sum()
            rest_moved += left @ origin[rows]
        # a sample that explains nothing keeps its width
        variance = torch.where(mass > 1e-12, moved / (dims * mass), variance).clamp(LEAST, MOST)
        background = torch.where(rest > 1e-12, rest_moved / (dims * rest), background)
        background = background.clamp(min=LEAST)
    return variance


def _coefficients(variance: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """a, b [M] with ln( N(x; y_j, σ_j² I) / M ) = a_j |x - y_j|² + b_j."""
    return -0.5 / variance, -0.5 * dims * (variance * 2 * math.pi).log() - math.log(len(variance))


def _relative(squared: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of ln( N(x; y_j, σ_j² I) / M ) of each row [B], and all over it, [B,M]."""
    terms = squared.mul(a).add_(b)
    top = terms.amax(dim=1)
    # what is clamped counts nothing, and subnormal numbers would take twenty times as long
    return top, terms.sub_(top[:, None]).clamp_(min=-600.0).exp_()


class _Distances:
    """|x - y|² of `source[rows]` [T,D], standardised, to centres [M,D], in blocks of rows.

    As (slice, [B,M] float64); kept as float32 for the next pass where there are few enough.
    """

    def __init__(self, source: Tensor, rows: Tensor, scale: _Scale, centres: Tensor):
        self.source, self.rows, self.scale, self.centres = source, rows, scale, centres
        self._norms = centres.square().sum(dim=1)
        size = max(1, BLOCK // max(len(centres), centres.shape[1]))
        self._slices = [slice(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]
        self._kept: list[Tensor] | None = [] if len(rows) * len(centres) <= KEPT else None

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for i, part in enumerate(self._slices):
            if self._kept is not None and i < len(self._kept):
                yield part, self._kept[i].double()
                continue
            squared = _squared(self._block(part), self.centres, self._norms)
            if self._kept is not None:
                self._kept.append(squared.float())
                squared = self._kept[i].double()  # every pass sees the same numbers
            yield part, squared

    def mean(self) -> Tensor:
        """The mean row, [D]."""
        total = torch.zeros(self.centres.shape[1], dtype=torch.float64)
        for part in self._slices:
            total += self._block(part).sum(dim=0)
        return total / len(self.rows)

    def to(self, point: Tensor) -> Tensor:
        """The squared distance of every row to one point [D], [T]."""
        return torch.cat([(self._block(p) - point).square().sum(dim=1) for p in self._slices])

    def _block(self, part: slice) -> Tensor:
        return self.scale(self.source[self.rows[part]])


def _squared(x: Tensor, y: Tensor, y_norms: Tensor) -> Tensor:
    """|x - y|² in float64; what rounding cannot tell from equal rows is 0."""
    norms = x.square().sum(dim=1)[:, None] + y_norms
    squared = torch.addmm(norms, x, y.T, alpha=-2.0)
    return squared.masked_fill_(squared < 1e-12 * norms, 0.0)
