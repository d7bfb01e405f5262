"""Networks that bring a condition into every map and read small forms fast, for any image size.

Generator: a linear layer's start map and DCGAN's transposed convolutions, up to a map of the
image's own size, with one 3×3 convolution of stride 1 on every map. Behind each norm the condition
chooses for each channel a gain and an offset (FiLM; Perez et al. 2018), as the deep-fusion blocks
of DF-GAN do with a text (Tao et al. 2022), and how the offset rises across and down the map, for
convolutions by themselves are slow to learn places (Liu et al. 2018, CoordConv).

Discriminator: 3×3 convolutions and 2×2 maximum pooling (Simonyan & Zisserman 2015), for a strided
convolution learns slowly what a form is, whatever its place.

The sizes and the widths of the smaller maps are DCGAN's (`genarium.nn.dcgan`).

    B batch · C image channels · D inputs of the generator · F channels of a map · h, w its sides
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.nn.dcgan import Norm, initialize, map_channels, map_sizes
from genarium.nn.norm import BatchNorm2d
from genarium.nn.patches import ConvTranspose2d

CONTEXT = 128
"""Numbers of the hidden layer from which every gain and offset is read."""


def _maps(shape: tuple[int, int, int], width: int) -> list[int]:
    """Channels of the maps from the image's own size down: half of `width`, then DCGAN's."""
    return [max(1, width // 2), *map_channels(map_sizes(*shape[1:]), shape[0], width)[1:]]


def places(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Where the pixels' centres lie across and down, uniform with mean 0 and variance 1 but for the
    rounding: [width] and [height,1], of the type and on the device of `like`."""

    def along(n: int) -> Tensor:
        steps = torch.arange(n, device=like.device, dtype=torch.float32)
        return (3**0.5 * ((2 * steps + 1) / n - 1)).to(like)

    return along(width), along(height)[:, None]


class Modulated(nn.Module):
    """ReLU((1 + γ)·norm(x) + β + β_x·u + β_y·v): [B,F,h,w], [B,CONTEXT] -> as x.

    γ, β, β_x and β_y of each channel are linear in the context, u and v are the `places` of the
    map's pixels. An offset that rises along a direction is 0 on a line, wherever the condition puts
    it: a channel can draw a straight edge by itself. All start near 0, where the layer is the norm
    and the ReLU alone.
    """

    def __init__(self, channels: int, norm: Norm):
        super().__init__()
        self.norm = norm(channels)
        self.choose = nn.Linear(CONTEXT, 4 * channels)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        gain, offset, across, down = self.choose(context)[:, :, None, None].chunk(4, 1)
        height, width = x.shape[2:]
        u, v = places(height, width, offset)
        offset = offset + across * u + down * v
        return functional.relu(torch.addcmul(offset, self.norm(x), 1 + gain), inplace=True)


class FusionMap(nn.Module):
    """The context, a 3×3 convolution, and the context again: [B,F,h,w], [B,CONTEXT] -> as x."""

    def __init__(self, channels: int, norm: Norm):
        super().__init__()
        self.before = Modulated(channels, norm)
        self.same = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.after = Modulated(channels, norm)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.after(self.same(self.before(x, context)), context)


class FusionStage(nn.Module):
    """DCGAN's step up to a map twice the sides (or 2h + 1), and that map."""

    def __init__(self, inputs: int, outputs: int, odd: tuple[int, int], norm: Norm):
        super().__init__()
        self.up = ConvTranspose2d(
            inputs, outputs, 4, stride=2, padding=1, output_padding=odd, bias=False
        )
        self.larger = FusionMap(outputs, norm)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.larger(self.up(x), context)


class FusionGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1); the code goes into every map.

    inputs: D. shape: (C, H, W). width: channels of the map of half the image's sides; each further
    in has twice as many, at most 8 × width, and the last, of the image's own size, has half as
    many. norm: makes the norm of every map but the image.
    """

    def __init__(
        self, inputs: int, shape: tuple[int, int, int], width: int = 64, norm: Norm = BatchNorm2d
    ):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = _maps(shape, width)
        odds = [(h % 2, w % 2) for h, w in sizes[:-1]]
        self.inputs = inputs
        self.start = (maps[-1], *sizes[-1])
        self.told = nn.Sequential(  # a name in checkpoints: it stays
            nn.Linear(inputs, CONTEXT),
            nn.LeakyReLU(0.2),
            nn.Linear(CONTEXT, CONTEXT),
            nn.LeakyReLU(0.2),
        )
        self.project = nn.Linear(inputs, maps[-1] * sizes[-1][0] * sizes[-1][1], bias=False)
        self.first = FusionMap(maps[-1], norm)
        self.stages = nn.ModuleList(
            FusionStage(maps[i + 1], maps[i], odds[i], norm) for i in reversed(range(len(odds)))
        )
        self.image = nn.Conv2d(maps[0], channels, 3, padding=1)
        initialize(self)
        for layer in self.told:  # as in other networks: through two of DCGAN's little would pass
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()

    def forward(self, z: Tensor) -> Tensor:
        context = self.told(z)
        x = self.first(self.project(z).unflatten(1, self.start), context)
        for stage in self.stages:
            x = stage(x, context)
        return torch.tanh(self.image(x))


class PooledDiscriminator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B]; `head(features(x))`.

    A 3×3 convolution on the image, two on every map between, one on the last, each with norm (but
    the first) and LeakyReLU(0.2), with 2×2 maximum pooling between the sizes.

    shape: (C, H, W). width: channels of the map of half the image's sides; each further one has
    twice as many, at most 8 × width, and the first, of the image's own size, has half as many.
    norm: makes the norms, None for none (as a penalty of an image's gradient needs it).
    `outputs`: the last map, flattened channels-last, as DCGAN's discriminator has it.
    """

    def __init__(
        self, shape: tuple[int, int, int], width: int = 64, norm: Norm | None = BatchNorm2d
    ):
        super().__init__()
        sizes = map_sizes(*shape[1:])
        maps = _maps(shape, width)
        layers: list[nn.Module] = []

        def layer(inputs: int, outputs: int, made: Norm | None) -> None:
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=made is None))
            layers.extend([made(outputs)] if made is not None else [])
            layers.append(nn.LeakyReLU(0.2, inplace=True))

        layer(shape[0], maps[0], None)
        for i in range(1, len(maps)):
            layers.append(nn.MaxPool2d(2))
            layer(maps[i - 1], maps[i], norm)
            if i < len(maps) - 1:
                layer(maps[i], maps[i], norm)
        self.maps = nn.Sequential(*layers)
        self.outputs = sizes[-1][0] * sizes[-1][1] * maps[-1]
        self.score: nn.Module = nn.Linear(self.outputs, 1)

    def features(self, images: Tensor) -> Tensor:
        """The last map, flattened channels-last: [B, `outputs`]."""
        return self.maps(images).permute(0, 2, 3, 1).flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Logits [B] of features [B, `outputs`]."""
        return self.score(features).squeeze(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
