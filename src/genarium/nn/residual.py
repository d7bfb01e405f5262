"""Networks between pictures and codes, for pictures of 8 pixels a side and more.

The way from image to code is short, because what stands in it costs more than it gives to who has
some thousand pictures and one machine: strided 4×4 convolutions with SiLU halve the sides until the
shorter one is below 2·`SMALLEST`, and one linear layer makes the code of the smallest map. The way
back begins with residual layers on the code, which let a decoder fold the Gaussian prior into
separate kinds of picture; past them the code reaches the maps directly, so they delay nothing. Then
it is the mirror image, and gives back every size exactly, odd ones too. docs/vae.md has what was
tried, and what it was worth.

Nothing is normalized: the weights start at the scale that keeps a signal's (He et al. 2015), the
residual layers near the identity (Zhang, Dauphin & Ma 2019, Fixup), so batches of any size train,
and an image's code and likelihood never depend on its neighbours.

Shapes: B batch · C channels · H, W pixels · U units of the layers on the code
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.nn.conv import Upsample, channels, pyramid

BLOCKS, UNITS = 2, 256
NEAR = 0.1
"""Scale of what begins near the identity, the prior or the mean image, yet passes gradients."""


GAIN = 0.356**-0.5
"""What SiLU takes from a signal's scale: E[silu(x)²] = 0.356 for x ~ N(0, 1)."""


def convolution(
    kind: type[nn.Module], inputs: int, outputs: int, taps: int, **more: object
) -> nn.Module:
    """A strided 4×4 convolution, or a transposed one, of which an output sees `taps` inputs."""
    layer = kind(inputs, outputs, 4, stride=2, padding=1, **more)
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=GAIN * taps**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


def linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """A linear layer whose outputs have `scale` times its inputs' scale at the start, no bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=scale * inputs**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """x + W₂·silu(W₁·silu(x)), [B,U] -> [B,U]. Source: He et al. 2016, Identity Mappings."""

    def __init__(self, units: int):
        super().__init__()
        self.into = linear(units, units, GAIN)
        self.out = linear(units, units, 0.5 * GAIN)

    def forward(self, x: Tensor) -> Tensor:
        rest: Tensor = self.out(F.silu(self.into(F.silu(x))))
        return x + rest


class ResidualEncoder(nn.Module):
    """Images [B,C,H,W] -> `features` numbers each, [B, features].

    shape: (C, H, W), at least 8 pixels a side. width: channels of the first map, doubled with each
    halving of the sides, at most 8 × width. beside: further numbers [B, beside] of each image (its
    label): each shifts the channels of the smallest map before its SiLU.
    """

    def __init__(
        self, shape: tuple[int, int, int], features: int, width: int = 16, beside: int = 0
    ):
        super().__init__()
        sizes = pyramid(*shape[1:])
        maps = [shape[0], *channels(width, len(sizes) - 1)]
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(maps):
            down += [convolution(nn.Conv2d, inputs, outputs, 16 * inputs), nn.SiLU()]
        self.down = nn.Sequential(*down[:-1])
        self.beside = linear(beside, maps[-1]) if beside else None
        self.head = linear(maps[-1] * math.prod(sizes[-1]), features)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        x = self.down(x)
        if self.beside is not None and beside is not None:
            x = x + self.beside(beside.to(x.dtype))[:, :, None, None]
        code: Tensor = self.head(F.silu(x).flatten(1))
        return code


class ResidualDecoder(nn.Module):
    """Codes [B, latent] -> [B,C,H,W]; no output non-linearity.

    shape: (C, H, W) of what comes out. width: channels of the last hidden map, doubled with each
    halving of the sides, at most 8 × width.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], width: int = 16):
        super().__init__()
        sizes = pyramid(*shape[1:])[::-1]
        maps = [*channels(width, len(sizes) - 1)[::-1], shape[0]]
        self.smallest = (maps[0], *sizes[0])
        self.into = linear(latent, UNITS)
        self.blocks = nn.Sequential(*(Residual(UNITS) for _ in range(BLOCKS)))
        self.head = linear(UNITS, math.prod(self.smallest), GAIN)
        up: list[nn.Module] = [nn.SiLU()]
        for inputs, outputs, (height, width_) in zip(maps[:-1], maps[1:-1], sizes[1:-1]):
            # A side of 2m + 1 pixels was halved to m: the odd pixel is asked back here.
            odd = (height % 2, width_ % 2)
            layer = convolution(nn.ConvTranspose2d, inputs, outputs, 4 * inputs, output_padding=odd)
            up += [layer, nn.SiLU()]
        self.up = nn.Sequential(*up)
        self.image = Upsample(maps[-2], maps[-1], *sizes[-1])
        with torch.no_grad():
            self.image.convolution.weight.mul_(NEAR)  # all images begin as `begin_at` says

    def forward(self, z: Tensor) -> Tensor:
        x = self.head(F.silu(self.blocks(self.into(z))))
        image: Tensor = self.image(self.up(x.unflatten(1, self.smallest)))
        return image

    @torch.no_grad()
    def begin_at(self, output: Tensor) -> None:
        """Let what comes out begin about `output` [C,H,W]: its mean a channel becomes the bias."""
        bias = self.image.convolution.bias
        assert bias is not None
        bias.copy_(output.mean((1, 2)).repeat_interleave(4))  # one of each of the four phases
