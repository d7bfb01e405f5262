"""One image file, whatever is in it: to upright 8-bit pixels, or to a reason why not.

Only a full decode tells a whole file from a truncated one, so every file is decoded whole. What
a file claims to be (its suffix) does not count; only the formats of `FORMATS` are tried.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# fmt: off
SUFFIXES = frozenset((
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
))
# fmt: on
LARGEST_FILE = 1 << 30  # bytes
LARGEST_IMAGE = 89_478_485  # pixels: 256 MiB of RGB, where Pillow suspects a decompression bomb

ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# what Pillow's decoders raise on damaged files, found by cutting and flipping bytes
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Bad(Exception):
    """A file that cannot be used; the text is the reason."""


class Facts(NamedTuple):
    """What is known of a file once it has been read.

    sha256: of the bytes, "" if they could not be read. pixels: SHA-256 of the decoded image, the
    same however it is stored. grey, alpha, frames (more than one): what it is. error: why it
    cannot be used, or "".
    """

    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    grey: bool = False
    alpha: bool = False
    frames: bool = False
    error: str = ""


@contextmanager
def strict() -> Iterator[None]:
    """Pillow's bomb warning counts as an error, its other warnings are not for the user.

    Enter it in the main thread: warning filters belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of sensible size; `Bad` otherwise."""
    try:
        # a pipe or a device under an image's name would block
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Bad("not a regular file")
            if status.st_size > LARGEST_FILE:
                raise Bad(f"larger than {LARGEST_FILE >> 20} MiB")
            return stream.read()
    except FileNotFoundError:
        raise Bad("missing (a dangling link, or deleted meanwhile)") from None
    except OSError as error:
        raise Bad(f"unreadable ({error.strerror})") from None


def decode(data: bytes) -> tuple[Image.Image, bool]:
    """Bytes -> (upright image of mode L, RGB or RGBA, whether the file holds further frames).

    L where red, green and blue agree everywhere; RGBA only where something is transparent.
    16-bit grey becomes 8-bit by x/257, rounded. Raises `Bad` with a reason.
    """
    if not data:
        raise Bad("empty file")
    if data.startswith(b"version https://git-lfs"):
        raise Bad("a Git LFS pointer (run `git lfs pull`)")
    if data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise Bad("a web page or XML, not an image")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise Image.DecompressionBombError
            image.load()
            orientation = _orientation(image)
            picture = _eight_bit(image)
            frames = image.format != "MPO" and _further_frames(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Bad(f"more than {LARGEST_IMAGE // 1_000_000} million pixels") from None
    except UnidentifiedImageError:
        raise Bad(f"not one of {', '.join(FORMATS)}") from None
    except BROKEN as error:
        raise Bad(f"broken or truncated ({error or type(error).__name__})") from None
    if orientation in UPRIGHT:
        picture = picture.transpose(UPRIGHT[orientation])
    return _reduce(picture), frames


def of_pillow(image: Image.Image) -> Image.Image:
    """A picture that Pillow opened or made, as `decode` gives that of a file. Raises `Bad`."""
    try:
        image.load()
        orientation, picture = _orientation(image), _eight_bit(image)
    except BROKEN as error:
        raise Bad(f"broken or truncated ({error or type(error).__name__})") from None
    if orientation in UPRIGHT:
        picture = picture.transpose(UPRIGHT[orientation])
    return _reduce(picture)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return 1  # broken metadata do not make a broken picture


def _further_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except BROKEN:
        return True  # a second frame begins and is cut short; the first one is whole


def _eight_bit(image: Image.Image) -> Image.Image:
    """Any mode of Pillow -> L, RGB or RGBA."""
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise Bad("32-bit pixels have no agreed range (convert to 8 or 16 bits)")
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise Bad("floating-point pixels have no agreed range (convert to 8 or 16 bits)")
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def _reduce(image: Image.Image) -> Image.Image:
    """Drops an alpha channel that hides nothing and colour channels that agree."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGB" and _channels_agree(image):
        image = image.getchannel("R")
    return image


def _channels_agree(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    first = pixels[..., 0]
    return np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])


def flatten(image: Image.Image, colour: tuple[int, int, int], channels: int) -> Image.Image:
    """L, RGB or RGBA -> L (channels=1) or RGB (channels=3); transparency shows `colour`."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)
    return image.convert("L" if channels == 1 else "RGB")


def inspect(path: Path) -> Facts:
    """Read and decode a file once; never raises for what the file is."""
    sha256 = ""
    try:
        data = read_bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        image, frames = decode(data)
    except Bad as bad:
        return Facts(sha256=sha256, error=str(bad))
    found = hashlib.sha256(f"{image.mode} {image.size}".encode())
    found.update(image.tobytes())
    return Facts(
        sha256=sha256,
        pixels=found.hexdigest(),
        width=image.width,
        height=image.height,
        grey=image.mode == "L" or (image.mode == "RGBA" and _channels_agree(image)),
        alpha=image.mode == "RGBA",
        frames=frames,
    )
