"""Kernel Inception Distance (Bińkowski et al. 2018): unbiased squared MMD of features.

    k(x, y) = (x·y / D + 1)³
    MMD² = mean over i≠j of k(xᵢ,xⱼ) + mean over i≠j of k(yᵢ,yⱼ) - 2 · mean of k(xᵢ,yⱼ)

Unbiased at every number of images, so it may be a little below 0 for sets that are alike. The
published protocol averages it over 100 random subsets of 1,000 images. On features of the
Inception network this is the KID; on others the same formula and another number. All in float64.

Shapes: N, M images · D features
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Kid(NamedTuple):
    """value: mean of MMD² over the subsets. std: their standard deviation (the population's)."""

    value: float
    std: float


def kid(x: Tensor, y: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> Kid:
    """KID of features x [N,D] and y [M,D] by the published protocol.

    size: images of a subset, drawn without replacement from either set; all of the smaller set if
    it has no more. Where every subset would be the whole of both sets, it is computed once.

    Raises ValueError for fewer than two images, features that do not fit or are not finite.
    """
    x, y = _checked(x, y)
    if subsets < 1 or size < 2:
        raise ValueError(f"{subsets} subsets of {size}: at least 1 of at least 2")
    size = min(size, len(x), len(y))
    if size == len(x) == len(y):
        return Kid(mmd2(x, y), 0.0)
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(subsets):
        one, other = (torch.randperm(len(f), generator=generator)[:size] for f in (x, y))
        values.append(mmd2(x[one], y[other]))
    estimates = torch.tensor(values, dtype=torch.float64)
    return Kid(estimates.mean().item(), estimates.std(correction=0).item())


def mmd2(x: Tensor, y: Tensor) -> float:
    """Unbiased MMD² of all of x [N,D] and y [M,D], in blocks."""
    x, y = _checked(x, y)
    n, m = len(x), len(y)
    xx, yy, xy = _row_sums(x, x)[0].sum(), _row_sums(y, y)[0].sum(), _row_sums(x, y)[0].sum()
    return (xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)).item()


def influence(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """What each image adds to the error of MMD²: ([N], [M]) float64, with sum 0.

    The sum of all squares is the jackknife variance of MMD², of each set by itself: the values
    that leaving one image out gives follow from row sums of the kernel. It is conservative (up to
    twice the variance) where both sets are of one distribution.
    """
    x, y = _checked(x, y)
    n, m = len(x), len(y)
    if min(n, m) < 3:
        raise ValueError(f"leaving one out needs 3 images in either set, not {min(n, m)}")
    (xx, _), (yy, _), (xy, yx) = _row_sums(x, x), _row_sums(y, y), _row_sums(x, y)
    results = []
    for own, cross, size, other in ((xx, xy, n, m), (yy, yx, m, n)):
        within = (own.sum() - 2 * own) / ((size - 1) * (size - 2))
        across = (cross.sum() - cross) / ((size - 1) * other)
        left_out = within - 2 * across
        results.append((left_out.mean() - left_out) * ((size - 1) / size) ** 0.5)
    return results[0], results[1]


def _row_sums(x: Tensor, y: Tensor, block: int = 2048) -> tuple[Tensor, Tensor]:
    """Sums of the kernel over y for each x, and over x for each y; a row with itself left out."""
    same = x is y
    rows, columns = x.new_zeros(len(x)), x.new_zeros(len(y))
    for i in range(0, len(x), block):
        for j in range(i if same else 0, len(y), block):
            one, other = slice(i, i + block), slice(j, j + block)
            kernel = torch.mm(x[one], y[other].T).div_(x.shape[1]).add_(1)
            kernel = kernel * kernel * kernel
            if same and i == j:
                kernel.fill_diagonal_(0)
            elif same:  # the block on the other side of the diagonal
                rows[other] += kernel.sum(dim=0)
            rows[one] += kernel.sum(dim=1)
            columns[other] += kernel.sum(dim=0)
    return rows, columns


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features do not fit: {list(x.shape)} and {list(y.shape)}")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"the distance needs at least 2 images, not {min(len(x), len(y))}")
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError("features hold a value that is not finite")
    return x.detach().to("cpu", torch.float64), y.detach().to("cpu", torch.float64)
