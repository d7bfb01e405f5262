"""Exact nearest neighbours under the Euclidean distance, by blocks.

|q - c|² = |q|² + |c|² - 2 q·c turns the search into matrix products. They run in float32, where
the formula is fast and inexact; a bound on its error decides which pairs could still be the
nearest, and those alone are measured again in float64 by the definition. The answer is that of the
naive search in float64, ties included.

Shapes: Q queries · M corpus rows · D numbers a row
"""

from __future__ import annotations

import torch
from torch import Tensor

UNIT = 2.0**-24  # relative rounding error of float32
PAIRS = 1 << 22  # numbers measured again at a time


def nearest(queries: Tensor, corpus: Tensor, *, block: int = 2048) -> tuple[Tensor, Tensor]:
    """Distance to the nearest row of `corpus`, and its index, for each row of `queries`.

    queries [Q,...], corpus [M,...]: images (uint8, distances in grey levels) or features; all but
    the first axis is one row. Returns ([Q] float64, [Q] int64); of equals, the lowest index.

    Raises ValueError for an empty corpus, rows that do not fit, or values that are not finite.
    """
    if min(queries.ndim, corpus.ndim) < 2 or queries.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"rows do not fit: {list(queries.shape)} against {list(corpus.shape)}")
    if not len(corpus):
        raise ValueError("the corpus holds no rows")
    if not (_finite(queries) and _finite(corpus)):
        raise ValueError("rows hold a value that is not finite")
    distance = torch.full((len(queries),), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(queries), dtype=torch.int64)
    if not len(queries):
        return distance, index
    q, c = queries.flatten(1), corpus.flatten(1)
    q_small, c_small = _single(q, c)
    c_norm = c_small.square().sum(dim=1)
    for start in range(0, len(q), block):
        rows = slice(start, start + block)
        row, column = _candidates(q_small[rows], c_small, c_norm, block)
        distance[rows], index[rows] = _best(q[rows], c, row, column)
    return distance, index


def _finite(rows: Tensor) -> bool:
    return not rows.dtype.is_floating_point or bool(torch.isfinite(rows).all())


def _single(q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float32, centred and scaled: the error bound is small and no square overflows."""
    centre = c.double().mean(dim=0)
    q_wide, c_wide = q.double() - centre, c.double() - centre
    largest = max(q_wide.abs().max().item(), c_wide.abs().max().item())
    scale = 1.0 / largest if largest > 0 else 1.0
    return (q_wide * scale).float(), (c_wide * scale).float()


def _candidates(q: Tensor, c: Tensor, c_norm: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """(query, corpus row) of all pairs that could be the nearest, given the error of float32."""
    # An inner product of D terms errs by at most (D+1)·u·|q||c|, the norms and the rounding of
    # the rows likewise; |q||c| <= (|q|²+|c|²)/2, and twice that covers second-order terms.
    slack = 4 * (q.shape[1] + 8) * UNIT
    q_norm = q.square().sum(dim=1)
    bound = torch.full((len(q),), torch.inf)
    found = []
    for start in range(0, len(c), block):
        columns = slice(start, start + block)
        norms = q_norm[:, None] + c_norm[columns]
        squared = torch.addmm(norms, q, c[columns].T, alpha=-2.0)
        error = norms.mul_(slack)
        bound = torch.minimum(bound, (squared + error).amin(dim=1))
        low = squared.sub_(error)
        row, column = (low <= bound[:, None]).nonzero(as_tuple=True)
        found.append((row, column + start, low[row, column]))
    row, column, low = (torch.cat(parts) for parts in zip(*found))
    still = low <= bound[row]  # the bound has fallen since some were taken in
    return row[still], column[still]


def _best(q: Tensor, c: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest of the candidates, measured in float64 by the definition."""
    pairs = PAIRS // max(1, q.shape[1]) + 1
    squared = torch.cat(
        [
            (q[i].double() - c[j].double()).square().sum(dim=1)
            for i, j in zip(row.split(pairs), column.split(pairs))
        ]
    )
    best = torch.full((len(q),), torch.inf, dtype=torch.float64)
    best.scatter_reduce_(0, row, squared, "amin")
    index = torch.full((len(q),), len(c))
    equal = squared == best[row]
    index.scatter_reduce_(0, row[equal], column[equal], "amin")
    return best.sqrt(), index
