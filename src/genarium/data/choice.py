"""Which pictures are shown: the one place where some of many are chosen to be looked at.

Not the first ones: files lie in the order of their names, so the first are of one class. They are
drawn by a seed, and where classes are known these take turns, so that each shows as many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from genarium.data.dataset import Split


def fair(count: int, n: int | None = None, seed: int = 0, labels: Tensor | None = None) -> Tensor:
    """`n` of the rows 0 .. count-1 in a random order, [min(n, count)] int64; None: all of them.

    labels: [count] classes, any numbers. The classes then take turns, in a random order in each
    turn, until there are enough; one that runs out is passed over. The same for the same seed, and
    the choice of fewer is the beginning of the choice of more.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    if labels is not None and count:
        shuffled = labels[order]
        by_class = shuffled.argsort(stable=True)
        sizes = shuffled[by_class].unique_consecutive(return_counts=True)[1]
        begin = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
        turn = torch.empty_like(by_class)  # how many of its class come before an image
        turn[by_class] = torch.arange(count) - begin
        order = order[turn.argsort(stable=True)]
    return order[:n]


def fair_rows(split: Split, n: int | None = None, seed: int = 0, domain: str = "a") -> Tensor:
    """`fair` rows of the images of a split's domain; labels go with the first and what is paired
    with it."""
    count = len(split.domain(domain)) if domain != "a" else len(split)
    labels = split.labels
    known = labels is not None and len(labels) == count
    return fair(count, n, seed, labels if known else None)
