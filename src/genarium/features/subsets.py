"""Few labels, drawn fairly."""

from __future__ import annotations

from torch import Tensor

from genarium.data.choice import fair
from genarium.training.order import derive


def balanced(labels: Tensor, count: int, seed: int) -> Tensor:
    """Rows of `count` images with the classes as equal as they can be, [count] int64, sorted.

    The classes take turns, each in a random order of its own, until there are enough; a class that
    runs out is passed over. The same for the same seed, and a larger count holds a smaller one.
    labels: [N] int64 from 0. Raises ValueError for more rows than there are.
    """
    if not 1 <= count <= len(labels):
        raise ValueError(f"count is {count}: there are {len(labels)} labels")
    return fair(len(labels), count, seed, labels).sort().values


def small(seed: int) -> int:
    """A seed for scikit-learn, which takes 32 bits: small ones as they are, others from a hash."""
    return seed if 0 <= seed < 2**32 else derive(seed, "scikit-learn") % 2**32
