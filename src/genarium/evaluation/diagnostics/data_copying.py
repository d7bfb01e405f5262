"""The test of data-copying of Meehan, Chaudhuri & Dasgupta 2020 (A non-parametric test to detect
data-copying), as a function of features: cells of k-means, and in each a Mann-Whitney test.

It does not take the place of `copying`: a blurred or a merely poor sampler moves it too.
docs/copying.md shows how often it is right.

Shapes: n samples · m test images · N training images · D features
"""

from __future__ import annotations

import torch
from torch import Tensor

from genarium.evaluation.metrics.memorization import mann_whitney_z
from genarium.evaluation.metrics.neighbours import nearest


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
