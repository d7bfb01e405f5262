"""What Pillow does not say of a picture by itself: how its pixels are stored, and what it drops.

Pillow gives a TIFF of six channels as three, a 16-bit TIFF whose 0 is white as a negative, and a
16-bit colour picture by its upper 8 bits. This file reads that from the header.
"""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import PIL
from PIL import Image, TiffImagePlugin

PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"iCCP"))  # none of them makes a pixel
PHOTOMETRIC, SAMPLES, BITS, FORMAT = 262, 277, 258, 339  # TIFF tags
TILE_WIDTH, TILE_HEIGHT = 322, 323
WHITE_IS_ZERO, SIGNED = 0, 2
TALKATIVE = ("PIL", "tifffile", "pydicom", "nibabel", "nibabel.global")
MOST_CHANNELS = 4  # red, green, blue and one more


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
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Bad(Exception):
    """A file that cannot be used; the text is the reason."""


class Missing(Bad):
    """A file that could be read, by a package that is not installed."""


@contextmanager
def strict() -> Iterator[None]:
    """Pillow's bomb warning counts as an error; all others of it and of the readers of the extras
    are not for the user.

    Enter it in the main thread: warning filters belong to the whole process.
    """
    logs = [logging.getLogger(name) for name in TALKATIVE]
    before = [log.level for log in logs]
    _levels(logs, [logging.CRITICAL + 1] * len(logs))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        _levels(logs, before)


def _levels(logs: list[logging.Logger], levels: list[int]) -> None:
    """Set them all; `setLevel` forgets what every logger of the process knows, so once only."""
    for log, level in zip(logs, levels, strict=True):
        log.level = level
    logs[-1].setLevel(levels[-1])


def quiet(data: bytes) -> None:
    """Before a TIFF is read: libtiff writes no lines of its own to stderr."""
    if data[:4] in TIFF:
        _silence_libtiff()


@functools.cache
def _silence_libtiff() -> None:
    """Takes away libtiff's handlers, which print; what is wrong with a file Pillow raises anyway.

    Where the library is not found (another build of Pillow) its lines stay.
    """
    home = Path(PIL.__file__).parent
    places = [*home.parent.glob("pillow.libs/libtiff*"), *home.glob(".dylibs/libtiff*")]
    with suppress(OSError):
        maps = Path("/proc/self/maps").read_text(errors="replace")
        places += [Path(path) for path in re.findall(r"\S*/libtiff\S*", maps)]
    for place in places:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(place))
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                function = getattr(library, name)
                function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
                function(None)


def note(image: Image.Image) -> str:
    """What the pixels of an opened file will not show, or "". `Bad`: more channels than four, or
    values below 0."""
    if image.format != "TIFF":
        return ""
    if _tag(image, FORMAT, 1) == SIGNED and _tag(image, BITS, 1) == 8:
        raise Bad("signed 8-bit values have no agreed range (convert to unsigned)")
    samples = _tag(image, SAMPLES, 1)
    shown = len(image.getbands())
    if samples > MOST_CHANNELS:
        raise Bad(f"{samples} channels (of a TIFF; write those you mean as RGB or grey)")
    if samples > shown:
        extra = samples - shown
        return f"{extra} of {samples} channels of a TIFF, without a meaning there, not used"
    return ""


def stored_as(image: Image.Image) -> tuple[int, int, int]:
    """(format of the samples, bits of each, samples a pixel) of an opened TIFF; of others (1, 16,
    1)."""
    if image.format != "TIFF":
        return 1, 16, 1
    return _tag(image, FORMAT, 1), _tag(image, BITS, 1), _tag(image, SAMPLES, 1)


def tile_bytes(image: Image.Image) -> int:
    """Memory for one tile of a TIFF, which may be far larger than its picture."""
    if image.format != "TIFF":
        return 0
    side = _tag(image, TILE_WIDTH, 0), _tag(image, TILE_HEIGHT, 0)
    return side[0] * side[1] * _tag(image, SAMPLES, 1) * max(1, _tag(image, BITS, 8) // 8)


def inverted(image: Image.Image) -> bool:
    """Whether 0 is white in a file whose values Pillow gives as they are: a TIFF of 16 bits."""
    wide = image.mode.startswith("I")
    return wide and image.format == "TIFF" and _tag(image, PHOTOMETRIC, 1) == WHITE_IS_ZERO


def mend_clear(image: Image.Image) -> str:
    """Brings the transparent value of a grey PNG to the range of its pixels; says if there is one.

    The file gives it in the bits that it has, and Pillow's pixels have 8 (it leaves those of 16).
    """
    clear = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(clear, int):
        return ""
    bits = next((n for word, n in (("L;2", 2), ("L;4", 4)) if word in _stored(image)), 0)
    if bits:
        image.info["transparency"] = clear * 255 // (2**bits - 1)
    return "clear grey" if bits or image.mode.startswith("I") else ""


def wide_colour(image: Image.Image) -> bool:
    """Whether the file holds colours of 16 bits, of which the decoder keeps the upper 8."""
    return not image.mode.startswith("I") and any(";16" in word for word in _stored(image))


def _stored(image: Image.Image) -> list[str]:
    """Pillow's names for how the pixels lie in the file; known before they are loaded."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return []
    arguments = tiles[0][3]
    words = arguments if isinstance(arguments, tuple) else (arguments,)
    return [word for word in words if isinstance(word, str)]


def kind_of_tiff(data: bytes) -> str:
    """What a TIFF holds that Pillow has no mode for, for a message; "" if it is none."""
    if data[:4] not in TIFF:
        return ""
    with suppress(*BROKEN):
        stream = io.BytesIO(data)
        tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(tags.next)
        tags.load(stream)
        bits = tags.get(BITS, (1,))
        samples, colours = tags.get(SAMPLES, 1), tags.get(PHOTOMETRIC)
        return f"channels {samples}, bits {max(bits)}, photometric {colours}"
    return ""


def _tag(image: Image.Image, number: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(number, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


def without_texts(data: bytes) -> bytes | None:
    """A PNG without its texts and its colour profile; None for what is no PNG or holds none."""
    if not data.startswith(PNG):
        return None
    kept, at, dropped = [PNG], len(PNG), False
    while at + 8 <= len(data):
        (size,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        end = at + 12 + size  # length, kind, content, checksum
        if kind in TEXTS:
            dropped = True
        else:
            kept.append(data[at:end])
        at = end
    return b"".join(kept) if dropped else None
