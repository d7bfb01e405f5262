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
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

UNIT = 2.0**-24  # relative rounding error of float32
PAIRS = 1 << 18  # numbers measured again at a time: they stay in the cache
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
    q, c = queries.flatten(1), corpus.flatten(1)
    if not len(q):
        empty = torch.zeros(0, k, dtype=torch.float64)
        return empty, empty.long()
    rows = _Rows.of(q, c, same=itself)
    search = _Search(rows, k, block)
    with rows.products():
        for start in range(0, len(q), block):
            one = slice(start, start + block)
            # among themselves two blocks are measured once, for the rows of both
            for other in (slice(j, j + block) for j in range(start * itself, len(c), block)):
                low = rows.low(one, other)
                if itself and one == other:
                    low.fill_diagonal_(torch.inf)
                search.take(low, one, other)
                if itself and one != other:
                    search.take(low.T, other, one)
    return _best(q, c, *search.nearest(), k)


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
                low = rows.low(one, other)
                _count(rows, low, one, other, p, q, around_x, of_x)
                _count(rows.turned(), low.T, other, one, q, p, around_y, of_y)
    return of_x, of_y


# ---------------------------------------------------------------------------------------------


def _check(queries: Tensor, corpus: Tensor) -> None:
    if min(queries.ndim, corpus.ndim) < 2 or queries.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"rows do not fit: {list(queries.shape)} against {list(corpus.shape)}")
    for rows in (queries, corpus):
        if rows.dtype.is_floating_point and not torch.isfinite(rows).all():
            raise ValueError("rows hold a value that is not finite")


def _count(
    rows: _Rows,
    low: Tensor,
    one: slice,
    other: slice,
    p: Tensor,
    q: Tensor,
    radii: Tensor,
    of: Counts,
) -> None:
    """Count a block: rows `other` of q in the balls around the rows `one` of p, into `of`."""
    limits = radii[one] * rows.scale**2
    a, b = (low <= (limits.amax(dim=1) * (1 + 4 * UNIT)).float()[:, None]).nonzero(as_tuple=True)
    lower = low[a, b]
    upper = lower + rows.error(one, other, a, b)
    for r in range(radii.shape[1]):
        limit = limits[a, r].float()
        inside = upper < limit * (1 - 4 * UNIT)
        doubt = ((lower <= limit * (1 + 4 * UNIT)) & ~inside).nonzero()[:, 0]
        i, j = a[doubt] + one.start, b[doubt] + other.start
        inside[doubt] = _squared(p, q, i, j) <= radii[i, r]
        of.centre[one, r] += a[inside].bincount(minlength=low.shape[0])
        of.point[other, r] += b[inside].bincount(minlength=low.shape[1])


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
        centre = _mean(c)
        largest = max(_farthest(rows, centre) for rows in ((c,) if same else (q, c)))
        scale = 1.0 / largest if largest > 0 else 1.0
        wide = _scaled(c, centre, scale)
        other = wide if same else _scaled(q, centre, scale)
        # An inner product of D terms errs by at most (D+1)·u·|q||c|, the norms and the rounding of
        # the rows likewise; |q||c| <= (|q|²+|c|²)/2, and twice that covers second-order terms.
        slack = 4 * (q.shape[1] + 8) * UNIT
        short = bool(torch.cpu._is_amx_tile_supported()) and q.shape[1] >= 256
        norms = [torch.linalg.vector_norm(rows, dim=1).square() for rows in (other, wide)]
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

    def turned(self) -> _Rows:
        """Queries and corpus exchanged."""
        return replace(self, q=self.c, c=self.q, q_norm=self.c_norm, c_norm=self.q_norm)

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

    def low(self, one: slice, other: slice) -> Tensor:
        """What the scaled squared distances of a block are at least, float32: their error is off.

        |q|² + |c|² - 2 q·c - slack (|q|² + |c|²), in one product.
        """
        norms = (self.q_norm[one, None] + self.c_norm[other]).mul_(1 - self.slack)
        return norms.addmm_(self.q[one], self.c[other].T, alpha=-2.0)

    def error(self, one: slice, other: slice, a: Tensor, b: Tensor) -> Tensor:
        """How much more than `low` the distances of the block's pairs (a, b) are at most."""
        return 2 * self.slack * (self.q_norm[one][a] + self.c_norm[other][b])


def _mean(rows: Tensor) -> Tensor:
    """Mean row, to subtract; its last digits are of no matter, both sets lose the same."""
    mean = torch.stack([part.double().sum(dim=0) for part in rows.split(512)]).sum(0) / len(rows)
    return mean if rows.dtype == torch.float64 else mean.float()


def _farthest(rows: Tensor, centre: Tensor) -> float:
    return max(float((part - centre).abs().max()) for part in rows.split(512))


def _scaled(rows: Tensor, centre: Tensor, scale: float) -> Tensor:
    """(row - centre) · scale in float32: two roundings a number, whatever the rows are."""
    result = torch.empty(rows.shape, dtype=torch.float32)
    for start, part in enumerate(rows.split(512)):
        if scale > 1e30:  # beyond the range of float32, or nearly
            part = part.double()
        result[512 * start : 512 * start + len(part)] = (part - centre) * scale
    return result


class _Search:
    """Pairs that could be among the k nearest, given the error; blocks come in any order.

    best: [Q,k] upper bounds of the k smallest distances found so far.
    """

    def __init__(self, rows: _Rows, k: int, block: int):
        self.rows, self.k = rows, k
        # no row has as many neighbours in a block as there are parts of it, if it can be helped
        self.part = max(1, block // max(CHUNKS, 8 * k))
        self.best = torch.full((len(rows.q), k), torch.inf)
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []

    def take(self, low: Tensor, one: slice, other: slice) -> None:
        """Take in a block of `_Rows.low`, [rows of `one`, rows of `other`]."""
        missing = -low.shape[1] % self.part
        norms = self.rows.c_norm[other]
        if missing:
            low = pad(low, (0, missing), value=torch.inf)
            norms = pad(norms, (0, missing))
        parts = low.unflatten(1, (-1, self.part))
        minima = parts.amin(dim=2)
        # the k-th smallest of the parts' minima is at least that of the row
        most = norms.unflatten(0, (-1, self.part)).amax(dim=1)
        upper = minima + 2 * self.rows.slack * (self.rows.q_norm[one, None] + most)
        best = torch.cat([self.best[one], upper], dim=1)
        best = best.topk(self.k, dim=1, largest=False).values
        self.best[one] = best
        limit = best[:, -1]
        row, part = (minima <= limit[:, None]).nonzero(as_tuple=True)
        values = parts[row, part]
        which, place = ((values <= limit[row, None]) & (values < torch.inf)).nonzero(as_tuple=True)
        column = part[which] * self.part + place
        self.pairs.append((row[which] + one.start, column + other.start, values[which, place]))

    def nearest(self) -> tuple[Tensor, Tensor]:
        """(query, corpus row) of the pairs that are still possible."""
        row, column, low = (torch.cat(parts) for parts in zip(*self.pairs))
        still = low <= self.best[row, -1]  # the bound has fallen since some were taken in
        return row[still], column[still]


def _squared(q: Tensor, c: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Squared distances of pairs in float64, by the definition."""
    pairs = PAIRS // max(1, q.shape[1]) + 1
    return torch.cat(
        [
            (q[i].double() - c[j]).square_().sum(dim=1)
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
