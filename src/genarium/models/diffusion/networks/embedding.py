"""What a network gets beside the noised image: the time, and what it is conditioned on.

B batch · N times · S numbers of the condition · E size of the embedding
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import dual_level
from torch.nn import functional

SLOWEST, FASTEST = 0.5, 100.0
"""Frequencies of the time's features, radians a unit of time, unless another fastest is given."""

OCTAVES = (2, 3, 4, 5, 6)
"""The k of the Fourier features' frequencies π·2^k: periods of 64 to 4 of 256 grey levels."""


class Embedding(nn.Module):
    """Times [B,N] and conditions [B,S] -> [B,E].

        e = W₂ silu(W₁ [cos ω_k t, sin ω_k t]_k) + V y

    The frequencies ω are a geometric row up to `fastest`. The times of one image are embedded side
    by side. A condition of zeros adds nothing: that is how a network knows of none.
    """

    def __init__(
        self,
        size: int,
        times: int = 1,
        condition: int = 0,
        fastest: float = FASTEST,
        frequencies: int = 32,
    ):
        super().__init__()
        rates = torch.linspace(math.log(SLOWEST), math.log(fastest), frequencies).exp()
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor
        self.first = nn.Linear(2 * frequencies * times, size)
        self.second = nn.Linear(size, size)
        self.condition = nn.Linear(condition, size, bias=False) if condition else None

    def forward(self, times: Tensor, y: Tensor | None = None) -> Tensor:
        angles = (times[:, :, None] * self.rates).flatten(1)
        features = torch.cat([angles.cos(), angles.sin()], 1)
        result: Tensor = self.second(functional.silu(self.first(features)))
        if self.condition is not None and y is not None:
            result = result + self.condition(y)
        return result


class Pixels(nn.Module):
    """Images [B,C,H,W] on [-1, 1] as a network is given them: as they are or, with `fourier`, with
    their Fourier features beside them, [B,C·11,H,W] (Kingma et al. 2021):

        x, sin(π·2^k·x), cos(π·2^k·x),  k = 2 .. 6

    Noise as small as a grey level hardly moves a pixel, but a sine of that period by a whole swing.
    channels: how many come out.
    """

    def __init__(self, channels: int, fourier: bool):
        super().__init__()
        self.fourier = fourier
        self.channels = channels * (1 + 2 * len(OCTAVES)) if fourier else channels

    def forward(self, x: Tensor) -> Tensor:
        if not self.fourier:
            return x
        angles = [math.pi * 2.0**k * x for k in OCTAVES]
        return torch.cat([x, *(f(a) for a in angles for f in (torch.sin, torch.cos))], 1)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(qkᵀ/√d)v of heads [B,h,n,d].

    Written out: the fused kernels have no forward-mode derivative, which mean-flow takes, and for
    the few places of these maps they are no faster.
    """
    weights = (q @ k.transpose(-2, -1)) * (q.shape[-1] ** -0.5)
    return weights.softmax(-1) @ v


_forward: ContextVar[bool] = ContextVar("_forward", default=False)


@contextmanager
def forward_mode() -> Iterator[None]:
    """Within, tensors may carry a derivative forwards (`torch.autograd.forward_ad`), and layers
    whose kernels have none of their own take a way that has one."""
    token = _forward.set(True)
    try:
        with dual_level():
            yield
    finally:
        _forward.reset(token)


def differentiated_forward() -> bool:
    """Whether this is within `forward_mode`."""
    return _forward.get()


def zero(layer: nn.Module) -> nn.Module:
    """The layer with all its numbers 0: what begins so begins as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
