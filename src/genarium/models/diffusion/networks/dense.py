"""A dense network, for points of the plane and other images of a few numbers.

B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from genarium.models.diffusion.networks.embedding import Embedding, zero


class Dense(nn.Module):
    """Noised images [B,C,H,W], times [B,N] and conditions [B,S] -> [B,C,H,W].

    width: an eighth of the units of a layer. blocks: hidden layers, each of which sees the
    embedding. times: N. condition: S.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        blocks: int = 3,
        *,
        times: int = 1,
        condition: int = 0,
    ):
        super().__init__()
        units, numbers = 8 * width, math.prod(shape)
        self.embedding = Embedding(units, times, condition)
        self.first = nn.Linear(numbers, units)
        self.layers = nn.ModuleList(nn.Linear(units, units) for _ in range(blocks))
        self.last = zero(nn.Linear(units, numbers))

    def forward(self, x: Tensor, times: Tensor, y: Tensor | None = None) -> Tensor:
        embedded = self.embedding(times, y)
        h = self.first(x.flatten(1))
        for layer in self.layers:
            h = h + layer(functional.silu(h + embedded))
        result: Tensor = self.last(functional.silu(h))
        return result.view_as(x)
