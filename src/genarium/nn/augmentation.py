"""Random changes of images, by name: differentiable, each image by draws of its own.

    flip          mirrored left to right, every second one
    color         brightness ±½ (of -1 to 1), saturation ×0 to 2, contrast ×½ to 1½
    translation   moved by up to an eighth of a side; zeros, mid-grey, come in
    cutout        a square of half the sides becomes zero
    affine        turned by up to 15 degrees, slanted, resized by up to 15 %, moved by up to a tenth
                  of a side; what comes in continues the edge

color, translation and cutout are those of Zhao et al. 2020, "Differentiable Augmentation for
Data-Efficient GAN Training".

B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from genarium.contract import Noise

TURN = math.pi / 12
"""Largest angle, 15 degrees either way."""
SLANT, ZOOM, ASPECT, SHIFT = 0.3, 0.15, 0.075, 0.2
"""Largest shear, change of both sides and of one against the other, and shift in half sides."""


def flip(x: Tensor, noise: Noise) -> Tensor:
    """Each image [B,C,H,W] mirrored left to right with probability ½."""
    return torch.where(noise.uniform(1, 1, 1) < 0.5, x.flip(3), x)


def color(x: Tensor, noise: Noise) -> Tensor:
    """Brightness, saturation (of more channels than one) and contrast, [B,C,H,W] on [-1, 1]."""
    x = x + (noise.uniform(1, 1, 1) - 0.5)
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = torch.lerp(grey, x, 2 * noise.uniform(1, 1, 1))
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, noise.uniform(1, 1, 1) + 0.5)


def _lines(size: int, like: Tensor) -> Tensor:
    return torch.arange(size, device=like.device)


def translation(x: Tensor, noise: Noise) -> Tensor:
    """Each image [B,C,H,W] moved by whole pixels; zeros come in."""
    batch, _, height, width = x.shape
    for axis, size in ((2, height), (3, width)):
        most = int(size / 8 + 0.5)
        shift = noise.integers(2 * most + 1) - most
        source = _lines(size, x)[None] - shift[:, None]
        shape = [batch, 1, 1, 1]
        shape[axis] = size
        inside = ((source >= 0) & (source < size)).view(shape)
        index = source.clamp(0, size - 1).view(shape).expand_as(x)
        x = x.gather(axis, index) * inside
    return x


def cutout(x: Tensor, noise: Noise) -> Tensor:
    """A square of half the sides of each image [B,C,H,W] becomes zero."""
    _, _, height, width = x.shape
    hidden = None
    for axis, size in ((2, height), (3, width)):
        side = int(size / 2 + 0.5)
        # The square may stick out, so that every pixel is hidden equally often.
        start = noise.integers(size + 1 - side % 2) - side // 2
        offset = _lines(size, x)[None] - start[:, None]
        shape = [len(x), 1, 1, 1]
        shape[axis] = size
        within = ((offset >= 0) & (offset < side)).view(shape)
        hidden = within if hidden is None else hidden & within
    assert hidden is not None
    return x * ~hidden


def affine(x: Tensor, noise: Noise) -> Tensor:
    """Each image [B,C,H,W] turned, slanted, resized and shifted by draws of its own; pixels that
    come in from outside are those of the edge."""
    angle, slant, zoom, aspect, across, down = (2 * noise.uniform(6) - 1).unbind(1)
    cos, sin = (TURN * angle).cos(), (TURN * angle).sin()
    zoom, aspect = 1 + ZOOM * zoom, ASPECT * aspect
    wide, high = zoom * (1 + aspect), zoom * (1 - aspect)
    slant = SLANT * slant
    # rotation · (shear and scales), then the shift: where each pixel of the result is looked up
    first = torch.stack([cos * wide, cos * slant - sin * high, SHIFT * across], 1)
    second = torch.stack([sin * wide, sin * slant + cos * high, SHIFT * down], 1)
    places = functional.affine_grid(
        torch.stack([first, second], 1), list(x.shape), align_corners=False
    )
    return functional.grid_sample(x, places, padding_mode="border", align_corners=False)


KINDS: dict[str, Callable[[Tensor, Noise], Tensor]] = {
    "flip": flip,
    "color": color,
    "translation": translation,
    "cutout": cutout,
    "affine": affine,
}
"""Every change by its name, in the order in which the help lists them."""
