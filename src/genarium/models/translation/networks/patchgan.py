"""PatchGAN: a discriminator that judges every patch of an image by itself (Isola et al. 2017).

A convolutional network whose output is a map of logits, each of which sees a square patch. n
strided 4×4 convolutions and two of stride 1 give a receptive field of

    r(n) = 9·2ⁿ − 2        16, 34, 70, 142, 286 pixels for n = 1 .. 5

and 1×1 convolutions one of a single pixel. Small patches ask for texture alone, those that cover
the image for its composition too. The paper's choice is 70.

    B batch · C channels (of both images, where it sees a pair) · h, w the patches
"""

from __future__ import annotations

from torch import Tensor, nn

from genarium.errors import UserError
from genarium.nn.dcgan import initialize
from genarium.nn.norm import NormName, norm_of
from genarium.nn.patches import Conv2d

PATCHES = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
"""Receptive field in pixels -> strided layers."""

WIDEST = 8


def least_side(patch: int) -> int:
    """The smallest side that a patch size takes: 2×2 pixels are left for the last norm then."""
    return 3 * 2 ** PATCHES[patch] if patch > 1 else 2


class PatchGAN(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B,1,h,w], one for each patch of `patch` pixels a side.

    shape: (C, H, W) of what it sees. patch: one of `PATCHES`. width: channels of the first map;
    each next has twice as many, at most 8 × width. norm: of all maps but the first.
    Raises UserError for another patch, or an image too small to hold a single logit of it.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: int = 70,
        width: int = 64,
        norm: NormName = "instance",
    ):
        super().__init__()
        if patch not in PATCHES:
            known = ", ".join(map(str, PATCHES))
            raise UserError(f"--patch {patch}: the receptive field is one of {known} pixels")
        channels, *sides = shape
        least = least_side(patch)
        if min(sides) < least:
            fitting = [size for size in PATCHES if least_side(size) <= min(sides)]
            smaller = f"--patch {max(fitting)} or " if fitting else ""
            raise UserError(
                f"--patch {patch}: it needs images of {least} pixels a side, these have "
                f"{sides[0]}x{sides[1]}: give {smaller}a larger --size"
            )
        strided = PATCHES[patch]
        layers: list[nn.Module] = []
        before = channels
        if patch == 1:
            plan = [(width, 1, 1), (2 * width, 1, 1)]
        else:
            plan = [(width * min(2**i, WIDEST), 4, 2) for i in range(strided)]
            plan.append((width * min(2**strided, WIDEST), 4, 1))
        for number, (after, kernel, stride) in enumerate(plan):
            padding = 1 if kernel == 4 else 0
            # A bias before a norm would be subtracted again with the mean.
            layers.append(Conv2d(before, after, kernel, stride, padding, bias=number == 0))
            if number:
                layers.append(norm_of(norm, after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            before = after
        layers.append(Conv2d(before, 1, plan[0][1], 1, 1 if patch > 1 else 0))
        self.layers = nn.Sequential(*layers)
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits
