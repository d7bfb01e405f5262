"""The resize policies: every image of a data set ends up at one size.

crop     scale until the image covers the target, keep the centre (nothing is distorted)
pad      scale until the image fits inside, fill the rest with the background
stretch  scale each side on its own (the aspect ratio is lost)

The filter is Pillow's LANCZOS, which widens with the scale and so does not alias when shrinking. It
overshoots at edges: 8-bit values are cut at 0 and 255, all others at the image's own ends.
Scaling and cutting happen in one resampling; an image that has the target size is untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genarium.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

    from genarium.data.options import Fit

FILTER = "lanczos"
LUMA = (0.299, 0.587, 0.114)


def fit_image(
    image: Image.Image,
    height: int,
    width: int,
    fit: Fit,
    colour: tuple[int, int, int],
    level: float | None = None,
) -> Image.Image:
    """`image` (mode L, RGB or F) at (width, height) under the policy; `colour` fills when padding,
    or the value `level` where it is given."""
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
    canvas = Image.new(image.mode, (width, height), fill if level is None else level)
    canvas.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def to_chw(image: Image.Image) -> NDArray[np.uint8]:
    """A Pillow image of mode L or RGB -> uint8 [C,H,W]."""
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def fit_array(
    images: NDArray,
    height: int,
    width: int,
    channels: int,
    fit: Fit,
    colour: tuple[int, int, int],
) -> NDArray:
    """[N,C,h,w] of uint8, uint16 or float32 -> [N,channels,height,width] of the same type; the
    same array where nothing changes.

    Grey becomes RGB by repetition; RGB becomes grey by luma, 0.299 R + 0.587 G + 0.114 B. Any other
    number of channels stays, each resized by itself. Of other types than uint8 the filter's
    overshoot is cut at each channel's own smallest and largest value, and padding has the smallest;
    so does that of channels that are no colours. UserError for a number of channels that cannot be.
    """
    check_channels(images.shape[1], channels)
    if images.shape[1:] == (channels, height, width):
        return images
    if images.shape[1:] == (1, height, width):
        return np.repeat(images, channels, axis=1)
    out = np.empty((len(images), channels, height, width), images.dtype)
    eight = images.dtype == np.uint8 and images.shape[1] in (1, 3)
    make = _colours if eight else _planes
    for i, image in enumerate(images):
        # a grey [1,H,W] result spreads over the three channels
        out[i] = make(image, height, width, channels, fit, colour)
    return out


def check_channels(have: int, wanted: int) -> None:
    """UserError unless images of `have` channels can be had with `wanted`."""
    if have != wanted and not {have, wanted} <= {1, 3}:
        raise UserError(
            f"the images have {have} channel{'s'[: have > 1]}, and the run or --channels asks for "
            f"{wanted}: only grey and RGB become one another: give images of {wanted}"
        )


def _colours(
    image: NDArray[np.uint8],
    height: int,
    width: int,
    channels: int,
    fit: Fit,
    colour: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Grey or RGB of 8 bits, as the picture that it is."""
    from PIL import Image

    if image.shape[0] == 1:
        picture = Image.fromarray(image[0])
    else:
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        if channels == 1:
            picture = picture.convert("L")
    return to_chw(fit_image(picture, height, width, fit, colour))


def _planes(
    image: NDArray,
    height: int,
    width: int,
    channels: int,
    fit: Fit,
    colour: tuple[int, int, int],
) -> NDArray:
    """Values that are measured: every channel as a plane of floats."""
    from PIL import Image

    wide = image.astype(np.float32)
    if channels == 1 and len(wide) == 3:
        wide = np.tensordot(LUMA, wide, axes=(0, 0))[None].astype(np.float32)
    planes = []
    for plane in wide:
        low, high = float(plane.min()), float(plane.max())
        picture = Image.fromarray(np.ascontiguousarray(plane))
        fitted = np.asarray(fit_image(picture, height, width, fit, colour, low)).clip(low, high)
        planes.append(fitted if image.dtype.kind == "f" else fitted.round())
    return np.stack(planes).astype(image.dtype)
