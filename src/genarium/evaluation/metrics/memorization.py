"""Published measures of memorization, as functions of features.

    Meehan, Chaudhuri & Dasgupta 2020, A non-parametric test to detect data-copying: `data_copying`
    Alaa et al. 2022, How faithful is your synthetic data?: `authenticity`

and `nearest_gap`, the plain comparison of nearest neighbours. None of them takes the place of
`copying`: a blurred or a merely poor sampler moves the first two, and few held-out images weaken
the last. docs/copying.md shows how often each is right.

Shapes: n samples · m test images · N training images · D features
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation.metrics.neighbours import nearest


@dataclass(frozen=True)
class Gap:
    """share: of the samples that are nearer to a training than to a test image, of equally many.
    train, test: median distances to the nearest of either."""

    share: float
    train: float
    test: float


def nearest_gap(samples: Tensor, train: Tensor, test: Tensor, *, seed: int = 0) -> Gap:
    """Nearest training against nearest test image, [n,D], [N,D], [m,D].

    The larger set is thinned to the size of the smaller, at random by `seed`: among more images
    the nearest is nearer. A half of the samples, ties counted half, is what no copying gives.

    Raises ValueError for no rows, or what `neighbours.nearest` raises.
    """
    if not min(len(samples), len(train), len(test)):
        raise ValueError("nearest_gap needs samples, training and test images")
    generator = torch.Generator().manual_seed(seed)
    size = min(len(train), len(test))
    to_train, to_test = (
        nearest(samples, rows[torch.randperm(len(rows), generator=generator)[:size]])[0]
        for rows in (train, test)
    )
    nearer = (to_train < to_test).double() + (to_train == to_test).double() / 2
    return Gap(nearer.mean().item(), to_train.median().item(), to_test.median().item())


def authenticity(samples: Tensor, train: Tensor) -> float:
    """Share of samples farther from their nearest training image x than x is from its own nearest.

    samples [n,D], train [N,D], N at least 2. Real unseen images have about a half; copies 0.
    """
    if len(samples) < 1 or len(train) < 2:
        raise ValueError("authenticity needs a sample and two training images")
    distance, index = nearest(samples, train)
    hit, position = index.unique(return_inverse=True)
    own = torch.stack([_to_others(train, int(i)) for i in hit])
    return (distance > own[position]).double().mean().item()


def _to_others(rows: Tensor, i: int) -> Tensor:
    squared = (rows.double() - rows[i].double()).flatten(1).square().sum(dim=1)
    squared[i] = torch.inf
    return squared.min().sqrt()


def data_copying(
    samples: Tensor, train: Tensor, test: Tensor, *, cells: int = 5, least: int = 20, seed: int = 0
) -> float:
    """C_T: how much nearer samples lie to training images than test images do, in standard errors.

    In each k-means cell of the training images with at least `least` samples and one test image,
    the Mann-Whitney U of d(sample, train) over d(test, train), as a z-score; averaged by the share
    of test images in the cell. Far below 0: copying, or samples smoother than images are. Far
    above 0: samples unlike the training images.

    samples [n,D], train [N,D], test [m,D]: features. cells: of k-means, seeded by `seed`.
    Raises ValueError where no cell qualifies.
    """
    from sklearn.cluster import KMeans

    cells = min(cells, len(train))
    means = KMeans(cells, n_init=3, random_state=seed).fit(train.float().numpy())
    place, test_place, train_place = (
        torch.from_numpy(means.predict(rows.float().numpy())) for rows in (samples, test, train)
    )
    total, weights = 0.0, 0.0
    for cell in range(cells):
        mine, theirs = samples[place == cell], test[test_place == cell]
        if len(mine) < least or not len(theirs):
            continue
        corpus = train[train_place == cell]
        z = mann_whitney_z(nearest(mine, corpus)[0], nearest(theirs, corpus)[0])
        total += len(theirs) / len(test) * z
        weights += len(theirs) / len(test)
    if not weights:
        raise ValueError(f"no cell holds {least} samples and a test image")
    return total / weights


def mann_whitney_z(a: Tensor, b: Tensor) -> float:
    """(U - mn/2) / √(mn(m+n+1)/12) with U the pairs in which a is larger, ties counted half."""
    m, n = len(a), len(b)
    ordered = b.double().sort().values
    below = torch.searchsorted(ordered, a.double(), right=False)
    up_to = torch.searchsorted(ordered, a.double(), right=True)
    u = (below + up_to).double().sum().item() / 2
    return (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
