"""Images as PNG files: what the lossless code of a model is held against."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def png_bytes(images: Tensor) -> Tensor:
    """Bytes of each image in a PNG file of its own, [N] float64.

    images: uint8 [N,C,H,W], or int64 of 0 .. 65535, in files of 16 bits. Grey images of nothing but
    0 and 255 take a bit a pixel. Channels that are not RGB have a grey file each.
    """
    sizes = []
    for image in images.cpu():
        if len(image) not in (1, 3) or image.dtype != torch.uint8:
            sizes.append(sum(_grey_bytes(channel) for channel in image))
            continue
        pixels = image.permute(1, 2, 0).numpy() if len(image) == 3 else image[0].numpy()
        picture = Image.fromarray(pixels)
        if len(image) == 1 and bool(((image == 0) | (image == 255)).all()):
            picture = picture.convert("1", dither=Image.Dither.NONE)
        file = io.BytesIO()
        picture.save(file, "png", optimize=True)
        sizes.append(len(file.getvalue()))
    return torch.tensor(sizes, dtype=torch.float64)


def _grey_bytes(channel: Tensor) -> int:
    """Bytes of one channel [H,W] as a grey PNG of 8 or 16 bits."""
    pixels = channel.numpy()
    wide = pixels.dtype != np.uint8
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint16) if wide else pixels).save(file, "png", optimize=True)
    return len(file.getvalue())
