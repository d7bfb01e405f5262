"""Dropped classes: which classes of the data a sampler (almost) never draws.

A classifier names the samples. It errs, so a class that is never drawn still gets some names, and
one that is drawn loses some; both follow from how it names labelled real images it was not trained
on, C[j,k] = P(named k | class j). Class k is missing if it has less than a quarter of its share in
the data, beyond doubt: with o_k of n samples named k, shares q of the classes in the data and s of
the samples,

    p = P( Binomial(n, π_k) <= o_k ),    π_k = q_k C[k,k] / 4 + Σ_{j≠k} s_j C[j,k]

and Holm's correction over all classes keeps the chance of naming any class wrongly at 5 %. The
shares s are those of the largest likelihood given the names.

Shapes: K classes
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation import tails

LEAST = 0.25  # of its share, what a class has to have to count as there
ALPHA = 0.05
STEPS = 500  # of the iteration for the shares; its error is far under that of the counts by then


@dataclass(frozen=True)
class Dropping:
    """What was found.

    names: of the classes. missing: numbers of the missing ones. p: [K] p-values before the
    correction. share: [K] estimated shares of the samples, expected: [K] of the data. undecided:
    classes of which even no sample at all would not have shown that they are missing. count: n.
    kind: what to call them in words, "class" or "mode".
    """

    names: tuple[str, ...]
    missing: tuple[int, ...]
    p: Tensor
    share: Tensor
    expected: Tensor
    undecided: tuple[int, ...]
    count: int
    kind: str = "class"

    @property
    def detected(self) -> bool:
        """Whether any class is missing."""
        return bool(self.missing)

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.missing:
            return f"missing modes: {self._words(self.missing)}"
        if len(self.undecided) == len(self.names):
            return f"{self.count:,} samples are too few to tell whether a {self.kind} is missing"
        if self.undecided:
            some = self._words(self.undecided)
            return f"no {self.kind} is missing; too few samples for a verdict on {some}"
        return f"no {self.kind} is missing"

    def _words(self, classes: tuple[int, ...]) -> str:
        some = ", ".join(self.names[k] for k in classes[:20])
        return some + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")


def dropping(
    counts: Tensor,
    expected: Tensor,
    confusion: Tensor,
    names: tuple[str, ...],
    kind: str = "class",
) -> Dropping:
    """Test every class. counts: [K] samples by the class that they were named. expected: [K]
    images, or shares, of the classes in the data; a class that has none there is not asked after.
    confusion: [K,K] labelled real images of class j that were named k; a class without any is taken
    as always named right. kind: the word for a class.

    Raises ValueError for no samples or shapes that do not fit.
    """
    k, n = len(counts), int(counts.sum())
    if not n or expected.shape != (k,) or confusion.shape != (k, k) or len(names) != k:
        raise ValueError("dropping needs samples, and shares, confusion and names of all classes")
    q = expected.double() / expected.double().sum()
    named = confusion.double() + torch.diag((confusion.sum(dim=1) == 0).double())
    named = named / named.sum(dim=1, keepdim=True)
    share = unmixed(counts, named)
    right = named.diagonal()
    strangers = share @ named - share * right
    chance = (LEAST * q * right + strangers).clamp(max=1.0)
    p = torch.tensor([tails.at_most(int(o), n, float(c)) for o, c in zip(counts, chance)])
    fewest = torch.tensor([tails.at_most(0, n, float(c)) for c in chance])
    p[q == 0] = 1.0
    asked = int((q > 0).sum())
    missing = _holm(p, asked)
    blind = (fewest > ALPHA / asked) & (q > 0)
    undecided = [i for i in blind.nonzero().flatten().tolist() if i not in missing]
    return Dropping(names, tuple(missing), p, share, q, tuple(undecided), n, kind)


def unmixed(counts: Tensor, named: Tensor) -> Tensor:
    """Shares s [K] of the largest likelihood for names ~ Multinomial(s @ named), by EM."""
    seen = counts.double()
    share = torch.full((len(counts),), 1 / len(counts), dtype=torch.float64)
    for _ in range(STEPS):
        mixed = (share @ named).clamp(min=1e-300)
        share = share * (named @ (seen / mixed)) / seen.sum()
    return share


def _holm(p: Tensor, asked: int) -> list[int]:
    """Numbers of the p-values that Holm's correction for `asked` tests leaves significant."""
    rejected: list[int] = []
    for step, i in enumerate(p.argsort(stable=True).tolist()):
        if step >= asked or p[i] > ALPHA / (asked - step):
            break
        rejected.append(i)
    return sorted(rejected)
