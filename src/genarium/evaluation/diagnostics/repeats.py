"""Repeats: how many different pictures a sampler draws (the birthday paradox).

Of n draws from S equally likely pictures, S (1 - (1 - 1/S)^n) are different on average; for n much
smaller than S some n²/2S are repeats. So the repeats R among n samples estimate S, the size of the
support: none among 1,000 samples says 100,000 or more, and far from all of it must be good.

    Arora & Zhang 2017, Do GANs actually learn the distribution? An empirical study

Two samples are one picture if their distance (`lookalikes`) is under a third of that which only one
in a hundred of as many real images has to its nearest fellow; more pictures follow from pairs.

Shapes: n samples · m real images
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation import tails
from genarium.evaluation.diagnostics.lookalikes import Lookalikes
from genarium.evaluation.scores.score import Z

RARE, FRACTION = 0.01, 1 / 3  # of the real images' distances, and how much of that still is one
MOST, ALPHA = 0.01, 0.01  # share of repeats that is borne, level of the test against it


@dataclass(frozen=True)
class Repeats:
    """What was found among n samples.

    count: n. different: pictures among them. support: estimated number of pictures, None where
    nothing repeats; interval: of 95 %, the upper end None where it has none. p: of the hypothesis
    that at most 1 % of the samples repeat another one. group: [n] number of the picture that each
    sample shows. within: the distance under which two samples are one picture.
    """

    count: int
    different: int
    support: float | None
    interval: tuple[float, float | None]
    p: float
    group: Tensor
    within: float

    @property
    def detected(self) -> bool:
        """Whether it repeats itself."""
        return self.p <= ALPHA

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.detected and self.support is not None:
            return (
                f"repeats itself: {self.different:,} different pictures in {self.count:,} samples, "
                f"out of about {rounded(self.support)} in all"
            )
        if self.different < self.count:
            return f"hardly repeats itself: {self.different:,} different in {self.count:,} samples"
        return f"does not repeat itself in {self.count:,} samples"

    def largest(self, count: int) -> Tensor:
        """One sample of each of the pictures drawn most often, the most frequent first."""
        sizes = self.group.bincount()
        often = sizes.argsort(descending=True, stable=True)[:count]
        often = often[sizes[often] > 1]
        return (
            torch.stack([(self.group == one).nonzero()[0, 0] for one in often])
            if len(often)
            else torch.empty(0, dtype=torch.int64)
        )


def repeats(samples: Lookalikes, real: Tensor) -> Repeats:
    """Repeats among n samples. samples: what each finds among the others. real: [m] distances of
    real images to their nearest among as many others, m at least 1.

    Raises ValueError without samples or real images.
    """
    n = len(samples.index)
    if not n or not len(real):
        raise ValueError("repeats needs samples and real images")
    within = FRACTION * real.double().quantile(RARE).item()
    row, column = (samples.distance.double() <= within).nonzero(as_tuple=True)
    group = connected(n, row.tolist(), samples.index[row, column].tolist())
    different = int(group.max()) + 1
    repeated = n - different
    p = tails.more_than(repeated - 1, n, MOST) if repeated else 1.0
    fewest, most = _interval(n, repeated)
    return Repeats(
        n,
        different,
        support(n, repeated) if repeated else None,
        (support(n, most), support(n, fewest) if fewest > 0 else None),
        p,
        group,
        within,
    )


def connected(n: int, ends: Sequence[int], others: Sequence[int]) -> Tensor:
    """Components of the graph of n nodes with edges (ends[i], others[i]): [n] int64, numbered from
    0 by their first nodes."""
    above = list(range(n))  # towards the first node of a component

    def first(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for a, b in zip(ends, others):
        low, high = sorted((first(a), first(b)))
        above[high] = low
    return torch.tensor([first(node) for node in range(n)]).unique(return_inverse=True)[1]


def _interval(n: int, repeated: int) -> tuple[float, float]:
    """95 % interval of the mean number of repeats, under n.

    They are counts of rare events where they are few. Where they are many, the normal one with
    the variance of the number of different pictures, half a picture added for its steps.
    """
    if repeated <= n // 10:
        low, high = poisson_interval(repeated)
        return low, min(high, n - 1)
    size = support(n, repeated)
    none, neither = (1 - 1 / size) ** n, max(0.0, 1 - 2 / size) ** n
    variance = size * (size - 1) * neither + size * none - (size * none) ** 2
    half = Z * math.sqrt(max(0.0, variance)) + 0.5
    return repeated - half, min(repeated + half, n - 1)


def support(n: int, repeated: float) -> float:
    """S with n - S (1 - (1 - 1/S)^n) = repeated, for 0 < repeated < n; at least 1."""
    if not 0 < repeated < n:
        raise ValueError(f"{repeated} repeats among {n}: give more than 0 and fewer than {n}")

    def expected(log_size: float) -> float:
        size = math.exp(log_size)
        return n + size * math.expm1(n * math.log1p(-1 / size)) if size > 1 else n - 1

    low, high = 0.0, math.log(n) + math.log(n / repeated) + 1  # few repeats: S = n²/2R
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) > repeated else (low, middle)
    return math.exp(low)


def poisson_interval(count: int) -> tuple[float, float]:
    """The 95 % interval of a mean of which `count` was seen (Garwood 1936)."""
    low = tails.gamma_quantile(count, 0.025) if count else 0.0
    return low, tails.gamma_quantile(count + 1, 0.975)


def rounded(value: float) -> str:
    """A size to two digits: 12, 170, 34,000."""
    if value < 100:
        return f"{value:.0f}"
    step = 10 ** (math.floor(math.log10(value)) - 1)
    return f"{round(value / step) * step:,.0f}"
