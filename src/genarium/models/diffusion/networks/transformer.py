"""A plain transformer on patches, with adaLN-zero (Peebles & Xie 2023, "DiT"; Li & He 2025, "JiT").

The image is cut into patches, each a token; every layer lets the tokens look at each other and then
at themselves. The time and the condition scale and shift each layer's normed input and gate what it
adds; the gates begin at 0, so that the network begins as one linear layer.

    B batch · C channels · H, W pixels · n tokens · F features of a token · E of the embedding
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.models.diffusion.networks.embedding import FASTEST, Embedding, Pixels, attend, zero
from genarium.models.diffusion.networks.unet import padded


class Layer(nn.Module):
    """Attention, then two dense layers, each x + gate·f(norm(x)·(1 + scale) + shift), [B,n,F]."""

    def __init__(self, features: int, heads: int, embedding: int):
        super().__init__()
        self.heads = heads
        self.modulation = zero(nn.Linear(embedding, 6 * features))
        self.look = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)
        self.wide = nn.Linear(features, 4 * features)
        self.narrow = nn.Linear(4 * features, features)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        given = self.modulation(embedded)[:, None].chunk(6, 2)
        x = x + given[2] * self._attention(modulated(x, given[0], given[1]))
        h = functional.gelu(self.wide(modulated(x, given[3], given[4])))
        return x + given[5] * self.narrow(h)

    def _attention(self, x: Tensor) -> Tensor:
        batch, tokens, features = x.shape
        heads = self.look(x).view(batch, tokens, 3, self.heads, -1)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        seen: Tensor = self.out(attend(q, k, v).transpose(1, 2).reshape(batch, tokens, features))
        return seen


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """norm(x)·(1 + scale) + shift of tokens [B,n,F]."""
    return functional.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


def patch_for(height: int, width: int) -> int:
    """The side of a token in pixels that makes about 7 or 8 tokens a side."""
    return max(1, round(max(height, width) / 8))


class Transformer(nn.Module):
    """Noised images [B,C,H,W], times [B,N] and conditions [B,S] -> [B,C,H,W].

    width: F/4, so that it is of the size of a U-Net's. blocks: layers. patch: pixels a side of a
    token; 0 makes about 7 or 8 tokens a side. times: N. condition: S. fourier: see
    `embedding.Pixels`. fastest: see `Embedding`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        blocks: int = 6,
        patch: int = 0,
        *,
        times: int = 1,
        condition: int = 0,
        fastest: float = FASTEST,
        fourier: bool = False,
    ):
        super().__init__()
        channels, height, wide = shape
        self.pixels = Pixels(channels, fourier)
        self.patch = patch or patch_for(height, wide)
        features = 4 * width
        heads = max(1, features // 32)
        while features % heads:
            heads -= 1
        size = -(-height // self.patch) * -(-wide // self.patch)
        self.embedding = Embedding(features, times, condition, fastest)
        self.first = nn.Linear(self.pixels.channels * self.patch**2, features)
        self.place = nn.Parameter(0.02 * torch.randn(size, features))
        self.layers = nn.ModuleList(Layer(features, heads, features) for _ in range(blocks))
        self.modulation = zero(nn.Linear(features, 2 * features))
        self.last = zero(nn.Linear(features, channels * self.patch**2))

    def forward(self, x: Tensor, times: Tensor, y: Tensor | None = None) -> Tensor:
        embedded = functional.silu(self.embedding(times, y))
        height, width = x.shape[2:]
        x = padded(self.pixels(x), self.patch)
        x = functional.pixel_unshuffle(x, self.patch)
        rows, columns = x.shape[2:]
        tokens = self.first(x.flatten(2).transpose(1, 2)) + self.place
        for layer in self.layers:
            tokens = layer(tokens, embedded)
        scale, shift = self.modulation(embedded)[:, None].chunk(2, 2)
        tokens = self.last(modulated(tokens, scale, shift))
        x = tokens.transpose(1, 2).unflatten(2, (rows, columns))
        return functional.pixel_shuffle(x, self.patch)[:, :, :height, :width]
