"""Networks of "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image
Synthesis" (Liu, Zhu, Song & Elgammal 2021), for any image size from 16 pixels.

Generator: resize-convolutions with gated linear units, one and two of them a size in turn, and
between sizes far apart a *skip-layer excitation*: a small map's 4×4 summary gives a gate on (0, 1)
for each channel of a large one,

    y = F(x_low)·x_high,    F: average pooling to 4×4, 4×4 convolution, swish, 1×1, sigmoid

so a gradient reaches the small map past all layers in between. Discriminator: residual blocks
down to about 8×8, a logit for each 5×5 place of it, and two small decoders that must draw real
images again from its maps (`models.gan.reconstruction`): an encoder that can be decoded has to
look at the whole image, where a discriminator of few images would learn some of them by heart.

    B batch · C image channels · D inputs of the generator · F channels of a map · h, w its sides
    P logits of an image
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.nn.dcgan import initialize, map_sizes
from genarium.nn.norm import BatchNorm2d

REACH = 4
"""Halvings between a map and the smaller one that gates it: 64 by 4, 128 by 8, 256 by 16."""
WIDTHS = (16, 8, 4, 2, 2, 1)
"""Channels of the generator's maps from the start map out, in units of the width; then half."""
LAST = 8
"""Pixels of the shorter side of the discriminator's last map, at least; of images under 32 pixels
a quarter of theirs."""


def generator_channels(count: int, width: int) -> list[int]:
    """Channels of `count` maps from the start map out: 16, 8, 4, 2, 2, 1 and ½ times `width`."""
    return [max(1, int(width * (WIDTHS[i] if i < len(WIDTHS) else 0.5))) for i in range(count)]


def discriminator_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of the image and of the maps, halved while the shorter side keeps `LAST` pixels."""
    sizes = map_sizes(height, width)[:1]
    last = min(LAST, min(height, width) // 4)
    while min(sizes[-1]) >= 2 * last:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def gated(x: Tensor) -> Tensor:
    """a·σ(b) of the halves a, b of the channels: [B,2F,h,w] -> [B,F,h,w].

    Along the last axis of channels-last memory: across channels the gradient comes out in another
    order of memory than the map, and the batch norm before it takes eight times as long on a CPU.
    """
    return functional.glu(x.permute(0, 2, 3, 1), 3).permute(0, 3, 1, 2)


class Gated(nn.Module):
    """3×3 convolution, batch norm, gated linear unit: [B,F,h,w] -> [B,F',h,w].

    a, b = norm(convolution(x)), each of F' channels;  y = a·σ(b).
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
        self.norm = BatchNorm2d(2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        return gated(self.norm(self.convolution(x)))


class GatedUp(nn.Module):
    """Nearest neighbours, then `layers` of `Gated`: [B,F,h,w] -> [B,F',H',W']."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], layers: int = 1):
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(
            *(Gated(outputs if i else inputs, outputs) for i in range(layers))
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(functional.interpolate(x, self.size))
        return result


class SkipExcitation(nn.Module):
    """Gates the channels of a large map by a small one: x_low [B,F,h,w], x_high [B,F',H',W']."""

    def __init__(self, low: int, high: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(low, high, 4),
            nn.SiLU(),
            nn.Conv2d(high, high, 1),
            nn.Sigmoid(),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        result: Tensor = high * self.gate(low)
        return result


class SkipExcitationGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1).

    inputs: D. shape: (C, H, W). width: channels of the map of 128 pixels; `WIDTHS` has the others.
    """

    def __init__(self, inputs: int, shape: tuple[int, int, int], width: int = 16):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)[::-1]  # from the start map out
        maps = generator_channels(len(sizes), width)
        self.inputs, self.start = inputs, (*sizes[0], 2 * maps[0])
        self.project = nn.Linear(inputs, sizes[0][0] * sizes[0][1] * 2 * maps[0], bias=False)
        self.norm = BatchNorm2d(2 * maps[0])
        self.up = nn.ModuleList(
            GatedUp(few, many, size, layers=1 + i % 2)
            for i, ((few, many), size) in enumerate(zip(pairwise(maps), sizes[1:]), start=1)
        )
        # under 64 pixels there is no map that far in: the start map gates the last
        self.reach = min(REACH, len(maps) - 1)
        self.excite = nn.ModuleList(
            SkipExcitation(maps[i], maps[i + self.reach]) for i in range(len(maps) - self.reach)
        )
        self.image = nn.Conv2d(maps[-1], channels, 3, padding=1)
        initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).unflatten(1, self.start).permute(0, 3, 1, 2)
        maps = [gated(self.norm(x))]
        for number, up in enumerate(self.up, start=1):
            x = up(maps[-1])
            if number >= self.reach:
                x = self.excite[number - self.reach](maps[number - self.reach], x)
            maps.append(x)
        return torch.tanh(self.image(maps[-1]))


class ResidualDown(nn.Module):
    """Half the sides, the mean of two branches: [B,F,h,w] -> [B,F',⌊h/2⌋,⌊w/2⌋].

    4×4 convolution of stride 2, norm, LeakyReLU, 3×3 convolution, norm, LeakyReLU; and average
    pooling, 1×1 convolution, norm, LeakyReLU. The slope of LeakyReLU is 0.2.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
            BatchNorm2d(outputs),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            BatchNorm2d(outputs),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            BatchNorm2d(outputs),
            nn.LeakyReLU(0.2, inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = (self.main(x) + self.direct(x)) / 2
        return result


class Decoder(nn.Module):
    """A map [B,F,h,w] -> an image [B,C,H',W'] on (-1, 1), by resize-convolutions.

    size: (H', W'). The sides double up to it; the first map has an eighth of the channels, each
    further one half as many again.
    """

    def __init__(self, inputs: int, channels: int, start: tuple[int, int], size: tuple[int, int]):
        super().__init__()
        sizes = [size]
        while min(sizes[-1]) > min(start):
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        maps = [inputs, max(4, inputs // 8)]
        while len(maps) < len(sizes):
            maps.append(max(4, maps[-1] // 2))
        sizes = sizes[-2::-1] or [size]
        self.layers = nn.Sequential(
            *(GatedUp(few, many, size) for (few, many), size in zip(pairwise(maps), sizes)),
            nn.Conv2d(maps[-1], channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class SkipExcitationDiscriminator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B,P]; `head(features(x))`.

    shape: (C, H, W). width: channels of the map of 64 pixels, 8 times as many at 8. Features are
    the last map and the one before, both flattened, for `decoded` reads both.
    """

    judges_parts = True

    def __init__(self, shape: tuple[int, int, int], width: int = 16):
        super().__init__()
        channels, *sides = shape
        sizes = discriminator_sizes(*sides)
        count = len(sizes) - 1
        maps = [max(4, int(width * 2.0 ** (3 - i))) for i in reversed(range(count))]
        # the first layer sees the image itself and has no norm
        self.stem = nn.Sequential(
            nn.Conv2d(channels, maps[0], 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.down = nn.ModuleList(ResidualDown(few, many) for few, many in pairwise(maps))
        self.shapes = ((maps[-1], *sizes[-1]), (maps[-2], *sizes[-2]))
        self.split = [f * h * w for f, h, w in self.shapes]
        self.outputs = sum(self.split)
        self.score = nn.Sequential(
            nn.Conv2d(maps[-1], maps[-1] // 2, 1, bias=False),
            BatchNorm2d(maps[-1] // 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(maps[-1] // 2, 1, 4, bias=False),
        )
        self.decoded_size = (sides[0] // 2, sides[1] // 2)
        self.decoders = nn.ModuleList(
            Decoder(few, channels, sizes[-1], self.decoded_size) for few in (maps[-1], maps[-2])
        )
        initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """The last map and the one before, [B, `outputs`]."""
        maps = [self.stem(images)]
        for block in self.down:
            maps.append(block(maps[-1]))
        return torch.cat([maps[-1].flatten(1), maps[-2].flatten(1)], 1)

    def maps(self, features: Tensor) -> list[Tensor]:
        """The two maps, [B,F,h,w] each, of features."""
        parts = features.split(self.split, 1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes)]

    def head(self, features: Tensor) -> Tensor:
        """Logits [B,P] of features [B, `outputs`]: one for each 4×4 pixels of the last map."""
        result: Tensor = self.score(self.maps(features)[0]).flatten(1)
        return result

    def decoded(self, features: Tensor, quarter: int) -> tuple[Tensor, Tensor]:
        """The image at half its sides, from the last map; and at its own scale one quarter of it
        (0: top left, 1: top right, 2, 3: below), from that quarter of the map before."""
        last, before = self.maps(features)
        return self.decoders[0](last), self.decoders[1](corner(before, last.shape[2:], quarter))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def corner(x: Tensor, size: tuple[int, ...], quarter: int) -> Tensor:
    """The h×w pixels of x [B,F,H',W'] in its top left corner, top right, bottom left or right."""
    height, width = size
    rows = slice(-height, None) if quarter >= 2 else slice(height)
    columns = slice(-width, None) if quarter % 2 else slice(width)
    return x[:, :, rows, columns]
