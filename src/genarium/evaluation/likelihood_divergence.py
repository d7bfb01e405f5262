"""Feature likelihood divergence (Jiralerspong et al. 2023): fidelity, variety and novelty in one.

A mixture of one round Gaussian a sample, all of equal weight,

    p(x) = 1/M Σ_j N(x; y_j, σ_j² I)

gets its widths σ_j by maximum likelihood on *training* images and is then asked for the likelihood
of *test* images. A sampler that copies training images fits them with σ_j → 0 and explains no test
image, so it scores badly here, which FID and Inception Score cannot see. With b the same number of
a mixture on one half of the training images fitted to the other half,

    FLD = 100 · ( -mean ln p(test) / D - b )

0 for samples as good as training images, lower is better. Features are standardised by the mean
and deviation of the test images, as published. Here the widths are fitted by expectation
maximisation, which needs no step size; the published code takes 50 steps of Adam on the same
likelihood, so values agree closely but not in every digit.

Shapes: T training images · N test images · M samples · D features
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST = math.exp(-40)  # of σ², as published: a copied image would make it 0
STEPS = 50
ORIGIN = 0.9**2  # the background's squared distances are shrunk by this while fitting


def feature_likelihood_divergence(
    samples: Tensor, train: Tensor, test: Tensor, *, seed: int = 0
) -> float:
    """FLD of features `samples` [M,D] given `train` [T,D] and `test` [N,D]; float64.

    seed: of the halves of the training images. Memory: M x max(T, N) numbers.
    Raises ValueError for fewer than 2 samples, 4 training or 2 test images, features that do not
    fit or are not finite.
    """
    return divergence_terms(samples, train, test, seed=seed).mean().item()


def divergence_terms(samples: Tensor, train: Tensor, test: Tensor, *, seed: int = 0) -> Tensor:
    """What each test image adds: [N] float64, of which the FLD is the mean."""
    sets = [f.detach().to("cpu", torch.float64) for f in (samples, train, test)]
    if any(f.ndim != 2 or f.shape[1] != sets[0].shape[1] for f in sets):
        raise ValueError(f"features do not fit: {[list(f.shape) for f in sets]}")
    if len(samples) < 2 or len(train) < 4 or len(test) < 2:
        raise ValueError(
            f"{len(samples)} samples, {len(train)} training and {len(test)} test images: "
            "at least 2, 4 and 2"
        )
    if not all(torch.isfinite(f).all() for f in sets):
        raise ValueError("features hold a value that is not finite")
    mean, deviation = sets[2].mean(dim=0), sets[2].std(dim=0)
    live = deviation > 0  # a feature that the test images do not vary in has no scale
    made, known, asked = ((f[:, live] - mean[live]) / deviation[live] for f in sets)
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))
    half = min(len(made), len(known) // 2)
    base = _surprise(known[order[:half]], known[order[half:]], asked)
    return 100 * (_surprise(made, known, asked) - base)


def _surprise(centres: Tensor, fit: Tensor, asked: Tensor) -> Tensor:
    """-ln p / D of `asked` [N,D] under the mixture on `centres`, its widths fitted to `fit`."""
    dims = centres.shape[1]
    return -_log_density(_squared(asked, centres), widths(centres, fit), dims) / dims


def widths(centres: Tensor, fit: Tensor, steps: int = STEPS) -> Tensor:
    """σ_j² [M] of most likelihood for `fit` [T,D], by expectation maximisation.

    While fitting, a round Gaussian at the mean of `fit` stands beside the mixture and takes what
    no sample explains, so that every image has some likelihood.
    """
    dims = centres.shape[1]
    squared = _squared(fit, centres)
    origin = ORIGIN * _squared(fit, fit.mean(dim=0, keepdim=True))
    variance = ((squared.amin(dim=0) + 1e-3) / dims).clamp(min=LEAST)
    background = origin.new_ones(1)
    for _ in range(steps):
        terms = _terms(squared, variance, dims) - math.log(len(centres))
        beside = _terms(origin, background, dims)
        total = torch.logaddexp(terms.logsumexp(dim=1, keepdim=True), beside)
        share, rest = terms.sub_(total).exp_(), (beside - total).exp()
        mass = share.sum(dim=0)
        moved = (share * squared).sum(dim=0) / (dims * mass)
        # a sample that explains nothing keeps its width
        variance = torch.where(mass > 1e-12, moved, variance).clamp(LEAST, math.exp(20))
        if rest.sum() > 1e-12:
            background = ((rest * origin).sum() / (dims * rest.sum())).clamp(min=LEAST).view(1)
    return variance


def _terms(squared: Tensor, variance: Tensor, dims: int) -> Tensor:
    return -0.5 * (squared / variance + dims * (variance * 2 * math.pi).log())


def _log_density(squared: Tensor, variance: Tensor, dims: int) -> Tensor:
    return _terms(squared, variance, dims).logsumexp(dim=1) - math.log(len(variance))


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """|x - y|² in float64; what rounding cannot tell from equal rows is 0."""
    norms = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    squared = torch.addmm(norms, x, y.T, alpha=-2.0)
    return squared.masked_fill_(squared < 1e-12 * norms, 0.0)
