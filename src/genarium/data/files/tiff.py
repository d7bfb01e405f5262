"""TIFFs by tifffile: stacks, several channels, 16, 32 and 64 bits, of any compression.

Axes that the file names (OME, ImageJ, tifffile's own) are used: Y and X are the image, C and S its
channels, all others (time, depth ...) one image after another. Pages that nobody named are images;
`pages=channels` makes them the channels of one image, `pages=images` makes images of channels too.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Ends
from genarium.data.decode import MEMORY
from genarium.data.files import beside
from genarium.data.files.arrays import let_go
from genarium.data.files.reader import Asked, Reader, arranged, number, optional, sensible
from genarium.data.formats import Bad

PAGES = ("images", "channels", "first")
INVERTED = 0  # photometric
ORIENTATION = 274  # a tag


@contextmanager
def tiff(source: Path | bytes, asked: Asked) -> Iterator[Reader]:
    """The images of a TIFF."""
    if asked.pages not in ("", *PAGES):
        raise Bad(f"pages={asked.pages}: choose {', '.join(PAGES)}")
    library = optional("tifffile", "this TIFF")
    optional("imagecodecs", "this TIFF")
    stored = len(source) if isinstance(source, bytes) else source.stat().st_size
    with library.TiffFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
        with consistent():
            reader = _reader(file, source, stored, asked)
        yield reader


@contextmanager
def consistent() -> Iterator[None]:
    """`Bad` where the library's own assertions see that a file contradicts itself."""
    try:
        yield
    except AssertionError:
        raise Bad("a TIFF whose header contradicts itself") from None


def axes_named(data: bytes) -> bool:
    """Whether a TIFF that holds several pages says what its axes are; by its first page's words."""
    start = data[: 1 << 16] + data[-(1 << 16) :]
    return (
        any(mark in start for mark in (b"ImageJ=", b"<OME", b'"axes": "')) or b'{"shape"' in start
    )


def _reader(file: Any, source: Path | bytes, stored: int, asked: Asked) -> Reader:
    if len(file.series) > 1 and not (file.is_ome or file.is_imagej or asked.pages == "first"):
        sizes = {f"{s.shape[-2]}x{s.shape[-1]}" for s in file.series if len(s.shape) > 1}
        raise Bad(
            f"pages of {len(file.series)} kinds ({', '.join(sorted(sizes)[:4])}): split it into "
            "files of one size and type"
        )
    series = file.series[0]
    shape, dtype = tuple(series.shape), np.dtype(series.dtype)
    number(dtype)
    page = file.pages[0]
    sensible(shape, dtype, stored, math.prod(page.shape) * dtype.itemsize * 2)
    sensible(shape, dtype, stored, math.prod(page.chunks) * dtype.itemsize)
    kinds = _kinds(series.axes, asked.pages)
    get = _pieces(series, source, dtype.newbyteorder(file.byteorder), int(page.compression) != 1)
    sizes_of = {
        kind: [n for n, k in zip(shape, kinds, strict=True) if k == kind] for kind in "NCHW"
    }
    steps = sizes_of["N"]
    count = 1 if asked.pages == "first" else math.prod(steps)
    left = [kind for kind in kinds if kind != "N"]
    order = [place for wanted in "CHW" for place, kind in enumerate(left) if kind == wanted]
    final = (math.prod(sizes_of["C"]), sizes_of["H"][0], sizes_of["W"][0])

    def fetch(start: int, stop: int) -> NDArray:
        images = []
        for number_ in range(start, stop):
            place = iter(np.unravel_index(number_, steps)) if steps else iter(())
            index = tuple(int(next(place)) if kind == "N" else slice(None) for kind in kinds)
            with consistent():
                images.append(get(index).transpose(order).reshape(final))
        return np.stack(images)

    base = arranged((count, *final), dtype, Asked(layout="NCHW"), lambda rows: np.empty(0))
    full, unit = beside.described(page.description, dtype, final[0])
    base = replace(base, full=full or stated(file, page, dtype), unit=unit)
    if int(page.photometric) != INVERTED or dtype.kind != "u":
        return replace(base, fetch=fetch)
    top = int(base.full[1][0]) if base.full else int(np.iinfo(dtype).max)

    def turned(start: int, stop: int) -> NDArray:
        return (top - fetch(start, stop).astype(np.int64)).astype(dtype)

    return replace(base, fetch=turned)


def _kinds(axes: str, pages: str) -> list[str]:
    """N, C, H or W for each axis of a series."""
    kinds = []
    for letter in axes:
        if letter in "YX":
            kinds.append("H" if letter == "Y" else "W")
        elif letter == "S":
            kinds.append("C")
        elif letter == "C":
            kinds.append("N" if pages == "images" else "C")
        else:
            kinds.append("C" if pages == "channels" else "N")
    if kinds.count("H") != 1 or kinds.count("W") != 1:
        raise Bad(f"axes {axes}: not images of rows and columns")
    return kinds


def _pieces(
    series: Any, source: Path | bytes, dtype: np.dtype, compressed: bool
) -> Callable[[tuple[int | slice, ...]], NDArray]:
    """Whole axes and single places of a series: mapped where it lies in the file as it is, else
    decoded page by page."""
    shape = tuple(series.shape)
    if series.dataoffset is not None and not compressed and not isinstance(source, bytes):
        mapped = np.memmap(source, dtype, "r", series.dataoffset, shape)

        def look(index: tuple[int | slice, ...]) -> NDArray:
            let_go(mapped)
            return np.array(mapped[index])

        return look
    pages = list(series.pages)
    lead = next((n for n in range(len(shape)) if math.prod(shape[:n]) == len(pages)), -1)
    if lead < 0 or any(page is None for page in pages):
        size = math.prod(shape) * dtype.itemsize
        if size > MEMORY:
            raise Bad(f"takes {size >> 20} MiB to decode at once, more than {MEMORY >> 20} MiB")
        whole = np.asarray(series.asarray()).reshape(shape)
        return lambda index: whole[index]
    numbers = np.arange(len(pages)).reshape(shape[:lead])

    def get(index: tuple[int | slice, ...]) -> NDArray:
        wanted = np.asarray(numbers[index[:lead]])
        planes = [np.asarray(pages[int(i)].asarray()) for i in wanted.ravel()]
        whole = np.stack(planes).reshape(*wanted.shape, *shape[lead:])
        return whole[(slice(None),) * wanted.ndim + index[lead:]]

    return get


def stated(file: Any, page: Any, dtype: np.dtype) -> Ends | None:
    """The range that a file states: of fewer bits a sample than its type has, or OME's word."""
    if dtype.kind != "u":
        return None
    bits = page.bitspersample
    bits = max(bits) if isinstance(bits, tuple) else int(bits)
    if file.is_ome and isinstance(file.ome_metadata, str):
        bits_said = re.search(r'SignificantBits="(\d{1,2})"', file.ome_metadata)
        bits = int(bits_said.group(1)) if bits_said else bits
    if 0 < bits < 8 * dtype.itemsize:
        return (0.0,), (float((1 << bits) - 1),)
    return None


def alpha_and_turn(data: bytes) -> tuple[bool, int]:
    """Whether the last channel of a TIFF's first page is its transparency, and how it is turned."""
    library = optional("tifffile", "this TIFF")
    with library.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        extra = tuple(int(kind) for kind in page.extrasamples or ())
        turn = page.tags.get(ORIENTATION)
        return extra[-1:] in ((1,), (2,)), int(turn.value) if turn is not None else 1


def upright(images: NDArray, turn: int) -> NDArray:
    """[k,C,H,W] as its orientation flag says, 1 .. 8."""
    if turn in (5, 6, 7, 8):
        images = images.swapaxes(-1, -2)
    if turn in (2, 3, 6, 7):
        images = images[..., ::-1]
    if turn in (3, 4, 7, 8):
        images = images[..., ::-1, :]
    return images
