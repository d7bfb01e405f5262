"""Kernel Inception Distance (Bińkowski et al. 2018): unbiased squared MMD of features.

    k(x, y) = (x·y / D + 1)³
    MMD² = mean over i≠j of k(xᵢ,xⱼ) + mean over i≠j of k(yᵢ,yⱼ) - 2 · mean of k(xᵢ,yⱼ)

Unbiased at every number of images, so it may be a little below 0 for sets that are alike. The
published protocol averages it over 100 random subsets of 1,000 images. On features of the
Inception network this is the KID; on others the same formula and another number.

`mmd2` and few images are computed in float64. For FROM images or more what follows from sums over
each set is computed in float64, and what needs all pairs by products of float32 (`kernel_sums`,
which has the proof of their error). Subsets share their pairs where all pairs of both sets are
fewer than those of the subsets. The value stands if the bound is under 1e-5 of it; or if the bound
is under the error that the drawing of subsets leaves, and the first subset, which is computed in
float64 too, differs by less than a thousandth of that error. Else all is computed in float64.

Shapes: N, M images · D features · S subsets
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from genarium.evaluation.metrics import kernel_sums as sums

FROM = 1000
"""Images of either set from which on pairs are multiplied in float32."""
OF_VALUE, OF_DRAWING, OF_INFLUENCE = 1e-5, 1e-3, 0.01  # errors of float32 that are let through


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
    drawn = []
    for _ in range(subsets):
        one, other = (torch.randperm(len(f), generator=generator)[:size] for f in (x, y))
        drawn.append((one, other))
    if size >= FROM:
        estimates, error = _by_float32(x, y, drawn)
        result = _over(estimates)
        drawing = result.std / subsets**0.5
        if error <= OF_VALUE * abs(result.value):
            return result
        if error <= drawing:
            one, other = drawn[0]
            seen = abs(float(estimates[0]) - mmd2(x[one], y[other]))
            if seen <= OF_DRAWING * drawing:
                return result
    return _over(torch.tensor([mmd2(x[a], y[b]) for a, b in drawn], dtype=torch.float64))


def _over(estimates: Tensor) -> Kid:
    return Kid(estimates.mean().item(), estimates.std(correction=0).item())


def mmd2(x: Tensor, y: Tensor) -> float:
    """Unbiased MMD² of all of x [N,D] and y [M,D], in blocks."""
    x, y = (rows.to(torch.float64) for rows in _checked(x, y))
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
    if min(len(x), len(y)) < 3:
        raise ValueError(f"leaving one out needs 3 images in either set, not {min(len(x), len(y))}")
    if min(len(x), len(y)) >= FROM:
        *kernel, error = _rows_by_float32(x, y)
        result = _left_out(*kernel)
        # an error e of an image's mean kernel moves what leaving it out gives by 2e/N
        if all(4 * error <= OF_INFLUENCE * of.abs().sum() for of in result):
            return result
    x, y = x.to(torch.float64), y.to(torch.float64)
    return _left_out(_row_sums(x, x)[0], _row_sums(y, y)[0], *_row_sums(x, y))


def _left_out(xx: Tensor, yy: Tensor, xy: Tensor, yx: Tensor) -> tuple[Tensor, Tensor]:
    """`influence` from sums of the kernel: of x over x, y over y, x over y, y over x."""
    n, m = len(xx), len(yy)
    results = []
    for own, cross, size, other in ((xx, xy, n, m), (yy, yx, m, n)):
        within = (own.sum() - 2 * own) / ((size - 1) * (size - 2))
        across = (cross.sum() - cross) / ((size - 1) * other)
        left_out = within - 2 * across
        results.append((left_out.mean() - left_out) * ((size - 1) / size) ** 0.5)
    return results[0], results[1]


def _by_float32(x: Tensor, y: Tensor, drawn: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, float]:
    """MMD² of each pair of subsets [S], and what their mean errs by at most."""
    sides, size, centre = [], len(drawn[0][0]), sums.centre_of(x, y)
    for source, which in zip((x, y), zip(*drawn)):
        weights = torch.zeros(len(source), len(drawn), dtype=torch.float64)
        weights.scatter_(0, torch.stack(which, dim=1), 1)
        sides.append((*sums.prepared(source, centre, weights), weights, which))
    shared = (len(x) + len(y)) ** 2 <= 4 * len(drawn) * size**2
    result, error = torch.zeros(len(drawn), dtype=torch.float64), 0.0
    for one, other, factor in ((0, 0, 1), (1, 1, 1), (0, 1, -2)):
        (a, of_a, w, some), (b, of_b, v, others) = sides[one], sides[other]
        total = sums.closed(of_a, of_b)
        if one == other:
            total -= w.T @ sums.itself(a)
        if shared:
            remaining = sums.rest(a, b, w, v, columns=False)
            total += (w * remaining.rows).sum(0)
            mean = float(remaining.error.mean())
        else:
            parts = [_of_subset(a, b, i, j, one == other) for i, j in zip(some, others)]
            total += torch.stack([part for part, _ in parts])
            mean = sum(each for _, each in parts) / len(parts)
        result += factor / (size * (size - 1 if one == other else size)) * total
        error += abs(factor) * mean
    return result, error


def _of_subset(
    a: sums.Rows, b: sums.Rows, i: Tensor, j: Tensor, same: bool
) -> tuple[Tensor, float]:
    """Sum of `kernel_sums.rest` over rows i of a and j of b, and its bound."""
    p = a[i]
    q = p if same else b[j]
    ones = torch.ones(len(i), 1, dtype=torch.float64)
    remaining = sums.rest(p, q, ones, ones, columns=False)
    return remaining.rows.sum(), float(remaining.error)


def _rows_by_float32(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    """Sums of the kernel as `_left_out` wants them, and what their means err by at most."""
    centre = sums.centre_of(x, y)
    w, v = (torch.ones(len(source), 1, dtype=torch.float64) for source in (x, y))
    (a, of_a), (b, of_b) = sums.prepared(x, centre, w), sums.prepared(y, centre, v)
    xx, yy, xy = sums.rest(a, a, w, w), sums.rest(b, b, v, v), sums.rest(a, b, w, v)
    results = (
        sums.closed_rows(x, centre, a, of_a) + xx.rows - sums.itself(a)[:, None],
        sums.closed_rows(y, centre, b, of_b) + yy.rows - sums.itself(b)[:, None],
        sums.closed_rows(x, centre, a, of_b) + xy.rows,
        sums.closed_rows(y, centre, b, of_a) + xy.columns,
    )
    one, two, three, four = (sum_[:, 0] for sum_ in results)
    return one, two, three, four, float(xx.error + yy.error + xy.error)


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
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.shape[1]:
        raise ValueError(f"features do not fit: {list(x.shape)} and {list(y.shape)}")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"the distance needs at least 2 images, not {min(len(x), len(y))}")
    ends = torch.stack([end for rows in (x, y) for end in rows.aminmax()])
    if not torch.isfinite(ends).all():
        raise ValueError("features hold a value that is not finite")
    return x.detach().cpu(), y.detach().cpu()
