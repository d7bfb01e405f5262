"""A grid of any images as a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genarium.drawing import points
from genarium.drawing.images import save_png
from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.inputs import Pictures

if TYPE_CHECKING:
    from genarium.api._made import Made


def save_grid(
    images: Pictures | Made, path: str | os.PathLike[str], columns: int | None = None
) -> None:
    """Write images [N,C,H,W] (uint8, or floats on [-1, 1]) as one PNG grid; points as a plot.

    Also arrays [N,H,W,C] and [N,H,W], lists of pictures of Pillow of one size, and what a verb
    made. Of two channels the first is magenta, the second green; of more the first three are shown.
    """
    images = getattr(images, "pictures", images)  # of a result
    if not isinstance(images, Tensor):
        images = inputs.images(images, "save_grid: images")
    if images.ndim != 4 or not images.shape[1] or not len(images):
        raise UserError(f"save_grid: images: of shape {list(images.shape)}: give [N,C,H,W]")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise UserError(
            f"save_grid: images: {images.dtype}: give uint8, or floats on [-1, 1]".replace(
                "torch.", ""
            )
        )
    save_png(inputs.path(path, "save_grid: path"), points.sheet(images, columns))
