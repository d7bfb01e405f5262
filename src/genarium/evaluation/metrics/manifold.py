"""Precision, recall, density and coverage: how two sets of features overlap, by nearest neighbours.

Kynkäänniemi et al. 2019, Improved precision and recall metric for assessing generative models
Naeem et al. 2020, Reliable fidelity and diversity metrics for generative models

With B_k(x, S) the ball around x that reaches to its k-th nearest other member of S, surface
included, real images X and samples Y,

    precision  share of y in Y that lie in any B_k(x, X): are the samples like real images?
    recall     share of x in X that lie in any B_k(y, Y): are all kinds of real images sampled?
    density    mean over y of (number of B_k(x, X) that hold y) / k
    coverage   share of x in X whose B_k(x, X) holds any y

All four are shares, but density may exceed 1; sets of one distribution have density 1 and coverage
1 - 2^-k for large sets of equal size. All depend on the number of images.

Shapes: N real images · M samples · D features
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation.metrics.neighbours import ball_counts, radii_squared


@dataclass(frozen=True)
class Manifold:
    """What each image says of the overlap.

    precise: [M] bool, sample in any real ball. recalled: [N] bool, real image in any sample ball.
    density: [M] float64, real balls that hold the sample, over k. covered: [N] bool, real ball
    holds a sample.
    """

    precise: Tensor
    recalled: Tensor
    density: Tensor
    covered: Tensor

    def means(self) -> tuple[float, float, float, float]:
        """(precision, recall, density, coverage)."""
        parts = (self.precise, self.recalled, self.density, self.covered)
        a, b, c, d = (part.double().mean().item() for part in parts)
        return a, b, c, d


def manifold(
    real: Tensor, samples: Tensor, *, k: int = 3, k_density: int = 5, block: int = 2048
) -> Manifold:
    """Overlap of features `real` [N,D] and `samples` [M,D], with the answers of float64.

    k: of precision and recall. k_density: of density and coverage. The defaults are the papers'.
    Memory beside the features: a few blocks of distances.

    Raises ValueError for fewer than k+1 images in either set, features that do not fit, or values
    that are not finite.
    """
    if real.ndim != 2 or samples.ndim != 2 or real.shape[1] != samples.shape[1]:
        raise ValueError(f"features do not fit: {list(real.shape)} and {list(samples.shape)}")
    if min(k, k_density) < 1 or len(real) <= max(k, k_density) or len(samples) <= k:
        raise ValueError(
            f"{len(real)} real images and {len(samples)} samples: too few for {max(k, k_density)} "
            "neighbours"
        )
    around_real = radii_squared(real, (k, k_density), block=block)
    around_samples = radii_squared(samples, (k,), block=block)
    of_real, of_samples = ball_counts(real, samples, around_real, around_samples, block=block)
    return Manifold(
        precise=of_real.point[:, 0] > 0,
        recalled=of_samples.point[:, 0] > 0,
        density=of_real.point[:, 1].to(torch.float64) / k_density,
        covered=of_real.centre[:, 1] > 0,
    )
