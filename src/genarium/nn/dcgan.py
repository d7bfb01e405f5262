"""Generator and discriminator of DCGAN (Radford, Metz & Chintala 2016), for any image size.

The paper's rules: no pooling, strided convolutions down and up, batch norm in both networks but
not at the generator's output and the discriminator's input, no hidden dense layers, ReLU and a
last tanh in the generator, LeakyReLU(0.2) in the discriminator.

The paper has 64×64 images and a 4×4 start map. Here the sides are halved (rounding down) while
the shorter one is at least 6, so the start map's shorter side is 3 to 5: 28 -> 14 -> 7 -> 3,
64 -> 32 -> 16 -> 8 -> 4, 20 -> 10 -> 5. The generator walks the same sizes back up; where a side
was odd its transposed convolution adds one line, so every output size is exact.

    B batch · C image channels · D inputs of the generator · F channels of a map · h, w its sides
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.errors import UserError
from genarium.nn.conv import Upsample
from genarium.nn.norm import BatchNorm1d, BatchNorm2d
from genarium.nn.patches import Conv2d, ConvTranspose2d

Norm = Callable[[int], nn.Module]
"""Makes the normalization of a map with that many channels."""

WIDEST = 8
"""No map has more than 8 × width channels; four halvings from 64×64 reach it, as in the paper."""


def map_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """The (height, width) of every map from the image down to the start map.

    Raises UserError for sides under 16, where fewer than two strided layers would be left.
    """
    if min(height, width) < 16:
        raise UserError(f"{height}x{width} pixels are too few for DCGAN: give --size 16 or more")
    sizes = [(height, width)]
    while min(sizes[-1]) >= 6:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def map_channels(sizes: list[tuple[int, int]], channels: int, width: int) -> list[int]:
    """Channels of the maps of `sizes`: the image's, then width, 2·width ... at most 8·width."""
    return [channels, *(width * min(2**i, WIDEST) for i in range(len(sizes) - 1))]


def initialize(network: nn.Module) -> None:
    """The paper's start: weights N(0, 0.02), batch-norm gains N(1, 0.02), biases 0. In place."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def initialize_without_norm(network: nn.Module) -> None:
    """He's start of a network of LeakyReLU(0.2) that has no norm: weights N(0, 2/(1.04·fan-in)),
    biases 0. In place.

    The paper's 0.02 is made for layers with a norm behind them. Without, each layer shrinks what
    passes: at 32 pixels and width 16 the logits of pictures differ by 0.002 at the start and ∇D is
    as small, which is a saddle that Adam needs hundreds of steps to leave, and does not leave where
    a penalty of ∇D and augmented images pull it back.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Up(nn.Module):
    """Transposed 4×4 convolution of stride 2, norm, ReLU: [B,F,h,w] -> [B,F',2h(+1),2w(+1)]."""

    def __init__(self, inputs: int, outputs: int, odd: tuple[int, int], norm: Norm):
        super().__init__()
        self.convolution = ConvTranspose2d(
            inputs, outputs, 4, stride=2, padding=1, output_padding=odd, bias=False
        )
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.convolution(x)), inplace=True)


class Down(nn.Module):
    """4×4 convolution of stride 2, norm, LeakyReLU(0.2): [B,F,h,w] -> [B,F',⌊h/2⌋,⌊w/2⌋]."""

    def __init__(self, inputs: int, outputs: int, norm: Norm | None):
        super().__init__()
        # A bias before a norm would be subtracted again with the mean.
        self.convolution = Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=norm is None)
        self.norm = norm(outputs) if norm is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.norm(self.convolution(x)), 0.2, inplace=True)


def _dense(inputs: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """A dense layer with batch norm: [B, inputs] -> [B, outputs]."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), BatchNorm1d(outputs), activation)


class DCGANGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1).

    inputs: D, the length of the code (with whatever a condition adds to it).
    shape: (C, H, W) of the images. width: channels of the map nearest the image; each map further
    in has twice as many, at most 8 × width. norm: makes the norm of every map but the image.
    hidden: units of a dense layer between code and start map, 0 for none as in the paper; with it
    (InfoGAN has one of 1024) a code's parts can switch one another instead of adding up.
    """

    def __init__(
        self,
        inputs: int,
        shape: tuple[int, int, int],
        width: int = 64,
        norm: Norm = BatchNorm2d,
        hidden: int = 0,
    ):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = map_channels(sizes, channels, width)
        # An output side of 2h + 1 lines asks for one line of output padding.
        odds = [(h % 2, w % 2) for h, w in sizes[:-1]]
        self.inputs = inputs
        self.start = (*sizes[-1], maps[-1])
        self.hidden = _dense(inputs, hidden, nn.ReLU(inplace=True)) if hidden else nn.Identity()
        start = sizes[-1][0] * sizes[-1][1] * maps[-1]
        self.project = nn.Linear(hidden or inputs, start, bias=False)
        self.norm = norm(maps[-1])
        self.up = nn.Sequential(
            *(Up(maps[i + 1], maps[i], odds[i], norm) for i in reversed(range(1, len(odds))))
        )
        # A transposed convolution too, in the form that is fast for few channels. Its one bias a
        # channel stands apart, since that form would learn one for each of its four phases.
        self.image = Upsample(maps[1], channels, *sides)
        self.image.convolution.register_parameter("bias", None)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        # The dense layer's units are laid out channels-last, so the map needs no copy for it.
        x = self.project(self.hidden(z)).unflatten(1, self.start).permute(0, 3, 1, 2)
        x = self.up(functional.relu(self.norm(x), inplace=True))
        return torch.tanh(self.image(x) + self.bias)


class DCGANDiscriminator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B] of being real; `head(features(x))`.

    shape: (C, H, W), with whatever channels a condition adds. width: channels of the first map;
    each next one has twice as many, at most 8 × width. norm: makes the norm of every layer but
    the first; None for none (a critic under a gradient penalty must not mix the batch), with He's
    start in place of the paper's.
    hidden: units of a dense layer between the last map and the logit, 0 for none as in the paper.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 64,
        norm: Norm | None = BatchNorm2d,
        hidden: int = 0,
    ):
        super().__init__()
        channels, *sides = shape
        sizes = map_sizes(*sides)
        maps = map_channels(sizes, channels, width)
        self.down = nn.Sequential(
            *(Down(maps[i], maps[i + 1], norm if i else None) for i in range(len(maps) - 1))
        )
        flat = maps[-1] * sizes[-1][0] * sizes[-1][1]
        self.outputs = hidden or flat
        if not hidden:
            self.hidden: nn.Module = nn.Identity()
        elif norm is None:
            self.hidden = nn.Sequential(nn.Linear(flat, hidden), nn.LeakyReLU(0.2))
        else:
            self.hidden = _dense(flat, hidden, nn.LeakyReLU(0.2))
        self.score: nn.Module = nn.Linear(self.outputs, 1)
        (initialize if norm is not None else initialize_without_norm)(self)

    def features(self, images: Tensor) -> Tensor:
        """The last map, flattened, through the dense layer if there is one: [B, `outputs`]."""
        return self.hidden(self.down(images).permute(0, 2, 3, 1).flatten(1))

    def head(self, features: Tensor) -> Tensor:
        """Logits [B] of features [B, `outputs`]."""
        return self.score(features).squeeze(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
