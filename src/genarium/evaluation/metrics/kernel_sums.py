"""Weighted sums of the cubic kernel of KID, by float32 products with a proven bound.

    k(x, y) = (x·y / D + 1)³

For a common centre c of both sets, x = c + a and y = c + b,

    x·y / D + 1 = t + p + q,   t = a·b / D,   p = a·c / D + h,   q = b·c / D + h,
    h = (|c|² / D + 1) / 2,
    k = (p + q)³ + 3·t·(p + q)² + f,   f = t²·(3·(p + q) + t).

Sums of the first two terms over pairs follow from sums over each set, Σ w·pᵉ and Σ w·pᵉ·a, in
float64 and with no product of pairs. What is left, f, is small: t is the product of rows without
their common mean, and it is squared. It is computed in float32.

**The bound.** u = 2^-24; n, m = |a|, |b|. A float32 product of K terms errs by at most K·u times
the lengths of its rows, in whatever order it is summed. Products are of K <= 512 numbers, and D/K
of them are added; with the roundings of rows and scale, t errs by at most δ = γ·n·m/D, where
γ = (K + D/K + 8)·u covers them all. With s = |3p| + |3q|, and t as computed,

    |error of f| <= s·(2|t|·δ + δ²) + 3t²·δ + 3|t|·δ² + δ³ + 16·u·t²·(s + |t|),

the last for the roundings of the few operations after it. A mean over pairs of weights w·v is
therefore bounded by G, the root mean square of t over those pairs, which is summed beside f, and by
μ, that of n·m/D, and the largest s and δ, as by Cauchy and Schwarz the mean of |t|·δ is at most
G·γ·μ. A sum of B numbers in float32, one block, adds (B + 1)·u·G²·(s + |t|).

Who calls this looks at the bound, which it gives with the sums: docs/evaluation.md has figures.

Shapes: N, M images · D features · S sets of weights
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from genarium.evaluation.metrics.float32 import UNIT, float32_products, parts

BLOCK = 512
TERMS = 512  # of a product at most
BINOMIAL = ((1.0,), (1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 3.0, 3.0, 1.0))


@dataclass(frozen=True)
class Rows:
    """A set less a centre. short [N,D]: a in float32. p [N], squared [N] (|a|²): float64."""

    short: Tensor
    p: Tensor
    squared: Tensor

    def __getitem__(self, which: Tensor) -> Rows:
        return Rows(self.short[which], self.p[which], self.squared[which])


class Moments(NamedTuple):
    """Σ w·pᵉ [4,S] and Σ w·pᵉ·a [3,S,D] of a set under weights w."""

    powers: Tensor
    rows: Tensor


def centre_of(x: Tensor, y: Tensor) -> Tensor:
    """Mean row [D] of both sets, float64. Any row would do as a centre; the mean makes f small."""
    total = sum(part.sum(0, dtype=torch.float64) for rows in (x, y) for part in parts(rows))
    return torch.as_tensor(total) / (len(x) + len(y))


def prepared(source: Tensor, centre: Tensor, weights: Tensor) -> tuple[Rows, Moments]:
    """A set [N,D] of any type, less the centre, and its moments under weights [N,S], float64."""
    count, dims = source.shape
    short, sets = torch.empty(count, dims), weights.shape[1]
    p, squared = torch.empty(2, count, dtype=torch.float64)
    rows = weights.new_zeros(3 * sets, dims)
    half, start = (float(centre @ centre) / dims + 1) / 2, 0
    for part in parts(source):
        one = slice(start, start + len(part))
        start += len(part)
        a = part.double() - centre
        short[one] = a
        p[one] = (a @ centre).div_(dims).add_(half)
        squared[one] = torch.linalg.vector_norm(a, dim=1).square_()
        scaled = [weights[one] * (p[one] ** e)[:, None] for e in range(3)]
        rows.addmm_(torch.cat(scaled, dim=1).T, a)
    powers = torch.stack([weights.T @ p**e for e in range(4)])
    return Rows(short, p, squared), Moments(powers, rows.view(3, sets, dims))


def closed(a: Moments, b: Moments) -> Tensor:
    """Σ w·v·((p + q)³ + 3·t·(p + q)²) over all pairs, [S]."""
    three = sum(c * a.powers[e] * b.powers[3 - e] for e, c in enumerate(BINOMIAL[3]))
    two = sum(c * (a.rows[e] * b.rows[2 - e]).sum(1) for e, c in enumerate(BINOMIAL[2]))
    return torch.as_tensor(three + 3 * two / a.rows.shape[2])


def closed_rows(source: Tensor, centre: Tensor, a: Rows, b: Moments) -> Tensor:
    """The same, for each row of a: [N,S]. source, centre: of `prepared`."""
    p = a.p[:, None]
    result = torch.as_tensor(sum(c * p**e * b.powers[3 - e] for e, c in enumerate(BINOMIAL[3])))
    start = 0
    for part in parts(source):
        one = slice(start, start + len(part))
        start += len(part)
        exact = part.double() - centre
        for e, c in enumerate(BINOMIAL[2]):
            result[one] += 3 * c / len(centre) * p[one] ** e * (exact @ b.rows[2 - e].T)
    return result


def itself(a: Rows) -> Tensor:
    """What the closed forms hold of each row with itself, [N]."""
    return (2 * a.p) ** 3 + 3 * a.squared / a.short.shape[1] * (2 * a.p) ** 2


class Rest(NamedTuple):
    """Sums of f. rows [N,S]: over the rows of b; columns [M,S]: over those of a; float64.

    of two sets of weights; error [S]: of the mean of f over all pairs, at most.
    """

    rows: Tensor
    columns: Tensor
    error: Tensor


def rest(a: Rows, b: Rows, weights: Tensor, others: Tensor, *, columns: bool = True) -> Rest:
    """Sums of f with weights [N,S] of a and others [M,S] of b, all of them 0 or more.

    Where b is a, pairs of a row with itself are left out, and others have to be the weights.
    columns: False to leave them 0, which is cheaper.
    """
    same, dims = a is b, a.short.shape[1]
    w, v = weights.float(), others.float()
    of_rows, of_columns = torch.zeros_like(weights), torch.zeros_like(others)
    squares = torch.zeros_like(weights)
    p, q = ((3 * rows.p).float() for rows in (a, b))
    for one in _blocks(len(a.p)):
        for other in _blocks(len(b.p)):
            if same and other.start < one.start:
                continue
            t = _product(a.short[one], b.short[other]).div_(dims)
            if same and one == other:
                t.fill_diagonal_(0)
            squared = t * t
            f = t.add_(q[other]).add_(p[one, None]).mul_(squared)
            twice = 2.0 if same and one != other else 1.0  # the block across the diagonal
            with float32_products():
                of_rows[one] += f @ v[other]
                squares[one] += twice * (squared @ v[other])
                if twice == 2:
                    of_rows[other] += f.T @ w[one]
                if columns and not same:
                    of_columns[other] += f.T @ w[one]
    squares = 1.001 * (weights * squares).sum(0)
    return Rest(of_rows, of_rows if same else of_columns, _error(a, b, weights, others, squares))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b.T by products of TERMS numbers."""
    with float32_products():
        result = a[:, :TERMS] @ b[:, :TERMS].T
        for start in range(TERMS, a.shape[1], TERMS):
            some = slice(start, start + TERMS)
            result += a[:, some] @ b[:, some].T
    return result


def _error(a: Rows, b: Rows, weights: Tensor, others: Tensor, squares: Tensor) -> Tensor:
    """The bound; squares [S]: Σ w·v·t²."""
    dims = a.short.shape[1]
    pairs = weights.sum(0) * others.sum(0) - (weights.square().sum(0) if a is b else 0)
    lengths = (weights.T @ a.squared) * (others.T @ b.squared) / dims**2
    gamma = 1.001 * (min(dims, TERMS) + -(-dims // TERMS) + 8) * UNIT
    g, mean = (squares / pairs).sqrt(), gamma * (lengths / pairs).sqrt()
    most = (a.squared.amax() * b.squared.amax()).sqrt() / dims
    wide = 3 * (a.p.abs().amax() + b.p.abs().amax())
    largest, most = gamma * most, (1 + gamma) * most
    return (
        wide * (2 * g * mean + mean**2)
        + largest * (3 * g**2 + 3 * g * mean + mean**2)
        + (BLOCK + 17) * UNIT * g**2 * (wide + most)
    )


def _blocks(count: int) -> Iterator[slice]:
    return (slice(i, min(i + BLOCK, count)) for i in range(0, count, BLOCK))
