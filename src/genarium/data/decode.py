"""One image file, whatever is in it: to upright 8-bit pixels, or to a reason why not.

Only a full decode distinguishes a whole file from a truncated one, so every file is decoded whole.
What a file claims to be (its suffix) does not count; only the formats of `FORMATS` are tried.

Memory for one file is bounded, and decided by its header before a pixel is decoded: its own bytes
and 12 bytes a pixel (the picture and two converted copies) are at most `MEMORY`, its pixels at most
`LARGEST_IMAGE`. Large pictures are decoded one at a time, whatever the number of threads.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from genarium.data import formats
from genarium.data.collection import OF_SIXTEEN
from genarium.data.formats import BROKEN, Bad, strict

__all__ = ["SUFFIXES", "Bad", "Facts", "decode", "flatten", "open_image", "strict"]

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# fmt: off
SUFFIXES = frozenset((
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
))
# fmt: on
LARGEST_FILE = 1 << 30  # bytes
LARGEST_IMAGE = 89_478_485  # pixels: 256 MiB of RGB, where Pillow suspects a decompression bomb
MEMORY = 3 << 29  # bytes for one file, at most: 1.5 GiB
A_PIXEL = 12  # bytes: Pillow takes 4 for a pixel of colour, and conversions make two copies
ALONE = 1 << 22  # pixels; larger ones are decoded one at a time
BAND = 1 << 20  # pixels that are looked at together

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

one_at_a_time = threading.Lock()


class Facts(NamedTuple):
    """What is known of a file once it has been read.

    sha256: of the bytes, "" if they could not be read. pixels: SHA-256 of the decoded image, the
    same however it is stored. grey, alpha, frames (more than one): what it is. error: why it cannot
    be used, or "". brightest: the largest value of a file of 16 bits, -1 for other files. note:
    what the pixels do not show of the file, or "". corrected: how the values were understood, where
    earlier versions took them as they were, or "": it makes other pixels of the same bytes. dtype:
    as the values are stored. channels: of what is no picture of 8 bits, else 0. images: how many
    are in it. full, unit: the range of the values that the file states, and what they measure.
    group: of images that belong into one split (a patient's), or "".
    """

    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    grey: bool = False
    alpha: bool = False
    frames: bool = False
    error: str = ""
    brightest: int = -1
    note: str = ""
    corrected: str = ""
    dtype: str = "uint8"
    channels: int = 0
    images: int = 1
    full: tuple[float, float] | None = None
    unit: str = ""
    group: str = ""


class Opened(NamedTuple):
    """image: upright, of mode L, RGB or RGBA. frames: whether the file holds further ones.
    brightest, note, corrected: as in `Facts`."""

    image: Image.Image
    frames: bool
    brightest: int
    note: str
    corrected: str


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file of sensible size (at most `most` bytes); `Bad` otherwise."""
    most = LARGEST_FILE if most is None else most
    try:
        # a pipe or a device under an image's name would block
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Bad("not a regular file")
            if status.st_size > most:
                raise Bad(f"larger than {most >> 20} MiB")
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
    opened = open_image(data)
    return opened.image, opened.frames


def open_image(data: bytes) -> Opened:
    """As `decode`, with all that is known of the file. Raises `Bad` with a reason."""
    if not data:
        raise Bad("empty file")
    if data.startswith(b"version https://git-lfs"):
        raise Bad("a Git LFS pointer (run `git lfs pull`)")
    if data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise Bad("a web page or XML, not an image")
    try:
        try:
            return _open(data)
        except ValueError:
            # Pillow refuses PNG files for texts of more than a mebibyte; the picture needs none
            bare = formats.without_texts(data)
            if bare is None:
                raise
            return _open(bare)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Bad(f"more than {LARGEST_IMAGE // 1_000_000} million pixels") from None
    except UnidentifiedImageError:
        kind = formats.kind_of_tiff(data)
        if kind:
            raise Bad(f"a TIFF in a form that is not read ({kind})") from None
        raise Bad(f"not one of {', '.join(FORMATS)}") from None
    except BROKEN as error:
        raise Bad(f"broken or truncated ({error or type(error).__name__})") from None


def _open(data: bytes) -> Opened:
    formats.quiet(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        pixels = check_size(image, len(data))
        note = formats.note(image)  # before `load`, which forgets how the pixels are stored
        inverted, wide_colour = formats.inverted(image), formats.wide_colour(image)
        corrected = "white is 0" if inverted else formats.mend_clear(image)
        with one_at_a_time if pixels > ALONE else nullcontext():
            image.load()
            orientation = orientation_of(image)
            picture, brightest = _eight_bit(image, inverted)
            frames = image.format != "MPO" and further_frames(image)
            if orientation in UPRIGHT:
                picture = picture.transpose(UPRIGHT[orientation])
            picture = _reduce(picture)
            if wide_colour:  # of which the decoder keeps the upper 8 bits
                brightest = _largest(picture) << 8 | 255
    return Opened(picture, frames, brightest, note, corrected)


def check_size(image: Image.Image, stored: int) -> int:
    """The pixels of an opened file of so many bytes. `Bad`, or Pillow's bomb error: too many."""
    pixels = image.width * image.height
    if pixels > LARGEST_IMAGE:
        raise Image.DecompressionBombError
    need = stored + A_PIXEL * pixels + formats.tile_bytes(image)
    if need > MEMORY:
        raise Bad(f"takes {need >> 20} MiB to decode, more than {MEMORY >> 20} MiB")
    return pixels


def of_pillow(image: Image.Image) -> Image.Image:
    """A picture that Pillow opened or made, as `decode` gives that of a file. Raises `Bad`."""
    try:
        image.load()
        orientation, (picture, _) = orientation_of(image), _eight_bit(image, inverted=False)
    except BROKEN as error:
        raise Bad(f"broken or truncated ({error or type(error).__name__})") from None
    if orientation in UPRIGHT:
        picture = picture.transpose(UPRIGHT[orientation])
    return _reduce(picture)


def orientation_of(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return 1  # broken metadata do not make a broken picture


def further_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except BROKEN:
        return True  # a second frame begins and is cut short; the first one is whole


def _eight_bit(image: Image.Image, inverted: bool) -> tuple[Image.Image, int]:
    """Any mode of Pillow -> (L, RGB or RGBA, the largest value of 16 bits or -1).

    inverted: 16-bit values of which 0 is white.
    """
    if image.mode.startswith("I;16") or image.mode == "I":
        return _of_sixteen(image, inverted)
    if image.mode == "F":
        raise Bad("floating-point pixels have no agreed range (convert to 8 or 16 bits)")
    if image.mode in ("LAB", "HSV"):
        raise Bad(f"pixels in the colour space {image.mode} (convert to RGB)")
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        if image.mode in ("La", "RGBa"):  # premultiplied; Pillow converts each to its twin only
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        return image.convert("RGBA"), -1
    if image.mode in ("1", "L"):
        return image.convert("L"), -1
    return image.convert("RGB"), -1


def _of_sixteen(image: Image.Image, inverted: bool) -> tuple[Image.Image, int]:
    """x -> x/257, rounded; a transparent value of 16 bits becomes an alpha channel."""
    if image.mode == "I":
        low, high = image.getextrema()
        if int(low) < 0 or int(high) > 65535:  # type: ignore[arg-type]
            raise Bad("values beyond 0 .. 65535 have no agreed range (convert to 8 or 16 bits)")
    clear = image.info.get("transparency")
    out = np.empty((image.height, image.width), np.uint8)
    alpha = np.empty_like(out) if isinstance(clear, int) else None
    brightest = top = 0
    for band in bands(image):
        wide = np.asarray(band).astype(np.uint16)  # also from big-endian, and from 32 bits
        rows = slice(top, top + len(wide))
        top += len(wide)
        if alpha is not None:
            alpha[rows] = np.where(wide == clear, 0, 255)
        if inverted:
            wide = 65535 - wide
        brightest = max(brightest, int(wide.max(initial=0)))
        out[rows] = OF_SIXTEEN[wide]
    grey = Image.fromarray(out)
    if alpha is None or alpha.min(initial=255):
        return grey, brightest
    grey = grey.convert("RGBA")
    grey.putalpha(Image.fromarray(alpha))
    return grey, brightest


def _reduce(image: Image.Image) -> Image.Image:
    """Drops an alpha channel that hides nothing and colour channels that agree."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGB" and channels_agree(image):
        image = image.getchannel("R")
    return image


def bands(image: Image.Image) -> Iterator[Image.Image]:
    """The picture in pieces of whole rows: what is made of one takes little memory."""
    if image.width * image.height <= BAND:
        yield image
        return
    step = max(1, BAND // image.width)
    for top in range(0, image.height, step):
        yield image.crop((0, top, image.width, min(image.height, top + step)))


def channels_agree(image: Image.Image) -> bool:
    for band in bands(image):
        pixels = np.asarray(band)
        first = pixels[..., 0]
        if not (np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])):
            return False
    return True


def _largest(image: Image.Image) -> int:
    """The largest 8-bit value of grey, red, green or blue."""
    channels = [name for name in image.getbands() if name != "A"]
    return max(int(image.getchannel(name).getextrema()[1]) for name in channels)  # type: ignore[arg-type]


def flatten(image: Image.Image, colour: tuple[int, int, int], channels: int) -> Image.Image:
    """L, RGB or RGBA -> L (channels=1) or RGB (channels=3); transparency shows `colour`."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)
    return image.convert("L" if channels == 1 else "RGB")
