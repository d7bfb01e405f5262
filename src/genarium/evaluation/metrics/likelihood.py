"""Likelihoods as the field quotes them."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
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


def auroc(usual: Tensor, strange: Tensor) -> float:
    """P(usual > strange) + P(usual = strange)/2 of a random pair: the area under the ROC curve.

    usual, strange: [N], [M] scores that are to be higher for the usual images, such as ln p(x).
    1 separates the two without error, 0.5 is chance, and below 0.5 the strange images score
    higher. Raises ValueError where one of the two is empty or holds NaN.
    """
    if not len(usual) or not len(strange):
        raise ValueError(f"auroc of {len(usual)} and {len(strange)} scores: both need some")
    if bool(usual.isnan().any()) or bool(strange.isnan().any()):
        raise ValueError("auroc of scores that are not numbers")
    below = strange.double().sort().values
    above = usual.double().contiguous()
    less = torch.searchsorted(below, above, right=False)  # strange ones < each usual one
    up_to = torch.searchsorted(below, above, right=True)  # and <= it
    pairs = (less + up_to).double().sum() / 2
    return float(pairs / (len(usual) * len(strange)))
