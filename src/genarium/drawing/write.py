"""Images of a result as files: a grid, an array, or single pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genarium.contract import to_uint8
from genarium.drawing import folder, points
from genarium.drawing.images import save_png
from genarium.errors import UserError, unwritable
from genarium.runs import inputs
from genarium.runs.inputs import Pictures


def write_images(
    images: Tensor,
    out: str | os.PathLike[str],
    columns: int | None = None,
    *,
    real: Tensor | None = None,
    mixture: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write images [N,C,H,W] as the suffix says: .png a grid, .npz an array, none: single files.

    The array is `images`, uint8 [N,H,W,C]. Points of the plane make a plot instead of a grid, over
    `real` points and with the modes of a `mixture`. Single files go into a folder of their own;
    overwrite: replace those of an earlier call. Raises UserError for another suffix, a folder that
    holds something, or a place that cannot be written.
    """
    import numpy as np

    out = inputs.path(out, "--out")
    pixels = images if images.dtype == torch.uint8 else to_uint8(images)
    try:
        if out.suffix.lower() == ".png":
            out.parent.mkdir(parents=True, exist_ok=True)
            save_png(out, points.sheet(pixels, columns, real=real, mixture=mixture))
        elif out.suffix.lower() == ".npz":
            out.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(out, images=pixels.permute(0, 2, 3, 1).numpy())
        elif out.suffix == "":
            named = ((f"{number:06d}.png", image) for number, image in enumerate(pixels))
            folder.save(out, named, overwrite)
        else:
            raise UserError(f"--out {out}: end it in .png or .npz, or name a folder")
    except OSError as error:
        raise unwritable(out, error) from None


def save_grid(images: Pictures, path: str | os.PathLike[str], columns: int | None = None) -> None:
    """Write images [N,C,H,W] (uint8, or floats on [-1, 1]) as one PNG grid; points as a plot.

    Also arrays [N,H,W,C] and [N,H,W], and lists of pictures of Pillow of one size.
    """
    if not isinstance(images, Tensor):
        images = inputs.images(images, "save_grid: images")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise UserError(
            f"save_grid: images: of shape {list(images.shape)}: give [N,C,H,W], C 1 or 3"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise UserError(
            f"save_grid: images: {images.dtype}: give uint8, or floats on [-1, 1]".replace(
                "torch.", ""
            )
        )
    save_png(inputs.path(path, "save_grid: path"), points.sheet(images, columns))
