"""One file of a folder with all its bits: pictures of 8, 16 and 32 bits, arrays, slices.

    8 bits                     as `genarium.data.decode` reads them: grey, RGB, RGBA
    16 bits                    grey PNG, PGM and TIFF as they are; colours of PNG and TIFF need the
                               extra `science`. The range is what the file states: the largest value
                               of a PGM, the bits a sample of a TIFF
    32 bits, floats, channels  TIFFs
    .npy, .dcm, .nii           an image each, or the frames and slices of one

`Reading(eight=True)` reads all pictures as 8 bits, x/257, as earlier versions did.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from genarium.data import decode as pictures
from genarium.data import formats
from genarium.data.collection import Ends
from genarium.data.decode import FORMATS, Facts, bands, channels_agree, read_bytes
from genarium.data.files import arrays, beside, medical, tiff
from genarium.data.files.opening import sound
from genarium.data.files.reader import Asked, Reader, optional, settled
from genarium.data.formats import BROKEN, Bad, Missing

GAP = rb"(?:\s|#[^\n]*\n)+"
PNM = re.compile(rb"P([2356])" + GAP + rb"(\d+)" + GAP + rb"(\d+)" + GAP + rb"(\d+)\s")
WIDE = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
SIGNED = 2  # a TIFF's word for the form of its samples
DESCRIPTION = 270  # a tag of TIFF
WORDS = b"tEXtDescription\0"  # what a PNG's has before it, behind its length
PAGES = "several pages, of which the first is read (pages=images or pages=channels takes all)"


class Reading(NamedTuple):
    """How the files of a folder are read. eight: pictures as 8 bits. asked: what was said of
    them."""

    eight: bool = False
    asked: Asked = Asked()

    @property
    def key(self) -> str:
        """For what is remembered of files; "" for the form of earlier versions."""
        return "" if self.eight and self.asked == Asked() else f"{self.eight} {tuple(self.asked)}"


@dataclass(frozen=True)
class Content:
    """What is in a file. image: a picture of 8 bits, mode L, RGB or RGBA; or [k,C,H,W] of one of
    the stored types, with alpha [k,1,H,W] from 0 to 1 where parts are transparent. The rest is as
    in `Facts`."""

    image: Image.Image | NDArray
    alpha: NDArray | None = None
    frames: bool = False
    brightest: int = -1
    note: str = ""
    corrected: str = ""
    full: Ends | None = None
    unit: str = ""
    group: str = ""

    def part(self, columns: slice) -> Content:
        """The content with some columns of its image."""
        if isinstance(self.image, Image.Image):
            box = (columns.start, 0, columns.stop, self.image.height)
            return replace(self, image=self.image.crop(box))
        alpha = None if self.alpha is None else self.alpha[..., columns]
        return replace(self, image=self.image[..., columns], alpha=alpha)


def content(data: bytes, name: str, reading: Reading) -> Content:
    """The content of a file by its bytes; of its name only the ending counts. `Bad`: a reason."""
    lower = name.lower()
    if lower.endswith((".npy", ".dcm", ".dicom", ".nii", ".nii.gz")) or _is_dicom(data):
        if not data:
            raise Bad("empty file")
        with sound():
            return _array(data, lower, reading)
    if reading.eight:
        return _eight(data)
    return _picture(data, reading)


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _array(data: bytes, name: str, reading: Reading) -> Content:
    if name.endswith(".npy"):
        return _of_reader(arrays.image(data, reading.asked))
    if name.endswith((".nii", ".nii.gz")):
        with medical.nifti(data, reading.asked) as reader:
            return _of_reader(reader)
    with medical.dicom(data, reading.asked) as reader:
        return _of_reader(reader, group=medical.patient(data))


def _of_reader(reader: Reader, group: str = "", frames: bool = False) -> Content:
    reader, _ = settled(reader)
    images = np.ascontiguousarray(reader.fetch(0, len(reader)))
    finite(images)
    note = "; ".join(reader.notes)
    return Content(
        images, frames=frames, note=note, full=reader.full, unit=reader.unit, group=group
    )


def finite(images: NDArray) -> None:
    """`Bad` where a value is NaN or infinite."""
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise Bad("values that are not finite (NaN or infinite)")


# ------------------------------------------------------------------------ pictures


def _eight(data: bytes) -> Content:
    opened = pictures.open_image(data)
    return Content(
        opened.image,
        frames=opened.frames,
        brightest=opened.brightest,
        note=opened.note,
        corrected=opened.corrected,
    )


def _picture(data: bytes, reading: Reading) -> Content:
    is_tiff = data[:4] in formats.TIFF
    if data[:1] == b"P" and (match := PNM.match(data)) and int(match.group(4)) > 255:
        return _pnm(data, match)
    kind, words = "", _words(data)
    if is_tiff or (data.startswith(formats.PNG) and data[24:25] == b"\x10"):
        try:
            data = formats.without_texts(data) or data  # a long text makes Pillow refuse a PNG
            kind = _looked_at(data, reading)
        except UnidentifiedImageError:
            kind = "tifffile" if is_tiff else ""
        except BROKEN:
            kind = ""  # said by the reader of 8 bits
    if kind == "tifffile":
        return _tiff(data, reading)
    if kind == "png":
        return _png(data)
    if kind == "wide":
        return _by_pillow(data, words)
    return _eight(data)


def _looked_at(data: bytes, reading: Reading) -> str:
    """Who reads a picture with all its bits, by its header; "" for 8 bits."""
    formats.quiet(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format == "TIFF":
            several = getattr(image, "n_frames", 1) > 1
            asked = reading.asked.pages in ("images", "channels")
            if several and (asked or tiff.axes_named(data)):
                return "tifffile"
            form, bits, samples = formats.stored_as(image)
            if bits > 32 or samples > formats.MOST_CHANNELS or (form == SIGNED and bits == 8):
                return "tifffile"
            if samples > 1 and bits > 8:
                return "tifffile"
        if formats.wide_colour(image):
            return "tifffile" if image.format == "TIFF" else "png"
        return "wide" if image.mode in WIDE else ""


def _by_pillow(data: bytes, words: str) -> Content:
    """Grey of 16 or 32 bits, and floats. words: what describes a PNG."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = pictures.check_size(image, len(data))
            inverted, (_, bits, _) = formats.inverted(image), formats.stored_as(image)
            mended = formats.mend_clear(image)
            with pictures.one_at_a_time if pixels > pictures.ALONE else nullcontext():
                image.load()
                turn = pictures.orientation_of(image)
                frames = image.format != "MPO" and pictures.further_frames(image)
                clear = image.info.get("transparency")
                words = getattr(image, "tag_v2", {}).get(DESCRIPTION, words)
                upright = (
                    image.transpose(pictures.UPRIGHT[turn]) if turn in pictures.UPRIGHT else image
                )
                values = np.asarray(upright)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Bad(f"more than {pictures.LARGEST_IMAGE // 1_000_000} million pixels") from None
    except BROKEN as error:
        raise Bad(f"broken or truncated ({error or type(error).__name__})") from None
    if values.dtype == np.int32:
        return of_values(values[None, None], frames)
    full: Ends | None = None
    if values.dtype.kind == "u":
        values = np.ascontiguousarray(values, np.uint16)
        top = (1 << bits) - 1 if 8 < bits < 16 else 65535
        full = ((0.0,), (float(top),)) if top < 65535 else None
        values = np.uint16(top) - values if inverted else values
    written, unit = beside.described(words, values.dtype, 1)
    full = written or full
    alpha = None
    if isinstance(clear, int):
        alpha = (values != clear).astype(np.float32)[None, None]
        alpha = None if alpha.all() else alpha
    made = of_values(values[None, None], frames)
    made = replace(made, unit=unit)
    return _known(made, alpha, full, "clear grey" if mended and alpha is not None else "")


def _words(data: bytes) -> str:
    """The description in a PNG, "" without one."""
    at = data.find(WORDS, 0, beside.LONGEST)
    length = int.from_bytes(data[at - 4 : at]) if at >= 4 else 0
    return data[at + len(WORDS) : at + 4 + length].decode("latin-1")


def _known(made: Content, alpha: NDArray | None, full: Ends | None, corrected: str = "") -> Content:
    return replace(made, alpha=alpha, full=full, corrected=corrected)


def of_values(images: NDArray, frames: bool = False) -> Content:
    """[k,C,H,W] of any number type."""
    whole = Reader(images.shape, images.dtype, lambda start, stop: images[start:stop])
    reader, _ = settled(whole)
    values = reader.fetch(0, len(reader))
    finite(values)
    return Content(values, frames=frames, note=PAGES if frames else "")


def _pnm(data: bytes, match: re.Match[bytes]) -> Content:
    """PGM and PPM of 16 bits: Pillow stretches them to the whole range."""
    kind, width, height, top = (int(match.group(group)) for group in (1, 2, 3, 4))
    samples = 3 if kind in (3, 6) else 1
    if not 0 < width * height <= pictures.LARGEST_IMAGE or top > 65535:
        raise Bad(f"{width}x{height} pixels up to {top}: more than can be read")
    count = width * height * samples
    rest = data[match.end() :]
    if kind > 3:
        if len(rest) < 2 * count:
            raise Bad("broken or truncated (it ends within the pixels)")
        values = np.frombuffer(rest, ">u2", count).astype(np.uint16)
    else:
        words = re.sub(rb"#[^\n]*", b"", rest).split()[:count]
        if len(words) < count or not all(word.isdigit() and len(word) < 6 for word in words):
            raise Bad("broken or truncated (it ends within the pixels)")
        values = np.array([int(word) for word in words], np.int64).clip(0, 65535).astype(np.uint16)
    if values.max(initial=0) > top:
        raise Bad(f"values beyond the {top} that its header states")
    images = values.reshape(1, height, width, samples).transpose(0, 3, 1, 2)
    full = ((0.0,), (float(top),)) if top < 65535 else None
    return _known(of_values(_grey_where_equal(images)), None, full)


def _png(data: bytes) -> Content:
    """Colours of 16 bits, and grey with transparency of 16 bits."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        pictures.check_size(image, len(data))
        clear = image.info.get("transparency")
    codecs = optional("imagecodecs", "a PNG with colours of 16 bits")
    with sound():
        values = codecs.png_decode(data)
    values = values[..., None] if values.ndim == 2 else values
    images = values.transpose(2, 0, 1)[None]
    alpha = None
    if images.shape[1] in (2, 4):
        images, alpha = images[:, :-1], images[:, -1:]
        alpha = None if (alpha == 65535).all() else alpha.astype(np.float32) / 65535
    elif isinstance(clear, tuple):
        same = (images == np.array(clear, images.dtype)[:, None, None]).all(axis=1, keepdims=True)
        alpha = (~same).astype(np.float32) if same.any() else None
    return _known(of_values(_grey_where_equal(images)), alpha, None)


def _tiff(data: bytes, reading: Reading) -> Content:
    asked = reading.asked
    named = tiff.axes_named(data)
    if not asked.pages and not named:
        asked = asked._replace(pages="first")
    with sound(), tiff.tiff(data, asked) as reader:
        count = reader.shape[0]
        if count > 1 and asked.pages != "images":
            reader = reader.first()
        made = _of_reader(reader, frames=count > 1 and asked.pages != "images")
        with_alpha, turn = tiff.alpha_and_turn(data)
    images = np.asarray(made.image)
    alpha = None
    if with_alpha and images.shape[1] in (2, 4):
        images, alpha = images[:, :-1], images[:, -1:]
        top = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind == "u" else 1.0
        alpha = None if (alpha >= top).all() else (alpha / top).astype(np.float32)
    images = tiff.upright(_grey_where_equal(images), turn)
    alpha = None if alpha is None else tiff.upright(alpha, turn)
    return Content(
        np.ascontiguousarray(images),
        alpha,
        made.frames,
        note=PAGES if made.frames else made.note,
        corrected="axes" if named else "",
        full=made.full,
        unit=made.unit,
    )


def _grey_where_equal(images: NDArray) -> NDArray:
    """RGB whose channels agree as grey, as of 8 bits."""
    if images.shape[1] != 3:
        return images
    first = images[:, :1]
    return first if (images[:, 1:] == first).all() else images


# ------------------------------------------------------------------------ what is known


def inspect(
    read: Callable[[], bytes],
    name: str,
    reading: Reading,
    keep: Callable[[Content], None] | None = None,
) -> Facts:
    """Read and decode a file once; never raises for what the file is.

    name: for its ending. keep: is given what is in a file that can be used.
    """
    sha256 = ""
    try:
        data = read()
        sha256 = hashlib.sha256(data).hexdigest()
        made = content(data, name, reading)
        if keep is not None:
            keep(made)
        return known(made, sha256)
    except Missing as missing:
        return Facts(error=str(missing))  # not remembered: it may be installed next time
    except Bad as bad:
        return Facts(sha256=sha256, error=str(bad))


def inspected(path: Path, reading: Reading | None = None) -> Facts:
    """`inspect` of a file by its path."""
    return inspect(lambda: read_bytes(path), path.name, reading or Reading())


def facts(data: bytes, name: str, reading: Reading, sha256: str) -> Facts:
    """What is known of a file by its bytes. Raises `Bad`."""
    return known(content(data, name, reading), sha256)


def known(made: Content, sha256: str = "") -> Facts:
    """What is known of what is in a file."""
    common = Facts(
        sha256=sha256,
        frames=made.frames,
        brightest=made.brightest,
        note=made.note,
        corrected=made.corrected,
    )
    image = made.image
    if isinstance(image, Image.Image):
        digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
        for band in bands(image):
            digest.update(band.tobytes())
        return common._replace(
            pixels=digest.hexdigest(),
            width=image.width,
            height=image.height,
            grey=image.mode == "L" or (image.mode == "RGBA" and channels_agree(image)),
            alpha=image.mode == "RGBA",
        )
    digest = hashlib.sha256(f"{image.dtype} {image.shape[1:]}".encode())
    digest.update(np.ascontiguousarray(image).data)
    if made.alpha is not None:
        digest.update(np.ascontiguousarray(made.alpha).data)
    count, channels, height, width = image.shape
    return common._replace(
        pixels=digest.hexdigest(),
        width=width,
        height=height,
        grey=channels == 1,
        alpha=made.alpha is not None,
        dtype=str(image.dtype),
        channels=channels,
        images=count,
        full=None if made.full is None else (min(made.full[0]), max(made.full[1])),
        unit=made.unit,
        group=made.group,
    )
