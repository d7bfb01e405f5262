"""Clusters in codes, and how well they agree with classes that they do not use.

    Lloyd 1982 (k-means) · Dempster, Laird & Rubin 1977 (mixtures by EM)
    Hubert & Arabie 1985 (ARI) · Kuhn 1955 (the assignment) · Xie et al. 2016 (accuracy)

Shapes: N images · D latent size · G groups · K classes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genarium.features.probe import pca
from genarium.features.subsets import small

Method = Literal["k-means", "mixture"]
METHODS: tuple[Method, ...] = ("k-means", "mixture")

MOST = 50
"""Columns that a full covariance can be estimated in from some thousand codes."""


@dataclass(frozen=True)
class Clustering:
    """groups: [M] int64, the group of each held-out code. accuracy: share that is right under the
    best one-to-one naming of groups by classes. nmi: I(group; class) over the mean of the two
    entropies. ari: pairs that agree, 0 by chance and 1 at best. reduced: columns after PCA, where
    the mixture needed it, else None."""

    method: Method
    groups: Tensor
    accuracy: float
    nmi: float
    ari: float
    reduced: int | None = None


def cluster(
    train: Tensor,
    held_out: Tensor,
    labels: Tensor,
    *,
    count: int,
    method: Method = "k-means",
    seed: int = 0,
) -> Clustering:
    """Find `count` groups in the codes `train` [N,D] and sort the codes `held_out` [M,D].

    k-means: of ten starts (k-means++) the one with the least squared distance. mixture: Gaussians
    with full covariances by EM, begun from k-means, three starts; codes of more than 50 columns
    are reduced to their first 50 principal components before. labels [M] score the result and are
    never seen by it. The same for the same seed.

    Raises ValueError for fewer codes than groups, or a mixture that collapses.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.mixture import GaussianMixture

    if not 1 <= count <= len(train):
        raise ValueError(f"{count} groups of {len(train)} codes")
    reduced = None
    if method == "mixture" and train.shape[1] > MOST:
        train, held_out = pca(train, MOST, held_out)
        reduced = train.shape[1]
    if method == "k-means":
        model = KMeans(count, n_init=10, random_state=small(seed))
    else:
        # a floor of a thousandth of the mean variance keeps columns that hardly move apart
        floor = 1e-3 * float(train.double().var(0).mean()) + 1e-12
        model = GaussianMixture(count, n_init=3, reg_covar=floor, random_state=small(seed))
    model.fit(train.double().numpy())
    groups = torch.from_numpy(model.predict(held_out.double().numpy())).long()
    clusters, truth = groups.numpy(), labels.numpy()
    return Clustering(
        method,
        groups,
        accuracy(groups, labels),
        float(normalized_mutual_info_score(truth, clusters)),
        float(adjusted_rand_score(truth, clusters)),
        reduced,
    )


def accuracy(groups: Tensor, labels: Tensor) -> float:
    """max over one-to-one maps m of mean(m(group) = class), the Hungarian algorithm's answer.

    groups, labels: [N] int64 from 0. Where there are more groups than classes, the images of a
    group without a class count as wrong, and the other way round.
    """
    from scipy.optimize import linear_sum_assignment

    size = int(max(groups.max(), labels.max())) + 1
    together = torch.zeros(size, size, dtype=torch.int64)
    together.index_put_((groups, labels), torch.ones((), dtype=torch.int64), accumulate=True)
    rows, columns = linear_sum_assignment(together.numpy(), maximize=True)
    return float(together[rows, columns].sum()) / len(labels)
