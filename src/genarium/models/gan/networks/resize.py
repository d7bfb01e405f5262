"""Generator of resize-convolutions (Odena, Dumoulin & Olah 2016), for any image size: no
checkerboards.

A transposed convolution of stride 2 gives each of the four pixels that come of one a kernel of its
own, and what the four make of the same map differs by a pattern of period 2. Here a map is enlarged
by repeating its pixels, then convolved with one 3×3 kernel for all, which leaves no such pattern to
be unlearned. The last map has the image's size, so that edges are made there and not by a repeated
pixel. Its activation is the discriminator's LeakyReLU, which no channel dies of. The sizes and the
widths of the maps are DCGAN's (`genarium.nn.dcgan`), and so are the norms, the start values, and
the discriminator that goes with it.

    B batch · C image channels · D inputs of the generator · F channels of a map · h, w its sides
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.nn.dcgan import Norm, initialize, map_channels, map_sizes
from genarium.nn.norm import BatchNorm2d

NARROWEST, WIDEST = 16, 64
"""Least and most channels of the map nearest the image, by default."""


def default_width(height: int, width: int) -> int:
    """Channels of the map nearest the image: 64 at 16 pixels, half as many at twice the side.

    So the smaller maps have the same channels whatever the size, and the work of a step grows less
    than the pixels do: 64, 32, 16, 16, 16 at 16, 32, 64, 128, 256 pixels.
    """
    side = min(height, width)
    return min(WIDEST, max(NARROWEST, 2 ** round(10 - torch.tensor(side).log2().item())))


class ResizeUp(nn.Module):
    """Nearest neighbours, 3×3 convolution, norm, LeakyReLU(0.2): [B,F,h,w] -> [B,F',H',W']."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], norm: Norm):
        super().__init__()
        self.size = size
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(functional.interpolate(x, self.size))
        return functional.leaky_relu(self.norm(x), 0.2, inplace=True)


class ResizeGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1).

    inputs: D. shape: (C, H, W). width: channels of the map of half the image's sides; each further
    in has twice as many, at most 8 × width, and the one of the image's own sides as many.
    norm: makes the norm of every map.
    """

    def __init__(
        self, inputs: int, shape: tuple[int, int, int], width: int = 32, norm: Norm = BatchNorm2d
    ):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = [width, *map_channels(sizes, channels, width)[1:]]
        self.inputs = inputs
        self.start = (*sizes[-1], maps[-1])
        self.project = nn.Linear(inputs, sizes[-1][0] * sizes[-1][1] * maps[-1], bias=False)
        self.norm = norm(maps[-1])
        self.up = nn.Sequential(
            *(
                ResizeUp(maps[i + 1], maps[i], sizes[i], norm)
                for i in reversed(range(len(sizes) - 1))
            )
        )
        self.image = nn.Conv2d(maps[0], channels, 3, padding=1)
        initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        # The dense layer's units are laid out channels-last, so the map needs no copy for it.
        x = self.project(z).unflatten(1, self.start).permute(0, 3, 1, 2)
        x = self.up(functional.leaky_relu(self.norm(x), 0.2, inplace=True))
        return torch.tanh(self.image(x))
