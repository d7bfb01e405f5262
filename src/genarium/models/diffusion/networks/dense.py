"""A dense network, for points of the plane and other images of a few numbers.

What changes within a hundredth of the range is learnt slowly by layers that see the numbers alone;
beside them stand their sines and cosines (Tancik et al. 2020, Fourier features). On `ring8` 1,000
steps of 256 points put 11 % of the samples into the modes without them, 68 % with them.

B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.models.diffusion.networks.embedding import FASTEST, Embedding, zero

FREQUENCIES = 3
"""π, 2π and 4π radians a unit."""


def waves(x: Tensor) -> Tensor:
    """[B,D] -> x, then cos and sin of 2^k·πx for each k < K = `FREQUENCIES`, [B,D·(1 + 2K)]."""
    rates = [math.pi * 2**k for k in range(FREQUENCIES)]
    return torch.cat([x, *(f(rate * x) for rate in rates for f in (torch.cos, torch.sin))], 1)


class Dense(nn.Module):
    """Noised images [B,C,H,W], times [B,N] and conditions [B,S] -> [B,C,H,W].

    width: an eighth of the units of a layer. blocks: hidden layers, each of which sees the
    embedding. times: N. condition: S. fastest: see `Embedding`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        blocks: int = 3,
        *,
        times: int = 1,
        condition: int = 0,
        fastest: float = FASTEST,
    ):
        super().__init__()
        units, numbers = 8 * width, math.prod(shape)
        self.embedding = Embedding(units, times, condition, fastest)
        self.first = nn.Linear(numbers * (1 + 2 * FREQUENCIES), units)
        self.layers = nn.ModuleList(nn.Linear(units, units) for _ in range(blocks))
        self.last = zero(nn.Linear(units, numbers))

    def forward(self, x: Tensor, times: Tensor, y: Tensor | None = None) -> Tensor:
        embedded = self.embedding(times, y)
        h = self.first(waves(x.flatten(1)))
        for layer in self.layers:
            h = h + layer(functional.silu(h + embedded))
        result: Tensor = self.last(functional.silu(h))
        return result.view_as(x)
