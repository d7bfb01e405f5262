"""Convolutional networks between images and codes: one pair for autoencoders and VAEs alike.

Strided 4×4 convolutions halve the sides until the smaller one is below 2·`SMALLEST`, then dense
layers take over; the decoder is the mirror image and gives back every size exactly, odd ones too.
No normalisation over the batch: an image's code and likelihood never depend on its neighbours.

Shapes: B batch · C channels · H, W pixels · h, w sides of the smallest map
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from genarium.errors import UserError
from genarium.nn.mlp import dense, joined

SMALLEST = 4
"""The smallest map keeps at least this many pixels a side."""


def pyramid(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes (H, W) of the maps, from the image's down: [(28, 28), (14, 14), (7, 7)]."""
    if min(height, width) < 2 * SMALLEST:
        raise UserError(
            f"--size: a convolutional network needs images of at least {2 * SMALLEST} pixels "
            f"a side, these are {height}x{width}: ask for a larger --size or for --net dense"
        )
    sizes = [(height, width)]
    while min(sizes[-1]) >= 2 * SMALLEST:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def channels(width: int, levels: int) -> list[int]:
    """Channels of the strided maps, doubling from `width` up to 8·width."""
    return [width * min(2**i, 8) for i in range(levels)]


def he(layer: nn.Module, taps: int) -> None:
    """He's initialisation, with the number of inputs that one output really sees."""
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    nn.init.normal_(layer.weight, std=(2.0 / taps) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class Upsample(nn.Module):
    """Strided 4×4 transposed convolution that doubles the sides, as a convolution and a shuffle.

    Output pixel 2i + a (a = 0, 1) of such a layer is a 2×2 filter on the input pixels i − 1 + a and
    i + a, one filter a phase. So a padded 2×2 convolution with 4 outputs, its phases interleaved
    and the rim cut off, is the same map. For the last layer, with its one or three channels, that
    is some three times faster on a CPU; between wide maps the transposed convolution is.

    [B, inputs, h, w] -> [B, outputs, height, width] with height in {2h, 2h + 1}, width alike.
    """

    def __init__(self, inputs: int, outputs: int, height: int, width: int):
        super().__init__()
        self.size = (height, width)
        self.convolution = nn.Conv2d(inputs, 4 * outputs, 2, padding=1)
        he(self.convolution, inputs * 4)

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.size
        x = F.pixel_shuffle(self.convolution(x), 2)
        return x[:, :, 1 : 1 + height, 1 : 1 + width]


class ConvEncoder(nn.Module):
    """Images [B,C,H,W] -> `features` numbers each, [B, features].

    shape: (C, H, W), at least 8 pixels a side. width: channels of the first map, doubled with
    each halving of the sides. hidden: units of the dense layers between the maps and the output.
    beside: further numbers [B, beside] of each image (its label) that join the smallest map.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        width: int = 32,
        hidden: Sequence[int] = (256, 256),
        beside: int = 0,
    ):
        super().__init__()
        sizes = pyramid(*shape[1:])
        maps = [shape[0], *channels(width, len(sizes) - 1)]
        convolutions: list[nn.Module] = []
        for inputs, outputs in pairwise(maps):
            layer = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            he(layer, inputs * 16)
            convolutions += [layer, nn.ReLU()]
        self.convolutions = nn.Sequential(*convolutions)
        flat = maps[-1] * sizes[-1][0] * sizes[-1][1]
        self.head = dense((flat + beside, *hidden, features))

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        return self.head(joined(self.convolutions(x).flatten(1), beside))


class ConvDecoder(nn.Module):
    """Codes [B, latent] -> [B,C,H,W]; no output non-linearity. The mirror image of ConvEncoder.

    shape: (C, H, W) of what comes out, at least 8 pixels a side. width: channels of the last
    hidden map, doubled with each halving of the sides. hidden: units of the dense layers between
    the code and the maps; with several of them the decoder can fold the Gaussian prior into
    separate kinds of image, which makes the codes between two kinds rarer.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        width: int = 32,
        hidden: Sequence[int] = (256, 256),
    ):
        super().__init__()
        sizes = pyramid(*shape[1:])[::-1]
        maps = [*channels(width, len(sizes) - 1)[::-1], shape[0]]
        self.smallest = (maps[0], *sizes[0])
        flat = maps[0] * sizes[0][0] * sizes[0][1]
        self.head = dense((latent, *hidden, flat))
        convolutions: list[nn.Module] = []
        for inputs, outputs, (height, width_) in zip(maps[:-1], maps[1:-1], sizes[1:-1]):
            # A side of 2m + 1 pixels was halved to m: the odd pixel is asked back here.
            odd = (height % 2, width_ % 2)
            layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, output_padding=odd)
            he(layer, inputs * 4)
            convolutions += [layer, nn.ReLU()]
        convolutions.append(Upsample(maps[-2], maps[-1], *sizes[-1]))
        self.convolutions = nn.Sequential(*convolutions)

    def forward(self, z: Tensor) -> Tensor:
        return self.convolutions(F.relu(self.head(z)).unflatten(1, self.smallest))
