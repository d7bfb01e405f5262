"""Few labels, drawn fairly."""

from __future__ import annotations

import torch
from torch import Tensor

from genarium.training.order import derive


def balanced(labels: Tensor, count: int, seed: int) -> Tensor:
    """Rows of `count` images with the classes as equal as they can be, [count] int64, sorted.

    The classes take turns, each in a random order of its own, until there are enough; a class that
    runs out is passed over. The same for the same seed, and a larger count holds a smaller one.
    labels: [N] int64 from 0. Raises ValueError for more rows than there are.
    """
    if not 1 <= count <= len(labels):
        raise ValueError(f"count is {count}: there are {len(labels)} labels")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    # the turn of an image: how many of its class came before it
    one_hot = torch.nn.functional.one_hot(shuffled)
    turn = (one_hot.cumsum(0) * one_hot).sum(1)
    return order[turn.argsort(stable=True)[:count]].sort().values


def small(seed: int) -> int:
    """A seed for scikit-learn, which takes 32 bits: small ones as they are, others from a hash."""
    return seed if 0 <= seed < 2**32 else derive(seed, "scikit-learn") % 2**32
