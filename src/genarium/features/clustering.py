"""Clusters in codes, and how well they agree with classes that they do not use.

    Lloyd 1982 (k-means) · Dempster, Laird & Rubin 1977 (mixtures by EM)
    Rousseeuw 1987 (silhouettes) · Hubert & Arabie 1985 (ARI)
    Kuhn 1955 (the assignment) · Xie et al. 2016 (accuracy)

Shapes: N images · D latent size · G groups · K classes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genarium.data.choice import fair
from genarium.features.probe import pca
from genarium.features.subsets import small

Method = Literal["k-means", "mixture"]
METHODS: tuple[Method, ...] = ("k-means", "mixture")

MOST = 50
"""Columns that a full covariance can be estimated in from some thousand codes."""


LOOKED_AT = 2000
"""Codes whose silhouettes are measured: it takes every pair of them."""

CLEAR = 0.25
"""A mean silhouette below this is no sign of groups (Kaufman & Rousseeuw 1990, table 4)."""


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


@dataclass(frozen=True)
class Grouping:
    """Groups and what sorts codes into them. groups: [M] int64 of each code. belongs: [M] float64,
    for k-means the distance to the centre of its group, for the mixture p(group | code). reduced:
    as of `Clustering`."""

    method: Method
    groups: Tensor
    belongs: Tensor
    reduced: int | None = None


def group(
    train: Tensor, codes: Tensor, *, count: int, method: Method = "k-means", seed: int = 0
) -> Grouping:
    """Find `count` groups in the codes `train` [N,D] and sort the codes `codes` [M,D].

    k-means: of ten starts (k-means++) the one with the least squared distance. mixture: Gaussians
    with full covariances by EM, begun from k-means, three starts; codes of more than 50 columns
    are reduced to their first 50 principal components before. The same for the same seed.

    Raises ValueError for fewer codes than groups, or a mixture that collapses.
    """
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    if not 1 <= count <= len(train):
        raise ValueError(f"{count} groups of {len(train)} codes")
    reduced = None
    if method == "mixture" and train.shape[1] > MOST:
        train, codes = pca(train, MOST, codes)
        reduced = train.shape[1]
    if method == "k-means":
        model = KMeans(count, n_init=10, random_state=small(seed))
    else:
        # a floor of a thousandth of the mean variance keeps columns that hardly move apart
        floor = 1e-3 * float(train.double().var(0).mean()) + 1e-12
        model = GaussianMixture(count, n_init=3, reg_covar=floor, random_state=small(seed))
    known, asked = train.double().numpy(), codes.double().numpy()
    model.fit(known)
    groups = torch.from_numpy(model.predict(asked)).long()
    belongs = (
        torch.from_numpy(model.transform(asked)).min(1).values
        if method == "k-means"
        else torch.from_numpy(model.predict_proba(asked)).max(1).values
    )
    return Grouping(method, groups, belongs, reduced)


def agreement(result: Grouping, labels: Tensor, rows: Tensor | None = None) -> Clustering:
    """How well groups agree with classes: labels [M] of the codes `rows` [M] (default: all)."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    groups = result.groups if rows is None else result.groups[rows]
    ours, truth = groups.numpy(), labels.numpy()
    return Clustering(
        result.method,
        groups,
        accuracy(groups, labels),
        float(normalized_mutual_info_score(truth, ours)),
        float(adjusted_rand_score(truth, ours)),
        result.reduced,
    )


def cluster(
    train: Tensor,
    held_out: Tensor,
    labels: Tensor,
    *,
    count: int,
    method: Method = "k-means",
    seed: int = 0,
) -> Clustering:
    """`group`, scored by the labels [M] of the codes `held_out`, which are never seen by it."""
    return agreement(group(train, held_out, count=count, method=method, seed=seed), labels)


def silhouettes(codes: Tensor, most: int = 20, seed: int = 0) -> dict[int, float]:
    """The mean silhouette of k groups by k-means for k = 2 to `most`, of codes [N,D].

    With a the mean distance of a code to the others of its group and b that to the nearest other
    group, its silhouette is (b - a) / max(a, b): 1 for groups far apart, 0 for none. The k with the
    largest mean is the number of groups that the codes show best (Rousseeuw 1987); it says nothing
    of a single group. Of more than 2,000 codes as many are drawn by the seed for the measure.
    Raises ValueError for fewer than 3 codes.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if len(codes) < 3:
        raise ValueError(f"{len(codes)} codes: a number of groups needs three at least")
    rows = fair(len(codes), LOOKED_AT, seed).numpy()
    values = codes.double().numpy()
    results = {}
    for k in range(2, min(most, len(rows) - 1) + 1):
        groups = KMeans(k, n_init=3, random_state=small(seed)).fit(values).labels_[rows]
        distinct = len(set(groups.tolist()))
        if 1 < distinct < len(rows):  # else no other group is there to be compared with
            results[k] = float(silhouette_score(values[rows], groups))
    return results or {2: 0.0}


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
