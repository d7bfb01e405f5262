"""Exact nearest neighbours under the Euclidean distance, by blocks.

|q - c|² = |q|² + |c|² - 2 q·c turns the search into matrix products. They run in float32 (or, where
the processor has matrix units for it, on bfloat16 rows), where the formula is fast and inexact; a
bound on its error decides which pairs are in doubt, and those alone are measured again in float64
by the definition. The answers are those of the naive search in float64, ties included. Memory is
that of one block of distances beside the rows themselves.

Shapes: Q queries · M corpus rows · D numbers a row · R radii a row
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

UNIT = 2.0**-24  # relative rounding error of float32
PAIRS = 1 << 22  # numbers measured again at a time
CHUNKS = 64  # parts of a block whose minima bound the k-th smallest


def nearest(queries: Tensor, corpus: Tensor, *, block: int = 2048) -> tuple[Tensor, Tensor]:
    """Distance to the nearest row of `corpus`, and its index, for each row of `queries`.

    Returns ([Q] float64, [Q] int64); the rest is as in `k_nearest`.
    """
    distance, index = k_nearest(queries, corpus, 1, block=block)
    return distance[:, 0], index[:, 0]


def k_nearest(
    queries: Tensor, corpus: Tensor, k: int, *, itself: bool = False, block: int = 2048
) -> tuple[Tensor, Tensor]:
    """Distances to the k nearest rows of `corpus`, and their indices, for each row of `queries`.

    queries [Q,...], corpus [M,...]: images (uint8, distances in grey levels) or features; all but
    the first axis is one row. itself: the corpus is the queries, and no row is its own neighbour.
    Returns ([Q,k] float64, [Q,k] int64), nearest first; of equals, the lowest index first.

    Raises ValueError for a corpus of fewer than k rows (itself: of k), rows that do not fit, or
    values that are not finite.
    """
    squared, index = k_nearest_squared(queries, corpus, k, itself=itself, block=block)
    return squared.sqrt(), index


def k_nearest_squared(
    queries: Tensor, corpus: Tensor, k: int, *, itself: bool = False, block: int = 2048
) -> tuple[Tensor, Tensor]:
    """`k_nearest` with squared distances, as `ball_counts` takes them."""
    _check(queries, corpus)
    if k < 1 or len(corpus) < k + itself:
        raise ValueError(
            f"the corpus holds {len(corpus)} rows, too few for {k} neighbours"
            if len(corpus)
            else "the corpus holds no rows"
        )
    if itself and len(queries) != len(corpus):
        raise ValueError(f"{len(queries)} queries are not the {len(corpus)} corpus rows")
    distance = torch.full((len(queries), k), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(queries), k, dtype=torch.int64)
    q, c = queries.flatten(1), corpus.flatten(1)
    if not len(q):
        return distance, index
    rows = _Rows.of(q, c, same=itself)
    with rows.products():
        for start in range(0, len(q), block):
            here = slice(start, start + block)
            row, column = _candidates(rows, here, k, itself, block)
            distance[here], index[here] = _best(q[here], c, row, column, k)
    return distance, index


@dataclass(frozen=True)
class Counts:
    """How often rows lie in balls. centre: [M,R] rows in each ball; point: [Q,R] balls that hold
    each row."""

    centre: Tensor
    point: Tensor


def ball_counts(
    x: Tensor, y: Tensor, around_x: Tensor, around_y: Tensor, *, block: int = 2048
) -> tuple[Counts, Counts]:
    """How many of `y` lie in the balls around `x`, and the other way round, in one pass.

    x [Q,...], y [M,...]: rows. around_x [Q,R], around_y [M,S]: squared radii, float64; a row on the
    surface lies inside. Returns the counts of the balls around x (centre [Q,R], point [M,R]) and of
    those around y (centre [M,S], point [Q,S]), int64.

    Raises ValueError for rows or radii that do not fit, or values that are not finite.
    """
    _check(x, y)
    if len(around_x) != len(x) or len(around_y) != len(y):
        raise ValueError(f"radii {list(around_x.shape)}, {list(around_y.shape)}: one row a row")
    p, q = x.flatten(1), y.flatten(1)
    of_x = Counts(_zeros(around_x), _zeros(len(q), around_x.shape[1]))
    of_y = Counts(_zeros(around_y), _zeros(len(p), around_y.shape[1]))
    if not len(p) or not len(q):
        return of_x, of_y
    rows = _Rows.of(p, q)
    with rows.products():
        for i in range(0, len(p), block):
            for j in range(0, len(q), block):
                one, other = slice(i, i + block), slice(j, j + block)
                squared, error = rows.distances(one, other)
                low, high = squared - error, squared.add_(error)
                for radii, counts, along in ((around_x, of_x, 1), (around_y, of_y, 0)):
                    centre, point = (one, other) if along else (other, one)
                    for r in range(radii.shape[1]):
                        exact = radii[centre, r]
                        limit = (exact * rows.scale**2).float()
                        limit = limit[:, None] if along else limit
                        inside = high < limit * (1 - 4 * UNIT)
                        doubt = (low <= limit * (1 + 4 * UNIT)).logical_xor_(inside)
                        a, b = doubt.nonzero(as_tuple=True)
                        if len(a):
                            near = _squared(p[one], q[other], a, b) <= exact[a if along else b]
                            inside[a[near], b[near]] = True
                        counts.centre[centre, r] += inside.sum(dim=along)
                        counts.point[point, r] += inside.sum(dim=1 - along)
    return of_x, of_y


# ---------------------------------------------------------------------------------------------


def _check(queries: Tensor, corpus: Tensor) -> None:
    if min(queries.ndim, corpus.ndim) < 2 or queries.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"rows do not fit: {list(queries.shape)} against {list(corpus.shape)}")
    for rows in (queries, corpus):
        if rows.dtype.is_floating_point and not torch.isfinite(rows).all():
            raise ValueError("rows hold a value that is not finite")


def _zeros(like: Tensor | int, *more: int) -> Tensor:
    shape = like.shape if isinstance(like, Tensor) else (like, *more)
    return torch.zeros(shape, dtype=torch.int64)


@dataclass(frozen=True)
class _Rows:
    """Both sets as float32, centred and scaled, with squared norms: small errors, no overflow.

    slack: the error of a squared distance is at most slack · (|q|² + |c|²). short: the rows are
    bfloat16 numbers, for matrix units.
    """

    q: Tensor
    c: Tensor
    q_norm: Tensor
    c_norm: Tensor
    scale: float
    slack: float
    short: bool

    @staticmethod
    def of(q: Tensor, c: Tensor, same: bool = False) -> _Rows:
        centre = c.double().mean(dim=0)
        largest = max(_farthest(rows, centre) for rows in ((c,) if same else (q, c)))
        scale = 1.0 / largest if largest > 0 else 1.0
        wide = _scaled(c, centre, scale)
        other = wide if same else _scaled(q, centre, scale)
        # An inner product of D terms errs by at most (D+1)·u·|q||c|, the norms and the rounding of
        # the rows likewise; |q||c| <= (|q|²+|c|²)/2, and twice that covers second-order terms.
        slack = 4 * (q.shape[1] + 8) * UNIT
        norms = [rows.square().sum(dim=1) for rows in (other, wide)]
        short = bool(torch.cpu._is_amx_tile_supported()) and q.shape[1] >= 256
        if short:
            # |q·c - q'·c'| <= |q||c-c'| + |q-q'||c'|: rounding to bfloat16 costs 2ρ(|q|²+|c|²),
            # ρ the largest relative rounding of a row. Measured, it is half of the worst case.
            halves = [rows.bfloat16().float() for rows in (other, wide)]
            lost = max(
                float(((a - b).norm(dim=1) / n.sqrt().clamp(min=1e-30)).max())
                for a, b, n in zip((other, wide), halves, norms)
            )
            slack += 2.1 * lost
            other, wide = halves
        return _Rows(other, wide, norms[0], norms[1], scale, slack, short)

    @contextmanager
    def products(self) -> Iterator[None]:
        """Matrix products as these rows want them; the rows are exact in either precision."""
        settings: Any = torch.backends.mkldnn
        if not self.short:
            yield
            return
        before = settings.matmul.fp32_precision
        settings.matmul.fp32_precision = "bf16"
        try:
            yield
        finally:
            settings.matmul.fp32_precision = before

    def distances(self, one: slice, other: slice) -> tuple[Tensor, Tensor]:
        """Squared distances of a block, scaled, and a bound on their error, both float32."""
        norms = self.q_norm[one, None] + self.c_norm[other]
        squared = torch.addmm(norms, self.q[one], self.c[other].T, alpha=-2.0)
        return squared, norms.mul_(self.slack)


def _farthest(rows: Tensor, centre: Tensor) -> float:
    return max(float((part.double() - centre).abs().max()) for part in rows.split(4096))


def _scaled(rows: Tensor, centre: Tensor, scale: float) -> Tensor:
    return torch.cat([((part.double() - centre) * scale).float() for part in rows.split(4096)])


def _candidates(
    rows: _Rows, here: slice, k: int, itself: bool, block: int
) -> tuple[Tensor, Tensor]:
    """(query, corpus row) of all pairs that could be among the k nearest, given the error."""
    count = len(rows.q_norm[here])
    best = torch.full((count, k), torch.inf)
    found = []
    for start in range(0, len(rows.c), block):
        squared, error = rows.distances(here, slice(start, start + block))
        if itself:
            same = torch.arange(count) + here.start - start
            there = (same >= 0) & (same < squared.shape[1])
            squared[there.nonzero()[:, 0], same[there]] = torch.inf
        best = _smallest(torch.cat([best, _minima(squared + error, k)], dim=1), k)
        low = squared.sub_(error)
        row, column = (low <= best[:, -1:]).nonzero(as_tuple=True)
        found.append((row, column + start, low[row, column]))
    row, column, low = (torch.cat(parts) for parts in zip(*found))
    # the bound has fallen since some were taken in; infinite is a row beside itself
    still = (low <= best[row, -1]) & (low < torch.inf)
    return row[still], column[still]


def _minima(high: Tensor, k: int) -> Tensor:
    """Minima of parts of each row: the k-th smallest of them is at least that of the row."""
    width = high.shape[1]
    part = width // max(CHUNKS, 8 * k) if k > 1 else width
    if part < 2:
        return high if k > 1 else high.amin(dim=1, keepdim=True)
    whole = width - width % part
    parts = high[:, :whole].unflatten(1, (-1, part)).amin(dim=2)
    return torch.cat([parts, high[:, whole:]], dim=1)


def _smallest(values: Tensor, k: int) -> Tensor:
    if k == 1:
        return values.amin(dim=1, keepdim=True)
    return values.topk(k, dim=1, largest=False, sorted=True).values


def _squared(q: Tensor, c: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Squared distances of pairs in float64, by the definition."""
    pairs = PAIRS // max(1, q.shape[1]) + 1
    return torch.cat(
        [
            (q[i].double() - c[j].double()).square().sum(dim=1)
            for i, j in zip(row.split(pairs), column.split(pairs))
        ]
    )


def _best(q: Tensor, c: Tensor, row: Tensor, column: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates, [Q,k] squared distances and indices, nearest first."""
    squared = _squared(q, c, row, column)
    order = column.argsort(stable=True)  # by row, then distance, then index: stable sorts
    for key in (squared, row):
        order = order[key[order].argsort(stable=True)]
    row, column, squared = row[order], column[order], squared[order]
    starts = torch.searchsorted(row, torch.arange(len(q)))
    chosen = starts[:, None] + torch.arange(k)
    return squared[chosen], column[chosen]
