"""The resize policies: every image of a data set ends up at one size.

crop     scale until the image covers the target, keep the centre (nothing is distorted)
pad      scale until the image fits inside, fill the rest with the background
stretch  scale each side on its own (the aspect ratio is lost)

The filter is Pillow's LANCZOS, which widens with the scale and so does not alias when shrinking.
Scaling and cutting happen in one resampling; an image that has the target size is untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

    from genarium.data.options import Fit

FILTER = "lanczos"


def fit_image(
    image: Image.Image, height: int, width: int, fit: Fit, colour: tuple[int, int, int]
) -> Image.Image:
    """`image` (mode L or RGB) at (width, height) under the policy; `colour` fills when padding."""
    from PIL import Image

    w, h = image.size
    if (w, h) == (width, height):
        return image
    lanczos = Image.Resampling.LANCZOS
    if fit == "stretch":
        return image.resize((width, height), lanczos)
    if fit == "crop":
        scale = max(width / w, height / h)
        keep_w, keep_h = min(w, width / scale), min(h, height / scale)
        left, top = (w - keep_w) / 2, (h - keep_h) / 2
        box = (left, top, left + keep_w, top + keep_h)
        return image.resize((width, height), lanczos, box=box)
    scale = min(width / w, height / h)
    inner = (min(width, max(1, round(w * scale))), min(height, max(1, round(h * scale))))
    small = image if inner == (w, h) else image.resize(inner, lanczos)
    fill = Image.new("RGB", (1, 1), colour).convert(image.mode).getpixel((0, 0))
    canvas = Image.new(image.mode, (width, height), fill)
    canvas.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def to_chw(image: Image.Image) -> NDArray[np.uint8]:
    """A Pillow image of mode L or RGB -> uint8 [C,H,W]."""
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def fit_array(
    images: NDArray[np.uint8],
    height: int,
    width: int,
    channels: int,
    fit: Fit,
    colour: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """uint8 [N,C,h,w] -> uint8 [N,channels,height,width]; the same array where nothing changes.

    Grey becomes RGB by repetition; RGB becomes grey by luma, 0.299 R + 0.587 G + 0.114 B.
    """
    from PIL import Image

    if images.shape[1:] == (channels, height, width):
        return images
    if images.shape[1:] == (1, height, width):
        return np.repeat(images, channels, axis=1)
    out = np.empty((len(images), channels, height, width), np.uint8)
    for i, image in enumerate(images):
        if image.shape[0] == 1:
            picture = Image.fromarray(image[0])
        else:
            picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            if channels == 1:
                picture = picture.convert("L")
        # a grey [1,H,W] result spreads over the three channels
        out[i] = to_chw(fit_image(picture, height, width, fit, colour))
    return out
