"""Points of the plane as a scatter plot: what stands for a sample grid where images are points.

An image of one row and two grey pixels is a point, the first pixel x, the second y (`Spec.planar`).
The plot always shows the whole square that such images can hold, -1 to 1 on either axis, y upwards,
so plots of one data set can be laid side by side.

Shapes: N images or points · S side of the plot in pixels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from genarium.drawing.images import as_uint8, grid

SHOWN = 2500  # points that a plot of samples takes, as many as the literature scores
SCALE = 2  # pixels a grey level
MARGIN = 20  # pixels around, for the numbers
SIDE = 256 * SCALE + 2 * MARGIN
PAPER, FRAME, AXIS, WORDS = (255, 255, 255), (190, 190, 190), (226, 226, 226), (90, 90, 90)
REAL, MODE, DRAWN = (222, 184, 120), (214, 84, 36), (24, 78, 168)
WITHIN = 3.0  # radius of a mode's circle in σ


def planar(images: Tensor) -> bool:
    """Whether images [N,C,H,W] are points."""
    return tuple(images.shape[1:]) == (1, 1, 2)


def sheet(
    images: Tensor | Sequence[Tensor],
    columns: int | None = None,
    pad: int = 2,
    *,
    real: Tensor | None = None,
    mixture: Mapping[str, Any] | None = None,
) -> Tensor:
    """One picture of many images, uint8 [C,H',W']: `scatter` of points, `grid` of all others.

    real, mixture: for points only, see `scatter`.
    """
    if isinstance(images, Tensor) and planar(images):
        return scatter(images, real=real, mixture=mixture)
    return grid(images, columns=columns, pad=pad)


def pairs(
    originals: Tensor, made: Tensor, columns: int, mixture: Mapping[str, Any] | None = None
) -> Tensor:
    """Originals [N,C,H,W], each beside what was made of it; points made in a plot over theirs."""
    if planar(made):
        return scatter(made, real=originals, mixture=mixture)
    both = torch.stack([as_uint8(originals), as_uint8(made)], 1)
    return grid(both.flatten(0, 1), columns=columns)


def scatter(
    images: Tensor, *, real: Tensor | None = None, mixture: Mapping[str, Any] | None = None
) -> Tensor:
    """Points [N,1,1,2], uint8 or floats on [-1, 1], in blue: a plot, uint8 [3,S,S].

    real: points to lay below them, in ochre. mixture: the Gaussians that they should follow
    (`centres`, `sigma`, `scale`, see `genarium.data`): a red circle of 3 σ around each centre.
    Dots are translucent, so where many fall together it is darker. Raises ValueError for other
    shapes, or no points at all.
    """
    if not planar(images) or (real is not None and not planar(real)):
        raise ValueError(f"points have the shape [N,1,1,2], not {list(images.shape)}")
    if not len(images):
        raise ValueError("a scatter plot needs at least one point")
    page = torch.tensor(PAPER, dtype=torch.float32).view(3, 1, 1).repeat(1, SIDE, SIDE)
    middle = int(_place(torch.tensor(127.5)).item())
    page[:, middle, MARGIN:-MARGIN] = page[:, MARGIN:-MARGIN, middle] = _colour(AXIS)[:, 0]
    if real is not None and len(real):
        page = _ink(page, _dots(real, radius=1.6, opacity=0.35), REAL)
    page = _ink(page, _dots(images, radius=2.0, opacity=0.6), DRAWN)
    if mixture is not None:  # last, so that a full mode keeps its circle
        page = _ink(page, _circles(mixture), MODE)
    return _framed(page.round().to(torch.uint8))


def _place(pixels: Tensor) -> Tensor:
    """Stored values 0 .. 255 -> the distance of their middle from the plot's edge, in pixels."""
    return MARGIN + (pixels + 0.5) * SCALE - 0.5


def _colour(colour: tuple[int, int, int]) -> Tensor:
    return torch.tensor(colour, dtype=torch.float32).view(3, 1, 1)


def _ink(page: Tensor, cover: Tensor, colour: tuple[int, int, int]) -> Tensor:
    """`colour` over the page [3,S,S] where `cover` [S,S] is 1, in between where it is less."""
    return page + cover * (_colour(colour) - page)


def _dots(images: Tensor, radius: float, opacity: float) -> Tensor:
    """Cover [S,S] of translucent discs, in time that does not depend on their number."""
    x, y = as_uint8(images)[:, 0, 0].long().unbind(1)
    counts = torch.zeros(SIDE, SIDE)
    rows, columns = _place(255 - y).floor().long(), _place(x).floor().long()
    counts.index_put_((rows, columns), torch.ones(len(x)), accumulate=True)
    reach = int(radius) + 1
    offset = torch.arange(-reach, reach + 1) - 0.5  # the middle of a level lies between pixels
    disc = (radius + 0.5 - torch.hypot(offset[:, None], offset[None, :])).clamp(0, 1)
    drawn = torch.nn.functional.conv2d(
        counts[None, None], disc.flip(0, 1)[None, None], padding=reach
    )
    return 1 - (1 - opacity) ** drawn[0, 0]


def _circles(mixture: Mapping[str, Any]) -> Tensor:
    """Cover [S,S] of the circles of 3 σ."""
    unit = 127.5 * SCALE / float(mixture["scale"])  # pixels a data unit
    across = torch.arange(SIDE, dtype=torch.float32)
    cover = torch.zeros(SIDE, SIDE)
    middle = _place(torch.tensor(127.5))
    for x, y in mixture["centres"]:
        away = torch.hypot(across[None, :] - middle - x * unit, across[:, None] - middle + y * unit)
        line = (1.1 - (away - WITHIN * float(mixture["sigma"]) * unit).abs()).clamp(0, 1)
        cover = torch.maximum(cover, line)
    return cover


def _framed(page: Tensor) -> Tensor:
    """The page with a frame and the numbers -1, 0 and 1."""
    picture = Image.fromarray(page.permute(1, 2, 0).contiguous().numpy())
    draw = ImageDraw.Draw(picture)
    first, last, middle = MARGIN - 1, SIDE - MARGIN, SIDE / 2
    draw.rectangle((first, first, last, last), outline=FRAME)
    for words, along in (("-1", first), ("0", middle), ("1", last)):
        draw.text((along, last + 4), words, fill=WORDS, anchor="mt")
        draw.text((first - 4, SIDE - along), words, fill=WORDS, anchor="rm")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
