"""Residual generator and critic (Gulrajani et al. 2017, appendix F), for any image size.

Blocks of two 3×3 convolutions around a change of size: nearest-neighbour up in the generator,
average pooling down in the critic; the shortcut changes the size alike. More steps between code
and image than DCGAN and no strided kernels, so it is the choice from 64 pixels up. The sizes and
the widths of the maps are DCGAN's (`genarium.nn.dcgan`).

    B batch · C image channels · D inputs of the generator · F channels of a map · h, w its sides
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.nn.dcgan import Norm, map_channels, map_sizes
from genarium.nn.norm import BatchNorm2d


def _initialize(network: nn.Module) -> None:
    """He's start values for weights, zero for biases. In place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class UpBlock(nn.Module):
    """[B,F,h,w] -> [B,F',H',W'], by norm-ReLU-resize-convolution, norm-ReLU-convolution."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], norm: Norm):
        super().__init__()
        self.size = size
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        # No biases: the norm behind the last block would subtract them again with the mean.
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(x))
        y = self.first(functional.interpolate(y, self.size))
        y = self.second(functional.relu(self.norm2(y)))
        # A 1×1 convolution and a resize commute: first on the smaller map.
        return y + functional.interpolate(self.shortcut(x), self.size)


class DownBlock(nn.Module):
    """[B,F,h,w] -> [B,F',h',w'], by ReLU-convolution-ReLU-convolution-average pooling."""

    def __init__(
        self, inputs: int, outputs: int, size: tuple[int, int], norm: Norm | None, first: bool
    ):
        super().__init__()
        self.size, self.is_first = size, first
        self.norm1 = norm(inputs) if norm and not first else nn.Identity()
        self.norm2 = norm(outputs) if norm else nn.Identity()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm is None)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        # The image itself is not rectified.
        y = x if self.is_first else functional.relu(self.norm1(x))
        y = self.second(functional.relu(self.norm2(self.first(y))))
        shortcut = self.shortcut(functional.adaptive_avg_pool2d(x, self.size))
        return functional.adaptive_avg_pool2d(y, self.size) + shortcut


class ResidualGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1).

    inputs: D. shape: (C, H, W). width: channels of the map nearest the image; each further in has
    twice as many, at most 8 × width. norm: makes the norm of every map.
    """

    def __init__(
        self, inputs: int, shape: tuple[int, int, int], width: int = 64, norm: Norm = BatchNorm2d
    ):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = map_channels(sizes, channels, width)
        self.inputs = inputs
        self.start = (maps[-1], *sizes[-1])
        self.project = nn.Linear(inputs, maps[-1] * sizes[-1][0] * sizes[-1][1])
        self.up = nn.Sequential(
            *(
                UpBlock(maps[i + 1], maps[max(i, 1)], sizes[i], norm)
                for i in reversed(range(len(sizes) - 1))
            )
        )
        self.norm = norm(maps[1])
        self.image = nn.Conv2d(maps[1], channels, 3, padding=1)
        _initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        x = self.up(self.project(z).unflatten(1, self.start))
        return torch.tanh(self.image(functional.relu(self.norm(x))))


class ResidualDiscriminator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B]; `head(features(x))`.

    shape: (C, H, W), with whatever channels a condition adds. width: channels of the first map;
    each next one has twice as many, at most 8 × width. norm: None (the default, as a gradient
    penalty needs it) or what makes the norms. `outputs`: features of an image, the last map
    rectified and averaged over its pixels.
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 64, norm: Norm | None = None):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = map_channels(sizes, channels, width)
        self.down = nn.Sequential(
            *(
                DownBlock(maps[i], maps[i + 1], sizes[i + 1], norm, i == 0)
                for i in range(len(maps) - 1)
            )
        )
        self.outputs = maps[-1]
        self.score: nn.Module = nn.Linear(self.outputs, 1)
        _initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """The last map, averaged over its pixels: [B, `outputs`]."""
        return functional.relu(self.down(images)).mean((2, 3))

    def head(self, features: Tensor) -> Tensor:
        """Logits [B] of features [B, `outputs`]."""
        return self.score(features).squeeze(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
