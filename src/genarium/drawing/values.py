"""Images as files of their values: the type, the units and all the channels of the data.

    FILE.npy     [N,H,W,C]
    FILE.npz     the same as `images`; beside it low, high, unit and rule, but of 8 bits on 0 to 255
    FILE.tif     a page an image, [H,W] or [H,W,C], uncompressed; low, high, unit and rule as JSON
                 in ImageDescription
    FILE.png     one image of whole numbers, grey or RGB, 8 or 16 bits
    a folder     a file an image: PNG where it can hold it, else TIFF; of other channels of 8 bits
                 .npy, for a TIFF of those is read as a picture with transparency

N images · C channels · H, W height and width
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from genarium import extras
from genarium.contract import EIGHT_BIT, Values
from genarium.errors import UserError

ONE_FILE = (".npy", ".npz", ".tif", ".tiff")
"""Endings of files that hold the values of many images."""


def expect_writer(out: Path) -> None:
    """UserError where what writes files like `out` is not installed: before images are made."""
    if out.suffix.lower() in (".tif", ".tiff"):
        extras.expect("science", f"--out {out}: TIFF", "tifffile", otherwise="end it in .npy")


def encoded(images: Tensor, out: Path, about: Values = EIGHT_BIT, *, alone: bool = False) -> bytes:
    """Images [N,C,H,W] as the bytes of the file `out`, whose ending says how.

    about: what their values mean. alone: of one image, without its first axis. Raises UserError for
    what the format cannot hold.
    """
    suffix, buffer = out.suffix.lower(), io.BytesIO()
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
    if suffix == ".npy":
        np.save(buffer, pixels[0] if alone else pixels)
    elif suffix == ".npz":
        np.savez_compressed(buffer, images=pixels, **({} if about.eight_bit else _facts(about)))
    elif suffix == ".png":
        return _png(pixels, out, about)
    else:
        expect_writer(out)
        import tifffile

        colours = pixels.shape[3]
        tifffile.imwrite(
            buffer,
            pixels[..., 0] if colours == 1 else pixels,
            photometric="rgb" if colours == 3 else "minisblack",
            planarconfig=None if colours == 1 else "contig",
            metadata=None,
            description=_description(about),
        )
    return buffer.getvalue()


def ending(images: Tensor) -> str:
    """The ending of a file that holds one of images [N,C,H,W]."""
    kind, channels = images.numpy().dtype, images.shape[1]
    if kind == np.uint8:
        return ".png" if channels in (1, 3) else ".npy"
    return ".png" if kind == np.uint16 and channels == 1 else ".tif"


def _facts(about: Values) -> dict[str, Any]:
    return {
        "low": np.array(about.low),
        "high": np.array(about.high),
        "unit": np.array(about.unit),
        "rule": np.array(about.rule),
    }


def _description(about: Values) -> str:
    entries = {"low": about.low, "high": about.high, "unit": about.unit, "rule": about.rule}
    return json.dumps(entries)


def _png(pixels: NDArray[Any], out: Path, about: Values) -> bytes:
    """One image [1,H,W,C] as a PNG of 8 or 16 bits."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    count, channels = len(pixels), pixels.shape[3]
    instead = "end it in .npy, .npz or .tif"
    if count != 1:
        raise UserError(f"--out {out}: a PNG of values holds one image, not {count}: {instead}")
    if pixels.dtype.kind == "f" or channels not in (1, 3):
        what = f"{pixels.dtype} of {channels} channel{'s'[: channels > 1]}"
        raise UserError(f"--out {out}: PNG does not hold {what}: {instead}")
    image = pixels[0]
    if channels == 3 and pixels.dtype.itemsize == 2:
        what = f"--out {out}: PNG of 16-bit colours"
        extras.expect("science", what, "imagecodecs", otherwise=instead)
        import imagecodecs

        return bytes(imagecodecs.png_encode(image))
    info, buffer = PngInfo(), io.BytesIO()
    if not about.eight_bit:
        info.add_text("Description", _description(about))
    Image.fromarray(image[..., 0] if channels == 1 else image).save(
        buffer, "PNG", optimize=True, pnginfo=info
    )
    return buffer.getvalue()
