"""Images as PNG files: what the lossless code of a model is held against."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor


def png_bytes(images: Tensor) -> Tensor:
    """Bytes of each image in a PNG file of its own, [N] float64.

    images: uint8 [N,C,H,W]. Grey images of nothing but 0 and 255 take a bit a pixel.
    """
    sizes = []
    for image in images.cpu():
        pixels = image.permute(1, 2, 0).numpy() if len(image) == 3 else image[0].numpy()
        picture = Image.fromarray(pixels)
        if len(image) == 1 and bool(((image == 0) | (image == 255)).all()):
            picture = picture.convert("1", dither=Image.Dither.NONE)
        file = io.BytesIO()
        picture.save(file, "png", optimize=True)
        sizes.append(len(file.getvalue()))
    return torch.tensor(sizes, dtype=torch.float64)
