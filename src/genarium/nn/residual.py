"""Convolutional networks between pictures and codes, for pictures of 8 pixels a side and more.

The way between image and code is short, because what stands in it costs more than it gives to who
has some thousand pictures and one machine: strided 4×4 convolutions with SiLU halve the sides until
the shorter one is below 2·`SMALLEST`, a `Residual` block works on the smallest map, where it costs
little, and one linear layer makes the code of it. The decoder is the mirror image and gives back
every size exactly, odd ones too. docs/vae.md has what was tried, and what it was worth.

Nothing is normalized: the weights start at the scale that keeps a signal's (He et al. 2015), the
blocks near the identity (Zhang, Dauphin & Ma 2019, Fixup), so batches of any size train, and an
image's code and likelihood never depend on its neighbours.

Shapes: B batch · C channels · H, W pixels · h, w sides of the smallest map
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.nn.conv import Upsample, channels, he, pyramid

BLOCKS = 1
START = 0.1
"""Scale of a block's last weights at the start: near the identity, yet gradients pass."""


class Residual(nn.Module):
    """x + W₃·silu(W₂ * silu(W₁·silu(x))), W₂ a 3×3 convolution of half the channels, W₁ and W₃ of
    single pixels. [B,F,h,w] -> [B,F,h,w]. Source: He et al. 2016, Identity Mappings."""

    def __init__(self, features: int):
        super().__init__()
        narrow = max(1, features // 2)
        self.into = nn.Conv2d(features, narrow, 1)
        self.across = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.out = nn.Conv2d(narrow, features, 1)
        for layer, taps in ((self.into, features), (self.across, 9 * narrow), (self.out, narrow)):
            he(layer, taps)
        with torch.no_grad():
            self.out.weight.mul_(START)

    def forward(self, x: Tensor) -> Tensor:
        rest: Tensor = self.out(F.silu(self.across(F.silu(self.into(F.silu(x))))))
        return x + rest


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that keeps the scale of what it is given, without a bias at the start."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


class ResidualEncoder(nn.Module):
    """Images [B,C,H,W] -> `features` numbers each, [B, features].

    shape: (C, H, W), at least 8 pixels a side. width: channels of the first map, doubled with each
    halving of the sides, at most 8 × width. beside: further numbers [B, beside] of each image (its
    label): each shifts the channels of the smallest map before the blocks.
    """

    def __init__(
        self, shape: tuple[int, int, int], features: int, width: int = 16, beside: int = 0
    ):
        super().__init__()
        sizes = pyramid(*shape[1:])
        maps = [shape[0], *channels(width, len(sizes) - 1)]
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(maps):
            layer = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            he(layer, inputs * 16)
            down += [layer, nn.SiLU()]
        self.down = nn.Sequential(*down[:-1])
        self.beside = linear(beside, maps[-1]) if beside else None
        self.blocks = nn.Sequential(*(Residual(maps[-1]) for _ in range(BLOCKS)))
        self.head = nn.Linear(maps[-1] * math.prod(sizes[-1]), features)
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        x = self.down(x)
        if self.beside is not None and beside is not None:
            x = x + self.beside(beside.to(x.dtype))[:, :, None, None]
        code: Tensor = self.head(F.silu(self.blocks(x)).flatten(1))
        return code


class ResidualDecoder(nn.Module):
    """Codes [B, latent] -> [B,C,H,W]; no output non-linearity. The mirror image of ResidualEncoder.

    shape: (C, H, W) of what comes out. width: channels of the last hidden map, doubled with each
    halving of the sides, at most 8 × width.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], width: int = 16):
        super().__init__()
        sizes = pyramid(*shape[1:])[::-1]
        maps = [*channels(width, len(sizes) - 1)[::-1], shape[0]]
        self.smallest = (maps[0], *sizes[0])
        self.head = linear(latent, math.prod(self.smallest))
        self.blocks = nn.Sequential(*(Residual(maps[0]) for _ in range(BLOCKS)))
        up: list[nn.Module] = [nn.SiLU()]
        for inputs, outputs, (height, width_) in zip(maps[:-1], maps[1:-1], sizes[1:-1]):
            # A side of 2m + 1 pixels was halved to m: the odd pixel is asked back here.
            odd = (height % 2, width_ % 2)
            layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, output_padding=odd)
            he(layer, inputs * 4)
            up += [layer, nn.SiLU()]
        self.up = nn.Sequential(*up)
        self.image = Upsample(maps[-2], maps[-1], *sizes[-1])
        with torch.no_grad():
            self.image.convolution.weight.mul_(START)  # so that all images begin as `begin_at` says

    def forward(self, z: Tensor) -> Tensor:
        x = self.blocks(self.head(z).unflatten(1, self.smallest))
        image: Tensor = self.image(self.up(x))
        return image

    @torch.no_grad()
    def begin_at(self, output: Tensor) -> None:
        """Let what comes out begin about `output` [C,H,W]: its mean a channel becomes the bias."""
        bias = self.image.convolution.bias
        assert bias is not None
        bias.copy_(output.mean((1, 2)).repeat_interleave(4))  # one of each of the four phases
