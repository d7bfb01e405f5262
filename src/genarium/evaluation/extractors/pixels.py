"""The extractor without a network: the pixels themselves are the features."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor, nn

from genarium.contract import from_uint8
from genarium.errors import UserError
from genarium.evaluation.extractors.extractor import Extractor, from_module

PIXELS = "pixels"
MOST_PIXELS = 4096  # a covariance of so many features is 134 MB


class _Pixels(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1), x.new_empty(len(x), 0)


def pixels(shape: tuple[int, ...]) -> Extractor:
    """The pixels of images of `shape` (C, H, W) on [-1, 1] as features: no network, no classes.

    Raises UserError for more than 4,096 of them, and when it is given images of another shape.
    """
    dims = math.prod(shape)
    words = "x".join(map(str, shape))
    if dims > MOST_PIXELS:
        raise UserError(
            f"--extractor {PIXELS}: images of {words} have {dims:,} pixels, more than "
            f"{MOST_PIXELS:,}: choose another extractor"
        )

    def prepare(images: Tensor) -> Tensor:
        if images.shape[1:] != shape:
            other = "x".join(map(str, images.shape[1:]))
            raise UserError(
                f"--extractor {PIXELS}: the images are {other}, the reference {words}: choose "
                "another extractor"
            )
        return from_uint8(images)

    made = from_module(_Pixels(), name=PIXELS, dims=dims, prepare=prepare, resize=f"none, {words}")
    return replace(made, caveat="of the pixels themselves: only their mean and covariance count")
