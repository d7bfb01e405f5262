"""The U-Net of diffusion models (Ho, Jain & Abbeel 2020; Dhariwal & Nichol 2021), sized for a CPU.

Residual blocks on maps whose sides are halved level by level; on the way up each block also sees
the map of its size from the way down. The time, and what the model is conditioned on, scale and
shift the channels of every block. Attention only on the smallest map, where it is cheap and sees
the whole image. The last layer of every block, and of the network, begins at 0.

Large maps cost most and learn least (Hoogeboom et al. 2023): images are cut into `patch`×`patch`
pixels, which become channels, before the first convolution, and the largest map has one block each
way. Maps are enlarged by repeating pixels; the block behind sees the map of that size from the way
down. Pixels of one block know each other, but those of two only by the maps, so a grid of blocks
shows in samples; two convolutions on whole pixels behind the last map can mend that (`refine`).

    B batch · C channels · H, W pixels · h, w sides of a map · F its channels · E of the embedding
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.models.diffusion.networks.embedding import FASTEST, Embedding, Pixels, attend, zero
from genarium.models.diffusion.networks.norm import norm, wide

LARGE = 8
"""Maps are halved until their smaller side is at most this, but never below half of it."""

MOST_LEVELS = 4
WHOLE = 48
"""Pixels a side up to which the largest map is as large as the image."""

REFINED = 16
"""Channels of the refinement, where the largest map is smaller than the image."""

WIDEST = 4  # no map has more than 4 × width channels


def levels_of(height: int, width: int) -> int:
    """How many sizes of maps there are: 28 -> 14 -> 7 are three, 8 -> 4 two."""
    levels, side = 1, min(height, width)
    while levels < MOST_LEVELS and side >= LARGE and (side > LARGE or levels == 1):
        side, levels = side // 2, levels + 1
    return levels


def patch_for(height: int, width: int) -> int:
    """The side of the pixels that become channels: 1 up to 48 pixels, 2 up to 96, then 4."""
    side = max(height, width)
    return 1 if side <= WHOLE else 2 if side <= 96 else 4


class Block(nn.Module):
    """x + conv(silu(norm(conv(silu(norm x)))·(1 + scale) + shift)), [B,F,h,w] -> [B,F',h,w]."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.norm_in = norm(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm_out = norm(outputs)
        self.second = zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        h = self.first(functional.silu(self.norm_in(x)))
        h = self.norm_out(h, *self.modulation(embedded).chunk(2, 1))
        result: Tensor = self.skip(x) + self.second(functional.silu(h))
        return result


class Attention(nn.Module):
    """Every place of a map looks at all of them (Vaswani et al. 2017), [B,F,h,w] -> [B,F,h,w]."""

    def __init__(self, channels: int, head: int = 32):
        super().__init__()
        self.heads = max(1, channels // head)
        while channels % self.heads:
            self.heads -= 1
        self.norm = norm(channels)
        self.look = nn.Linear(channels, 3 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, h, w = x.shape
        places = self.norm(x).flatten(2).transpose(1, 2)  # [B, h·w, F]
        heads = self.look(places).view(batch, h * w, 3, self.heads, -1)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        seen = attend(q, k, v).transpose(1, 2).reshape(batch, h * w, channels)
        return x + self.out(seen).transpose(1, 2).reshape(batch, channels, h, w)


class Refinement(nn.Module):
    """Images x [B,C,H,W] that a network made of `given` [B,C,H,W], drawn over pixel by pixel:

        x + conv(silu(conv[given, x]·(1 + scale) + shift))

    channels: C. features: of the map between. scale and shift are of the time and the condition.
    """

    def __init__(self, channels: int, features: int, embedding: int):
        super().__init__()
        self.first = nn.Conv2d(2 * channels, features, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * features)
        self.second = zero(nn.Conv2d(features, channels, 3, padding=1))

    def forward(self, given: Tensor, x: Tensor, embedded: Tensor) -> Tensor:
        h = self.first(torch.cat([given.to(x.dtype), x], 1))
        scale, shift = (wide(v, h) for v in self.modulation(embedded).chunk(2, 1))
        h = h * (1 + scale) + shift
        result: Tensor = x + self.second(functional.silu(h))
        return result


class UNet(nn.Module):
    """Noised images [B,C,H,W], times [B,N] and conditions [B,S] -> [B,C,H,W].

    width: channels of the largest map; each next has twice as many, at most 4 × width. blocks: on
    each way of the levels below the first, which has one. patch: see above; 0 chooses by the size.
    times: N. condition: S. fourier: see `embedding.Pixels`. refine: features of a `Refinement`; 0:
    none. fastest: see `Embedding`. Sides that do not divide are continued by their last pixels, and
    cut.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        blocks: int = 1,
        patch: int = 0,
        *,
        times: int = 1,
        condition: int = 0,
        fastest: float = FASTEST,
        fourier: bool = False,
        refine: int = 0,
    ):
        super().__init__()
        channels, height, wide = shape
        self.pixels = Pixels(channels, fourier)
        self.patch = patch or patch_for(height, wide)
        across = [-(-side // self.patch) for side in (height, wide)]
        levels = levels_of(*across)
        self.multiple = self.patch * 2 ** (levels - 1)
        size = 4 * width
        self.embedding = Embedding(size, times, condition, fastest)
        maps = [width * min(2**i, WIDEST) for i in range(levels)]
        self.first = nn.Conv2d(self.pixels.channels * self.patch**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now = width
        for level, outputs in enumerate(maps):
            if level:
                self.down.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
            for _ in range(blocks if level else 1):
                self.down.append(Block(now, outputs, size))
                now = outputs
        self.middle = nn.ModuleList([Block(now, now, size), Attention(now), Block(now, now, size)])
        for level, outputs in reversed(list(enumerate(maps))):
            for _ in range(blocks if level else 1):
                self.up.append(Block(now + outputs, outputs, size))
                now = outputs
            if level:
                self.up.append(nn.Upsample(scale_factor=2.0, mode="nearest"))
        self.norm = norm(now)
        self.last = zero(nn.Conv2d(now, channels * self.patch**2, 3, padding=1))
        self.refinement = Refinement(channels, refine, size) if refine else None

    def forward(self, x: Tensor, times: Tensor, y: Tensor | None = None) -> Tensor:
        embedded = functional.silu(self.embedding(times, y))
        height, width = x.shape[2:]
        given, x = x, padded(self.pixels(x), self.multiple)
        x = self.first(functional.pixel_unshuffle(x, self.patch) if self.patch > 1 else x)
        ways: list[Tensor] = []
        for layer in self.down:
            if isinstance(layer, Block):
                ways.append(x := layer(x, embedded))
            else:
                x = layer(x)
        for layer in self.middle:
            x = layer(x, embedded) if isinstance(layer, Block) else layer(x)
        for layer in self.up:
            if isinstance(layer, Block):
                x = layer(torch.cat([x, ways.pop()], 1), embedded)
            else:
                x = layer(x)
        x = self.last(functional.silu(self.norm(x)))
        x = functional.pixel_shuffle(x, self.patch) if self.patch > 1 else x
        x = x[:, :, :height, :width]
        return x if self.refinement is None else self.refinement(given, x, embedded)


def padded(x: Tensor, multiple: int) -> Tensor:
    """Maps [B,C,H,W] whose sides are continued to multiples by their last row and column."""
    height, width = (-side % multiple for side in x.shape[2:])
    if not height and not width:
        return x
    return functional.pad(x, (0, width, 0, height), mode="replicate")
