"""Likelihoods as the field quotes them."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor

T = TypeVar("T", float, Tensor)


def bits_per_dim(nats: T, dims: int) -> T:
    """-ln p(x) / (D ln 2): bits per dimension from a negative log-likelihood in nats.

    nats: -ln p(x) (so a model's `log_prob`, negated), a number or a tensor. dims: D = C·H·W.
    An image of L grey levels costs log2 L bits per dimension under the uniform distribution.
    """
    if dims < 1:
        raise ValueError(f"dims must be at least 1, not {dims}")
    return nats / (dims * math.log(2))
