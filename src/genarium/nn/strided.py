"""Networks between pictures and codes, for pictures of 8 pixels a side and more.

The way is short, because what stands in it costs more than it gives to who has some hundred or
thousand pictures and one machine: strided 4×4 convolutions, batch norm and SiLU halve the sides
until the shorter one is below 2·`SMALLEST`, and one linear layer makes the code of the last map.
The decoder is the mirror image and gives back every size exactly, odd too. docs/vae.md has what
was tried (dense layers, residual blocks, none of the norms), and what it was worth.

Batch norm takes the statistics of the batch in training, whose noise keeps small sets from being
learnt by heart, and its averages afterwards: a trained model's code and likelihood of an image
never depend on its neighbours.

Shapes: B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.nn.conv import Upsample, channels, pyramid
from genarium.nn.norm import BatchNorm2d

NEAR = 0.1
"""Scale of the last weights at the start: all pictures begin near the mean, yet gradients pass."""
GAIN = 0.356**-0.5
"""What SiLU takes from a signal's scale: E[silu(x)²] = 0.356 for x ~ N(0, 1)."""


def convolution(
    kind: type[nn.Module], inputs: int, outputs: int, taps: int, **more: object
) -> nn.Module:
    """A strided 4×4 convolution, or a transposed one, of which an output sees `taps` inputs."""
    # a bias before a norm would be subtracted again with the mean
    layer = kind(inputs, outputs, 4, stride=2, padding=1, bias=False, **more)
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    nn.init.normal_(layer.weight, std=GAIN * taps**-0.5)
    return layer


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that keeps its inputs' scale at the start, without a bias then."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


class StridedEncoder(nn.Module):
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
            layer = convolution(nn.Conv2d, inputs, outputs, 16 * inputs)
            down += [layer, BatchNorm2d(outputs), nn.SiLU()]
        self.down = nn.Sequential(*down[:-1])
        self.beside = linear(beside, maps[-1]) if beside else None
        self.head = linear(maps[-1] * math.prod(sizes[-1]), features)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        x = self.down(x)
        if self.beside is not None and beside is not None:
            x = x + self.beside(beside.to(x.dtype))[:, :, None, None]
        code: Tensor = self.head(F.silu(x).flatten(1))
        return code


class StridedDecoder(nn.Module):
    """Codes [B, latent] -> [B,C,H,W]; no output non-linearity. The mirror image of StridedEncoder.

    shape: (C, H, W) of what comes out. width: channels of the last hidden map, doubled with each
    halving of the sides, at most 8 × width.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], width: int = 16):
        super().__init__()
        sizes = pyramid(*shape[1:])[::-1]
        maps = [*channels(width, len(sizes) - 1)[::-1], shape[0]]
        self.smallest = (maps[0], *sizes[0])
        self.head = linear(latent, math.prod(self.smallest))
        up: list[nn.Module] = [BatchNorm2d(maps[0]), nn.SiLU()]
        for inputs, outputs, (height, width_) in zip(maps[:-1], maps[1:-1], sizes[1:-1]):
            # A side of 2m + 1 pixels was halved to m: the odd pixel is asked back here.
            odd = (height % 2, width_ % 2)
            layer = convolution(nn.ConvTranspose2d, inputs, outputs, 4 * inputs, output_padding=odd)
            up += [layer, BatchNorm2d(outputs), nn.SiLU()]
        self.up = nn.Sequential(*up)
        self.image = Upsample(maps[-2], maps[-1], *sizes[-1])
        with torch.no_grad():
            self.image.convolution.weight.mul_(NEAR)

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.image(self.up(self.head(z).unflatten(1, self.smallest)))
        return image

    @torch.no_grad()
    def begin_at(self, output: Tensor) -> None:
        """Let what comes out begin about `output` [C,H,W]: its mean a channel becomes the bias."""
        bias = self.image.convolution.bias
        assert bias is not None
        bias.copy_(output.mean((1, 2)).repeat_interleave(4))  # one of each of the four phases
