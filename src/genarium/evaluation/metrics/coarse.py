"""Distances of many pairs at once, each with a proven bound on its error.

|q - c|² = |q|² + |c|² - 2 q·c turns distances into matrix products. Here the products are
inexact and fast: of rows in 8-bit integers where the processor multiplies those well (x86 with
AVX2 or more, at 320 numbers a row or more), of float32 rows elsewhere. `Coarse.near` gives the
pairs that may lie within a limit, and leaves out none that does; `Coarse.measured` gives their
distances to float32.

**The bound.** Let n = |q|², m = |c|² of the rows less their common mean, u = 2^-24.

- *float32.* A product of D terms errs by at most (D+1)·u·|q||c|, in whatever order it is summed,
  the norms and the rounding of the rows likewise; 2|q||c| <= n + m. So the squared distance errs
  by less than 4·(D+8)·u·(n + m), which covers that twice.
- *Integers.* Both rows are turned by one orthogonal matrix H, which changes no product, and
  written as steps times integers, Hq = s·k + e and Hc = r·l + f, so that

      q·c - s·r·(k·l) = e·Hc + s·k·f,   |.| <= |e||c| + (|q| + |e|)|f| = (ε + φ + εφ)|q||c|

  by Cauchy and Schwarz, with ε = |e|/|q| and φ = |f|/|c|, which are measured, not assumed. k·l
  itself is exact. For any positive numbers a and b, and E the largest ε,

      2ε|q||c| <= n·ε²/a + m·a,   2φ(1 + ε)|q||c| <= (1 + E)·(n·b + m·φ²/b),

  so the squared distance errs by at most one number of each row, added: `loss`. a and b are the
  mean ε and φ. H mixes the numbers of a row, so that they have the spread of a Gaussian whatever
  the features are like: without it one large number would set the step for all. Its own rounding
  is in ε and φ (`_turned`).

**Processors.** Where 8-bit products are summed in 16 bits first (AVX2 without VNNI) two products
must stay below 2^15; oneDNN documents that one side has to keep to 7 bits there. So it does,
unless the processor says otherwise and a product of extreme rows comes out right; and if not
even 7 bits do, rows stay float32.

Shapes: Q queries · M corpus rows · D numbers a row
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from genarium.evaluation.metrics.float32 import NUMBERS, UNIT, float32_products, parts

GROUP = 16  # columns whose largest product is looked at first
PART = 64  # numbers of a row that are mixed at first, a power of 4
LEAST, MOST = 320, 1 << 16  # numbers a row for which integers pay, and cannot overflow 31 bits
WIDE, NARROW = 127, 64  # largest integer of 8 and of 7 bits


@dataclass(frozen=True)
class Side:
    """One set of rows, sorted by their norms in each block; padded with rows that are near nothing.

    order [N]: the index of each in the caller's set. rows [N,D]: float32. norm [P]: squared, inf
    for padding. codes [P,D']: factors of the products, int8 or float32. step [P]: their scale.
    loss [P]: what squared distances by such products err at most, added for both rows.
    """

    order: Tensor
    rows: Tensor
    norm: Tensor
    codes: Tensor
    step: Tensor
    loss: Tensor

    @property
    def least(self) -> Tensor:
        """|row|² less what products may lose, and the roundings of the few sums with it."""
        return self.norm * (1 - 32 * UNIT) - self.loss

    @property
    def most(self) -> Tensor:
        """|row|² and what products may lose."""
        return self.norm * (1 + 32 * UNIT) + self.loss


@dataclass(frozen=True)
class Coarse:
    """Two sets of rows, `q` [Q,D] and `c` [M,D], and what holds for their products.

    scale: of all distances, so that none overflows. fine: the error of `measured` over n + m.
    Rows are counted in the order of their `Side`.
    """

    q: Side
    c: Side
    scale: float
    fine: float

    @property
    def tiny(self) -> float:
        """What products may lose that are too small for float32."""
        return 8 * (self.q.rows.shape[1] + 8) * 2.0**-126

    @staticmethod
    def of(q: Tensor, c: Tensor, same: bool = False, block: int = 2048) -> Coarse:
        """Both sets [.,D] of any type; same: they are one. block: rows that are looked at together.

        Raises ValueError for values that are not finite.
        """
        centre = _mean(c)
        largest = max(_farthest(rows, centre) for rows in ((c,) if same else (q, c)))
        if not math.isfinite(largest):
            raise ValueError("rows hold a value that is not finite")
        scale = 1.0 / largest if largest > 0 else 1.0
        dims = q.shape[1]
        fine = 4 * (dims + 8) * UNIT
        bits = _bits() if LEAST <= dims <= MOST else None
        wide = _sorted(c, centre, scale, block)
        other = wide if same else _sorted(q, centre, scale, block)
        with float32_products():
            codes_c = _coded(wide[0], bits and bits[1])
            alike = same and not (bits and bits[0] != bits[1])
            codes_q = codes_c if alike else _coded(other[0], bits and bits[0])
        a, b = (codes.lost.mean().clamp(min=UNIT) for codes in (codes_q, codes_c))
        more = 1 + float(codes_q.lost.max())
        loss_q = other[1] * (fine + codes_q.lost.square() / a + more * b)
        loss_c = wide[1] * (fine + a + more * codes_c.lost.square() / b)
        return Coarse(_side(*other, codes_q, loss_q), _side(*wide, codes_c, loss_c), scale, fine)

    def product(self, one: slice, other: slice) -> Tensor:
        """Inner products of the codes of a block [rows of `one`, rows of `other`]."""
        a, b = self.q.codes[one], self.c.codes[other].T
        if a.dtype == torch.int8:
            return torch._int_mm(a, b)
        with float32_products():
            return a @ b

    def near(
        self, product: Tensor, one: slice, other: slice, limit_q: Tensor, limit_c: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pairs of a block that may lie within the limit of either row: local indices, in order.

        product: that of the block. limit_q, limit_c: float32 limits of its rows on scaled squared
        distances. The largest product of GROUP columns decides first: they have nearly the same
        norm and step, as rows are sorted.
        """
        norm_q, norm_c = self.q.least[one], self.c.least[other]
        step_q, step_c = 2 * self.q.step[one], self.c.step[other]
        limit_q, limit_c = (x * (1 + 4 * UNIT) + self.tiny for x in (limit_q, limit_c))
        grouped = product.unflatten(1, (-1, GROUP))
        steps, norms, limits = (x.unflatten(0, (-1, GROUP)) for x in (step_c, norm_c, limit_c))
        # within the limit: product >= (norm_q + norm_c - limit) / (step_q step_c)
        inner = (norms - limits).amin(dim=1)
        wanted = torch.minimum(norms.amin(dim=1) - limit_q[:, None], inner).add_(norm_q[:, None])
        wanted /= torch.where(wanted >= 0, steps.amax(dim=1), steps.amin(dim=1))
        wanted /= step_q[:, None]
        at = (grouped.amax(dim=2) >= wanted).flatten().nonzero()[:, 0]
        row = at.div(len(steps), rounding_mode="floor")
        group = at - row * len(steps)
        # the same for each of their columns, whole groups at a time
        limit = torch.maximum(limits.index_select(0, group), limit_q[row, None])
        exact = norms.index_select(0, group).add_(norm_q[row, None]).sub_(limit)
        values = steps.index_select(0, group).mul_(step_q[row, None])
        values *= grouped.flatten(0, 1).index_select(0, at)
        within = (values >= exact).flatten().nonzero()[:, 0]
        which = within.div(GROUP, rounding_mode="floor")
        return row[which], group[which] * GROUP + (within - which * GROUP)

    def likely(self, product: Tensor, one: slice, other: slice, k: int) -> tuple[Tensor, Tensor]:
        """k pairs of each row of a block that are near, as in `near`: each the best of its group.

        Fewer where the block has fewer groups.
        """
        grouped = product.unflatten(1, (-1, GROUP))
        steps = self.c.step[other].unflatten(0, (-1, GROUP)).amax(dim=1)
        least = self.c.norm[other].unflatten(0, (-1, GROUP)).amin(dim=1)
        about = least - 2 * self.q.step[one, None] * steps * grouped.amax(dim=2)
        group = about.topk(min(k, len(steps)), dim=1, largest=False).indices.sort(dim=1).values
        row = torch.arange(len(group))[:, None].expand_as(group)
        column = group * GROUP + grouped[row, group].argmax(dim=2)
        row, column = row.flatten(), column.flatten()
        real = column + other.start < len(self.c.order)
        return row[real], column[real]

    def measured(self, product: Tensor, one: slice, other: slice, a: Tensor, b: Tensor) -> Tensor:
        """Scaled squared distances of the pairs (a, b) of a block, in order; error `fine`."""
        if product.dtype == torch.int32:
            inner = _inner(self.q.rows[one], self.c.rows[other], a, b)
        else:
            inner = product[a, b]
        return self.q.norm[one][a] + self.c.norm[other][b] - 2 * inner

    def error(self, a: Tensor, b: Tensor) -> Tensor:
        """The error of what `measured` gives for rows a of q and b of c, at most."""
        return (self.fine + 8 * UNIT) * (self.q.norm[a] + self.c.norm[b]) + self.tiny


# ---------------------------------------------------------------------------------------------


@functools.cache
def _bits() -> tuple[int, int] | None:
    """Largest integers of q and of c whose products come out right here; None: do not use them."""
    if not (torch.backends.mkldnn.is_available() and torch.cpu._is_avx2_supported()):
        return None
    pairs = [(WIDE, WIDE)] if torch.cpu._is_vnni_supported() else []
    for most in [*pairs, (WIDE, NARROW)]:
        a, b = (
            torch.full((64, 512), sign * one, dtype=torch.int8) for sign, one in zip((1, -1), most)
        )
        a[::2] *= -1
        if torch.equal(torch._int_mm(a, b.T), a.int() @ b.T.int()):
            return most
    return None


def _mean(rows: Tensor) -> Tensor:
    """Mean row, to subtract; its last digits are of no matter, both sets lose the same."""
    sums = [part.sum(dim=0, dtype=torch.float64) for part in parts(rows)]
    mean = torch.stack(sums).sum(0) / len(rows)
    return mean if rows.dtype == torch.float64 else mean.float()


def _farthest(rows: Tensor, centre: Tensor) -> float:
    """Largest |number| of rows - centre; NaN or infinite where they hold such a value."""
    return float(torch.stack([(part - centre).abs_().amax() for part in parts(rows)]).amax())


def _sorted(
    rows: Tensor, centre: Tensor, scale: float, block: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(row - centre) · scale in float32, two roundings a number; their squared norms; the order.

    Sorted by norm within a block, each of which holds as many of every norm: what is near in the
    first ones then says much of the others.
    """

    def scaled(part: Tensor) -> Tensor:
        if scale > 1e30:  # beyond the range of float32, or nearly
            part = part.double()
        return ((part - centre) * scale).float()

    norm = torch.cat([torch.linalg.vector_norm(scaled(x), dim=1) for x in parts(rows)]).square()
    blocks = -(-len(rows) // block)
    order = torch.cat([norm.argsort()[b::blocks] for b in range(blocks)])
    result, start = torch.empty(rows.shape, dtype=torch.float32), 0
    for part in order.split(NUMBERS // rows.shape[1] + 1):
        result[start : start + len(part)] = scaled(rows.index_select(0, part))
        start += len(part)
    return result, norm[order], order


class _Codes(NamedTuple):
    """codes [N,D'], step [N], and the relative error of each row, lost [N]."""

    codes: Tensor
    step: Tensor
    lost: Tensor


def _side(rows: Tensor, norm: Tensor, order: Tensor, codes: _Codes, loss: Tensor) -> Side:
    """All of a set, with the padding."""
    missing = -len(rows) % GROUP

    def padded(values: Tensor, value: float) -> Tensor:
        return torch.cat([values, values.new_full((missing, *values.shape[1:]), value)])

    wide = padded(codes.codes, 0) if missing else codes.codes
    return Side(order, rows, padded(norm, torch.inf), wide, padded(codes.step, 1), padded(loss, 0))


def _coded(rows: Tensor, most: int | None) -> _Codes:
    """Rows as integers up to ±most; None: as they are."""
    if most is None:
        return _Codes(rows, torch.ones(len(rows)), torch.zeros(len(rows)))
    dims = rows.shape[1]
    blocks = _blocks(dims)
    hadamard = _hadamard(PART) / PART**0.5  # exact: ±1/8
    across = _across(blocks)
    codes, start = torch.empty(len(rows), blocks * PART, dtype=torch.int8), 0
    step, lost = torch.empty(len(rows)), torch.empty(len(rows))
    for part in parts(rows):
        one = slice(start, start + len(part))
        start += len(part)
        length = torch.linalg.vector_norm(part, dim=1)
        if blocks * PART > dims:
            part = torch.nn.functional.pad(part, (0, blocks * PART - dims))
        turned = torch.matmul(across, part.view(-1, blocks, PART) @ hadamard).flatten(1)
        step[one] = (turned.abs().amax(dim=1) / most).clamp_(min=1e-30)
        turned /= step[one, None]
        whole = turned.round().clamp_(-most, most)
        codes[one] = whole
        error = torch.linalg.vector_norm(turned.sub_(whole), dim=1) * step[one]
        lost[one] = error / length.clamp(min=1e-30)
    # the sum of a row's D' squares, the division and the norm, then the turn
    return _Codes(codes, step, lost * (1 + 2 * (blocks * PART + 8) * UNIT) + _turned(blocks))


def _blocks(dims: int) -> int:
    """Parts that hold a row: a power of 2, or 3, 5 or 7 times one, which `_across` mixes well."""
    least = -(-dims // PART)
    return min(odd << max(0, (-(-least // odd) - 1).bit_length()) for odd in (1, 3, 5, 7))


def _turned(blocks: int) -> float:
    """|rounded turn of a row - its exact turn| over the row's norm, at most.

    Sums of n products with a matrix A err by n·u·||A||·|x| at most, in the norm of A's absolute
    values: 8 for the Hadamard matrix, √blocks for the other, which is itself off by √blocks·u.
    """
    return 1.1 * UNIT * ((PART + 1) * PART**0.5 + (blocks + 2) * blocks**0.5)


def _hadamard(size: int) -> Tensor:
    """[size,size] of ±1 with orthogonal rows (Sylvester); size a power of 2."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([matrix.repeat(1, 2), torch.cat([matrix, -matrix], dim=1)])
    return matrix


def _across(size: int) -> Tensor:
    """An orthogonal matrix [size,size] of entries that are alike: Hadamard's with Householder's."""
    two = size & -size
    odd = size // two
    reflection = torch.eye(odd) - torch.full((odd, odd), 2 / odd)
    return torch.kron(_hadamard(two) / two**0.5, reflection if odd > 1 else torch.ones(1, 1))


def _inner(q: Tensor, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """q[a]·c[b] of pairs that are sorted by a, then b, in float32, without copies of the rows."""
    starts = torch.zeros(len(q) + 1, dtype=torch.int64)
    torch.cumsum(a.bincount(minlength=len(q)), 0, out=starts[1:])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        where = torch.sparse_csr_tensor(
            starts, b, torch.zeros(len(b)), (len(q), len(c)), check_invariants=False
        )
        return torch.sparse.sampled_addmm(where, q, c.T, beta=0.0).values()
