"""Probes: what a simple classifier finds in frozen codes.

    Alain & Bengio 2017, Understanding intermediate layers using linear classifier probes

Shapes: N images · D columns · K classes
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse weights C of the linear probe's penalty: from strong to weak."""

NEIGHBOURS = (1, 3, 5, 10, 20)


@dataclass(frozen=True)
class Probe:
    """Accuracies on held-out images.

    linear, knn: shares of right answers. linear_error, knn_error: their standard errors,
    √(a·(1 − a)/N). strength, neighbours: what the validation images chose. dims: columns.
    labels: how many labelled images it learnt from. test: how many it was tried on.
    """

    dims: int
    linear: float
    linear_error: float
    knn: float
    knn_error: float
    strength: float
    neighbours: int
    labels: int
    test: int


def probe(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    strengths: Sequence[float] = STRENGTHS,
    neighbours: Sequence[int] = NEIGHBOURS,
) -> Probe:
    """Accuracy of a linear classifier and of k nearest neighbours on codes as they are.

    Both see the codes with mean 0 and standard deviation 1 in each column (by the training codes;
    constant columns are left out). The linear one is multinomial logistic regression,

        min_w  C·Σ_i −ln softmax(W x_i + b)[y_i] + ½‖W‖²,

    the other the majority among the k nearest in Euclidean distance, the nearer class of equals.
    C and k are those of the best accuracy on the validation images, the smaller of equals.

    train, validation, test: (codes [N,D], labels [N] int64). Raises ValueError for fewer than two
    classes, or codes that are not finite.
    """
    from sklearn.linear_model import LogisticRegression

    for codes, labels in (train, validation, test):
        if codes.ndim != 2 or len(codes) != len(labels) or not len(codes):
            raise ValueError(f"codes {list(codes.shape)} and {len(labels)} labels do not pair up")
        if not bool(codes.isfinite().all()):
            raise ValueError("codes hold numbers that are not finite")
    if len(train[1].unique()) < 2:
        raise ValueError("a probe needs labels of at least two classes")
    (x, y), (vx, vy), (tx, ty) = _standardized(train, validation, test)

    best, strength, chosen = -1.0, strengths[0], None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged after 300 steps: good enough to compare
        for c in strengths:
            model = LogisticRegression(C=c, max_iter=300)
            model.fit(x, y)
            right = float((model.predict(vx) == vy).mean())
            if right > best:
                best, strength, chosen = right, c, model
    assert chosen is not None
    linear = float((chosen.predict(tx) == ty).mean())

    counts = [k for k in neighbours if k <= len(x)]
    votes = [float((result == vy).mean()) for result in _nearest(x, y, vx, counts)]
    k = counts[int(np.argmax(votes))]
    knn = float((_nearest(x, y, tx, [k])[0] == ty).mean())
    return Probe(
        x.shape[1], linear, _error(linear, ty), knn, _error(knn, ty), strength, k, len(x), len(tx)
    )


def _standardized(*parts: tuple[Tensor, Tensor]) -> list[tuple[np.ndarray, np.ndarray]]:
    first = parts[0][0].double()
    mean, deviation = first.mean(0), first.std(0, correction=0)
    moving = deviation > 1e-8 * (1 + first.abs().amax(0))
    if not bool(moving.any()):
        moving[0], deviation[0] = True, 1.0  # a code that is the same for every image
    return [
        (
            ((codes.double() - mean)[:, moving] / deviation[moving]).float().numpy(),
            labels.numpy(),
        )
        for codes, labels in parts
    ]


def _nearest(
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, counts: Sequence[int]
) -> list[np.ndarray]:
    """The vote of the k nearest of `x` for each row of `asked`, an array for each k."""
    known, labels = torch.from_numpy(x), torch.from_numpy(y)
    classes = int(labels.max()) + 1
    nearest = [
        torch.cdist(part, known).topk(max(counts), largest=False).indices
        for part in torch.from_numpy(asked).split(512)
    ]
    named = labels[torch.cat(nearest)]  # [N,k], the nearest first
    results = []
    for k in counts:
        votes = torch.nn.functional.one_hot(named[:, :k], classes).double()
        # of equals the class whose member is nearer: a share of a vote that cannot win one
        rank = torch.linspace(1, 0, k + 1, dtype=torch.float64)[:k, None] / (k + 1) / k
        results.append((votes.sum(1) + (votes * rank).amax(1)).argmax(1).numpy())
    return results


def _error(share: float, labels: np.ndarray) -> float:
    return math.sqrt(share * (1 - share) / len(labels))


def pca(train: Tensor, dims: int, *others: Tensor) -> list[Tensor]:
    """The first `dims` principal components of `train` [N,D], and of others, each [M,dims].

    Deterministic: the eigenvectors of the covariance in float64, signed so that the largest
    weight of each is positive. dims is cut to min(N, D).
    """
    x = train.double()
    mean = x.mean(0)
    centred = x - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    basis = vectors.flip(1)[:, : min(dims, *x.shape)]
    largest = basis.abs().argmax(0)
    basis = basis * basis[largest, torch.arange(basis.shape[1])].sign()
    return [((part.double() - mean) @ basis).float() for part in (train, *others)]
