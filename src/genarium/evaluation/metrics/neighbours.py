"""Exact nearest neighbours under the Euclidean distance, by blocks.

`coarse` gives the pairs of a block that may be near enough, by products with a proven bound on
their error, and leaves out none. Those are measured in float32, again with a bound, and what is
then still in doubt in float64 by the definition. The answers are those of the naive search in
float64, ties included. Memory is that of one block of products beside the rows themselves, and
of the pairs that are near.

Shapes: Q queries · M corpus rows · D numbers a row · R radii a row
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation.metrics.coarse import GROUP, Coarse
from genarium.evaluation.metrics.float32 import UNIT

PAIRS = 1 << 15  # numbers measured again at a time: they stay in the cache


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
    """`k_nearest` with squared distances."""
    q, c = _checked(queries, corpus, k, itself)
    if not len(q):
        empty = torch.zeros(0, k, dtype=torch.float64)
        return empty, empty.long()
    near = _Search(Coarse.of(q, c, same=itself, block=block), k, itself, block).near()
    return _best(q, c, near.row, near.column, k)


def radii_squared(rows: Tensor, ks: tuple[int, ...], *, block: int = 2048) -> Tensor:
    """Squared distances to the k-th nearest other row, for each k: [Q,len(ks)] float64.

    The columns of `k_nearest_squared` among the rows themselves, at less cost: a row that is surely
    nearer than the k-th is counted, and not measured.

    Raises ValueError as `k_nearest` does.
    """
    q, _ = _checked(rows, rows, max(ks), True)
    if not len(q):
        return torch.zeros(0, len(ks), dtype=torch.float64)
    near = _Search(Coarse.of(q, q, same=True, block=block), max(ks), True, block).near()
    return torch.stack([_kth(q, near, k) for k in ks], dim=1)


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
    _fit(x, y)
    if len(around_x) != len(x) or len(around_y) != len(y):
        raise ValueError(f"radii {list(around_x.shape)}, {list(around_y.shape)}: one row a row")
    p, q = x.flatten(1), y.flatten(1)
    of_x = Counts(_zeros(around_x), _zeros(len(q), around_x.shape[1]))
    of_y = Counts(_zeros(around_y), _zeros(len(p), around_y.shape[1]))
    if not len(p) or not len(q):
        return of_x, of_y
    rows = Coarse.of(p, q, block=block)
    limit_x, limit_y = (
        _limits(rows, r)[s.order] for r, s in ((around_x, rows.q), (around_y, rows.c))
    )
    limit_y = _padded(limit_y)
    for one, other in _blocks(len(p), len(q), block):
        product = rows.product(one, other)
        a, b = rows.near(product, one, other, limit_x[one], limit_y[other])
        value = rows.measured(product, one, other, a, b)
        i, j = a + one.start, b + other.start
        error = rows.error(i, j)
        i, j = rows.q.order[i], rows.c.order[j]
        _count(p, q, i, j, value, error, around_x, rows.scale**2, of_x)
        _count(q, p, j, i, value, error, around_y, rows.scale**2, of_y)
    return of_x, of_y


# ---------------------------------------------------------------------------------------------


def _fit(queries: Tensor, corpus: Tensor) -> None:
    if min(queries.ndim, corpus.ndim) < 2 or queries.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"rows do not fit: {list(queries.shape)} against {list(corpus.shape)}")


def _checked(queries: Tensor, corpus: Tensor, k: int, itself: bool) -> tuple[Tensor, Tensor]:
    """Both as rows of numbers, if they can be searched."""
    _fit(queries, corpus)
    if k < 1 or len(corpus) < k + itself:
        raise ValueError(
            f"the corpus holds {len(corpus)} rows, too few for {k} neighbours"
            if len(corpus)
            else "the corpus holds no rows"
        )
    if itself and len(queries) != len(corpus):
        raise ValueError(f"{len(queries)} queries are not the {len(corpus)} corpus rows")
    return queries.flatten(1), corpus.flatten(1)


def _blocks(rows: int, columns: int, block: int) -> Iterator[tuple[slice, slice]]:
    """All blocks; those of columns end on whole groups, past the last row if need be."""
    block, end = -(-block // GROUP) * GROUP, -(-columns // GROUP) * GROUP
    for i in range(0, rows, block):
        for j in range(0, columns, block):
            yield slice(i, min(i + block, rows)), slice(j, min(j + block, end))


def _padded(limits: Tensor) -> Tensor:
    """Limits of whole groups: nothing is near what fills the last one."""
    missing = -len(limits) % GROUP
    return torch.cat([limits, limits.new_full((missing,), -torch.inf)])


def _limits(rows: Coarse, radii: Tensor) -> Tensor:
    """The largest radius of each row as `Coarse` has distances, float32, rounded up."""
    return (radii.amax(dim=1) * rows.scale**2 * (1 + 4 * UNIT)).float()


def _zeros(like: Tensor | int, *more: int) -> Tensor:
    shape = like.shape if isinstance(like, Tensor) else (like, *more)
    return torch.zeros(shape, dtype=torch.int64)


def _count(
    p: Tensor,
    q: Tensor,
    i: Tensor,
    j: Tensor,
    value: Tensor,
    error: Tensor,
    radii: Tensor,
    scale: float,
    of: Counts,
) -> None:
    """Count the pairs (i, j) with q[j] in a ball around p[i], into `of`."""
    for r in range(radii.shape[1]):
        limit = (radii[i, r] * scale).float()
        inside = value + error < limit * (1 - 4 * UNIT)
        doubt = ((value - error <= limit * (1 + 4 * UNIT)) & ~inside).nonzero()[:, 0]
        inside[doubt] = _squared(p, q, i[doubt], j[doubt]) <= radii[i[doubt], r]
        of.centre[:, r] += i[inside].bincount(minlength=len(p))
        of.point[:, r] += j[inside].bincount(minlength=len(q))


@dataclass(frozen=True)
class _Near:
    """Pairs of rows, and between which numbers their scaled squared distance lies."""

    row: Tensor
    column: Tensor
    low: Tensor
    high: Tensor

    def __getitem__(self, which: Tensor) -> _Near:
        return _Near(self.row[which], self.column[which], self.low[which], self.high[which])


class _Search:
    """The pairs that could be among the k nearest of each row of q.

    best: [Q,k] upper bounds of the k smallest distances so far.
    """

    def __init__(self, rows: Coarse, k: int, itself: bool, block: int):
        self.rows, self.k, self.itself, self.block = rows, k, itself, block
        self.best = torch.full((len(rows.q.order), k), torch.inf)
        self.pairs: list[_Near] = []

    def near(self) -> _Near:
        """Search all blocks; rows and columns of the result are those of the caller."""
        rows = self.rows
        blocks = _blocks(len(rows.q.order), len(rows.c.order), self.block)
        # among themselves two blocks are multiplied once, for the rows of both; each with itself
        # comes first, so that every row has some limit then
        kept = [at for at in blocks if not self.itself or at[0].start <= at[1].start]
        for one, other in sorted(kept, key=lambda at: at[0].start != at[1].start):
            self._take(one, other)
        near = _joined(self.pairs)
        near = near[near.low <= self.best[near.row, -1]]  # it has fallen since some were taken in
        return _Near(rows.q.order[near.row], rows.c.order[near.column], near.low, near.high)

    def _take(self, one: slice, other: slice) -> None:
        rows, diagonal = self.rows, self.itself and one.start == other.start
        product = rows.product(one, other)
        if diagonal:
            least = -(2**30) if product.dtype == torch.int32 else -torch.inf
            product.fill_diagonal_(least)
        # what the block's likeliest pairs say at once; they come again, and count then
        a, b = rows.likely(product, one, other, self.k)
        high = self._between(product, one, other, a, b).high
        limit = torch.minimum(self.best[one, -1], _smallest(high, a, len(product), self.k)[:, -1])
        inner = torch.full((product.shape[1],), -torch.inf)
        if self.itself:
            there = limit if diagonal else self.best[other, -1]
            inner[: len(there)] = there
        a, b = rows.near(product, one, other, limit, inner)
        if diagonal:
            a, b = a[a < b], b[a < b]
        near = self._between(product, one, other, a, b)
        if self.itself:
            back = _Near(near.column, near.row, near.low, near.high)
            back = back[back.row.argsort(stable=True)]
            if diagonal:
                near = _joined([near, back])
                near = near[near.row.argsort(stable=True)]
            else:
                self._keep(back, other)
        self._keep(near, one)

    def _between(self, product: Tensor, one: slice, other: slice, a: Tensor, b: Tensor) -> _Near:
        """Pairs (a, b) of a block, measured."""
        value = self.rows.measured(product, one, other, a, b)
        i, j = a + one.start, b + other.start
        error = self.rows.error(i, j)
        return _Near(i, j, value - error, value + error)

    def _keep(self, near: _Near, one: slice) -> None:
        """Lower the limits of the rows `one` by pairs sorted by row, and keep what is within."""
        if not len(near.row):
            return
        best = self.best[one]
        there = _smallest(near.high, near.row - one.start, len(best), self.k)
        self.best[one] = torch.cat([best, there], dim=1).sort(dim=1).values[:, : self.k]
        self.pairs.append(near[near.low <= self.best[near.row, -1]])


def _smallest(values: Tensor, row: Tensor, rows: int, k: int) -> Tensor:
    """The k smallest values of each row, in order: [rows,k], infinite where it has fewer.

    values, row: sorted by row.
    """
    count = row.bincount(minlength=rows)
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    table = torch.full((rows, max(k, int(count.max()))), torch.inf)
    table[row, place] = values
    return table.topk(k, dim=1, largest=False).values.sort(dim=1).values


def _joined(pairs: list[_Near]) -> _Near:
    fields = ([getattr(p, name) for p in pairs] for name in ("row", "column", "low", "high"))
    return _Near(*(torch.cat(field) for field in fields))


def _squared(q: Tensor, c: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Squared distances of pairs in float64, by the definition."""
    result, start = torch.empty(len(row), dtype=torch.float64), 0
    pairs = PAIRS // max(1, q.shape[1]) + 1
    for i, j in zip(row.split(pairs), column.split(pairs)):
        gap = q.index_select(0, i).double().sub_(c.index_select(0, j).double())
        torch.sum(gap.mul_(gap), dim=1, out=result[start : start + len(i)])
        start += len(i)
    return result


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


def _kth(q: Tensor, near: _Near, k: int) -> Tensor:
    """Squared distance [Q] to the k-th nearest of the candidates `near`, float64."""
    bounds = []
    for value in (near.low, near.high):
        order = value.argsort(stable=True)
        order = order[near.row[order].argsort(stable=True)]
        starts = torch.searchsorted(near.row[order], torch.arange(len(q)))
        bounds.append(value[order[starts + (k - 1)]])
    least, most = bounds  # of the k-th smallest
    nearer = near.high < least[near.row]
    doubt = near[~nearer & (near.low <= most[near.row])]
    squared = _squared(q, q, doubt.row, doubt.column)
    order = squared.argsort(stable=True)
    order = order[doubt.row[order].argsort(stable=True)]
    starts = torch.searchsorted(doubt.row[order], torch.arange(len(q)))
    counted = near.row[nearer].bincount(minlength=len(q))
    return squared[order[starts + (k - 1) - counted]]
