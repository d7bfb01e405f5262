"""The U-Net of pix2pix (Isola, Zhu, Zhou & Efros 2017, appendix 6.1): image to image with skips.

Strided 4×4 convolutions halve the sides `depth` times, transposed ones double them again, and each
map of the way up is joined by the map of its size from the way down, so that what input and output
share (edges, places) need not pass the bottleneck. Encoder C64-C128-C256-C512-C512-..., a decoder
that mirrors it, LeakyReLU(0.2) down and ReLU up, weights N(0, 0.02).

The generator's only noise is dropout in the first three layers of the decoder. Its numbers come
from outside, so a translation can be repeated, and the caller decides whether there are any.

    B batch · C channels · H, W sides of the image · F channels of a map · h, w its sides
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.errors import UserError
from genarium.nn.conv import Upsample
from genarium.nn.dcgan import initialize
from genarium.nn.norm import NormName, norm_of
from genarium.nn.patches import Conv2d, ConvTranspose2d

Draw = Callable[..., Tensor]
"""draw(F, h, w) gives uniform numbers on [0, 1), [B,F,h,w]: `Noise.uniform`, for one."""

DEEPEST = 8  # halvings of a 256-pixel image down to one pixel, as in the paper
SHALLOWEST = 3
WIDEST = 8  # no map has more than 8 × width channels
DROPPED = 3  # layers of the decoder with dropout
KEEP = 0.5


def depth_for(height: int, width: int, depth: int = 0) -> int:
    """How often the sides are halved; 0: as often as both sides allow, at most 8 times.

    Raises UserError where a side is no multiple of 2^depth, or of 8 where the depth is free.
    """
    if depth and not 2 <= depth <= 10:
        raise UserError(f"--depth {depth}: a U-Net halves the sides 2 to 10 times, or 0 for all")
    step = 2 ** (depth or SHALLOWEST)
    if height % step or width % step:
        low = [max(1, side // step) * step for side in (height, width)]
        high = [-(-side // step) * step for side in (height, width)]
        below, above = (str(a) if a == b else f"{a}x{b}" for a, b in (low, high))
        choice = f"--size {above}" if above == below else f"--size {below} or {above}"
        raise UserError(
            f"--size {height}x{width}: a U-Net that halves the sides {depth or SHALLOWEST} times "
            f"needs multiples of {step}: give {choice}"
        )
    if depth:
        return depth
    result = SHALLOWEST
    while result < DEEPEST and not (height % 2 ** (result + 1) or width % 2 ** (result + 1)):
        result += 1
    return result


class UNet(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> images [B,C',H,W] on (-1, 1).

    inputs, outputs: channels C and C'. sides: (H, W), multiples of 2^depth. width: channels of the
    first map; each next has twice as many, at most 8 × width. depth: see `depth_for`. norm: of all
    maps but the first and the bottleneck, whose single pixel it would set to 0. skips: whether the
    maps of the way down join those of the way up.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        sides: tuple[int, int],
        width: int = 64,
        depth: int = 0,
        norm: NormName = "instance",
        skips: bool = True,
    ):
        super().__init__()
        depth = depth_for(*sides, depth)
        maps = [width * min(2**i, WIDEST) for i in range(depth)]
        self.skips = skips
        # A bias before a norm would be subtracted again with the mean.
        normed = [0 < i < depth - 1 for i in range(depth)]
        self.down = nn.ModuleList(
            Conv2d(before, after, 4, stride=2, padding=1, bias=not with_norm)
            for before, after, with_norm in zip([inputs, *maps], maps, normed)
        )
        self.down_norms = nn.ModuleList(
            norm_of(norm, channels) if with_norm else nn.Identity()
            for channels, with_norm in zip(maps, normed)
        )
        joined = [(1 + skips) * channels for channels in maps[:-1]] + [maps[-1]]
        self.up = nn.ModuleList(
            ConvTranspose2d(joined[i], maps[i - 1], 4, stride=2, padding=1, bias=False)
            for i in reversed(range(1, depth))
        )
        self.up_norms = nn.ModuleList(norm_of(norm, maps[i - 1]) for i in reversed(range(1, depth)))
        self.image = Upsample(joined[0], outputs, *sides)
        initialize(self)

    def forward(self, x: Tensor, draw: Draw | None = None) -> Tensor:
        """draw: where the dropout's numbers come from; None drops nothing."""
        ways: list[Tensor] = []
        for i, (convolution, norm) in enumerate(zip(self.down, self.down_norms)):
            x = norm(convolution(functional.leaky_relu(x, 0.2) if i else x))
            ways.append(x)
        ways.pop()
        for i, (convolution, norm) in enumerate(zip(self.up, self.up_norms)):
            x = norm(convolution(functional.relu(x)))
            if i < DROPPED and draw is not None:
                x = x * ((draw(*x.shape[1:]) < KEEP) / KEEP).to(x.dtype)
            way = ways.pop()
            x = torch.cat([x, way], 1) if self.skips else x
        return torch.tanh(self.image(functional.relu(x)))
