"""The pictures of a study as files that differ in their pixels alone.

How far a PNG shrinks tells real pictures from generated ones: noise and smooth shades of grey
compress differently. So nothing is compressed. The files of a study have one length, whatever
they show: signature, header, one chunk of pixels, end. Only Pillow in here, no torch: serving a
study starts at once.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

from genarium.errors import UserError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = {"L": 0, "RGB": 2}


def plain_png(pixels: bytes, size: tuple[int, int], mode: str) -> bytes:
    """An uncompressed PNG, lossless; its length follows from size and mode alone.

    pixels: [H,W] (mode L) or [H,W,3] (mode RGB) bytes in rows. size: (width, height).
    """
    width, height = size
    row = width * len(mode)
    if len(pixels) != row * height:
        raise ValueError(f"{len(pixels)} bytes are no {width}x{height} pixels of mode {mode}")
    lines = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR[mode], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 0)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def as_served(path: Path, mode: str) -> bytes:
    """A picture file as the page gets it, in one mode for all of a study.

    Studies of earlier versions hold compressed files, whose lengths tell. Raises UserError for a
    file that is no picture.
    """
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as image:
            result = image.convert(mode)
            return plain_png(result.tobytes(), result.size, mode)
    except OSError as error:
        reason = (error.strerror or "it is no whole PNG file").lower()
        raise UserError(f"{path} cannot be read ({reason}): restore it from a copy") from None
    except (ValueError, SyntaxError, struct.error, zlib.error, Image.DecompressionBombError):
        raise UserError(
            f"{path} cannot be read (it is no whole PNG file): restore it from a copy"
        ) from None


def mode_of(path: Path) -> str:
    """The mode that all pictures of a study are served in: that of one of them, L or RGB."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return "L" if image.mode == "L" else "RGB"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError(f"{path} is no PNG file: restore it from a copy") from None
