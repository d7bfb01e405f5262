"""What a reader of arrays gives, the rule for their axes, and the types that values become.

Axes. A layout is one letter an axis: N images, C channels, H rows, W columns. Without one,

    3 axes    [N,H,W]
    4 axes    [N,C,H,W] or [N,H,W,C]: where one of axis 1 and the last has 1 or 3 entries and the
              other has not, it is the channels; else the one that is shorter than all but N, and of
              `MOST` at most. Anything else is refused: say which by layout=.

Types. uint8, uint16 and float32 stay. bool becomes 0 and 255; int8, int16 and float16 become
float32, exactly. Whole numbers of 32 and 64 bits become the first of uint8, uint16 and float32 that
holds every one exactly, float64 becomes float32 where that moves no value by more than 1e-6 of
their range; all else is refused.

Shapes: N images · C channels · H, W height, width
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium import extras
from genarium.data.collection import DTYPES, Ends
from genarium.data.decode import LARGEST_IMAGE, MEMORY
from genarium.data.formats import Bad, Missing

MOST = 16
"""Channels that are taken for such without a word."""

LARGEST = 3 * LARGEST_IMAGE  # values of an image
BLOCK = 1 << 25  # bytes that are read together, about
EXACT = 1 << 24  # whole numbers to here are floats of 32 bits
ROUNDING = 2.0**-24  # of a float of 32 bits, relative
ALLOWED = 1e-6  # of the range, by which a value may move
ALWAYS_ALLOWED = 1 << 30  # bytes; beyond them the growth decides
GROWTH = 1000  # how many times its size in the file an array may be


class Ambiguous(Bad):
    """An array of which two axes may be the channels. colours: each has 1 or 3 entries."""

    def __init__(self, text: str, colours: bool):
        super().__init__(text)
        self.colours = colours


class Asked(NamedTuple):
    """What may be said of a file behind its path. name: of the array in it. layout: see above.
    labels: the name of an array of labels in it, or a file. pages: of a TIFF, "images", "channels"
    or "" for the rule. axis: of a volume, that its slices lie along."""

    name: str = ""
    layout: str = ""
    labels: str = ""
    pages: str = ""
    axis: str = ""


@dataclass(frozen=True)
class Reader:
    """Images in a file, read by number.

    shape: (N, C, H, W). dtype: numpy's type of the values as `fetch` gives them: (start, stop) ->
    [n,C,H,W]. full: the range that the file states, unit: of the values, in words. labels: [N] of
    whole numbers or texts, or what gives them once all images were read; or None. notes: what a
    user should know.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    fetch: Callable[[int, int], NDArray]
    full: Ends | None = None
    unit: str = ""
    labels: NDArray | Callable[[], NDArray | None] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def block(self) -> int:
        """How many images are read together."""
        each = math.prod(self.shape[1:]) * self.dtype.itemsize
        return max(1, min(BLOCK // max(1, each), 4096))

    def first(self) -> Reader:
        """The reader of the first image alone."""
        return replace(self, shape=(1, *self.shape[1:]))

    def blocks(self) -> Iterator[tuple[int, NDArray]]:
        """All images in pieces: the number of the first, and [n,C,H,W]."""
        for start in range(0, len(self), self.block):
            yield start, self.fetch(start, min(start + self.block, len(self)))


def optional(module: str, what: str, extra: str = "science") -> Any:
    """A module of an extra. `Missing`: it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise Missing(f"{what} needs {missing}: {extras.command(extra)}") from None


def sensible(shape: tuple[int, ...], dtype: np.dtype, stored: int, one: int = 0) -> None:
    """`Bad` for an array that claims more than can be meant, before any of it is read.

    stored: bytes that it takes in the file, 0 where nobody knows. one: bytes that the file's format
    makes us decode at once (a chunk, a strip).
    """
    if min(shape, default=1) < 1:
        raise Bad(f"an array of shape {list(shape)} holds nothing")
    size = math.prod(shape) * dtype.itemsize
    if stored and size > ALWAYS_ALLOWED and size > GROWTH * stored:
        raise Bad(
            f"claims {size >> 20} MiB and holds {stored >> 10} KiB: more than {GROWTH} "
            "times its size"
        )
    if one > MEMORY:
        raise Bad(f"takes {one >> 20} MiB to decode at once, more than {MEMORY >> 20} MiB")


# ------------------------------------------------------------------------ axes


def arranged(
    shape: tuple[int, ...],
    dtype: np.dtype,
    asked: Asked,
    get: Callable[[tuple[slice, ...]], NDArray],
    one: bool = False,
) -> Reader:
    """The reader of an array of any layout. get: slices of all its axes -> the values there.

    one: it is a single image, [H,W], [C,H,W] or [H,W,C]. `Bad`: see the rule above.
    """
    number(dtype)
    layout = layout_of(shape, asked.layout, one)
    sizes = dict(zip(layout, shape, strict=True))
    result = tuple(sizes.get(letter, 1) for letter in "NCHW")
    if min(shape, default=1) < 1:
        raise Bad(f"an array of shape {list(shape)} holds nothing")
    if math.prod(result[1:]) > LARGEST:
        raise Bad(
            f"images of {list(result[1:])} values are too large: at most {LARGEST}"
            + ("" if asked.layout else " (or say which axis is which, as layout=NHWC)")
        )
    order = [layout.index(letter) for letter in "NCHW" if letter in layout]
    absent = [place for place, letter in enumerate("NCHW") if letter not in layout]

    def fetch(start: int, stop: int) -> NDArray:
        rows = tuple(
            slice(start, stop) if letter == "N" else slice(0, length)
            for letter, length in zip(layout, shape, strict=True)
        )
        return np.expand_dims(np.asarray(get(rows)).transpose(order), tuple(absent))

    return Reader(result, dtype, fetch)  # type: ignore[arg-type]


def layout_of(shape: tuple[int, ...], said: str, one: bool = False) -> str:
    """One letter an axis of an array of this shape. `Bad`: nobody knows."""
    axes = len(shape)
    if said:
        layout = said.upper()
        if one and "N" not in layout and axes == len(layout) + 1:
            layout = ""
        known = set(layout) <= set("NCHW") and len(set(layout)) == len(layout)
        if not known or not {"H", "W"} <= set(layout) or (not one and "N" not in layout):
            raise Bad(f"layout={said}: name each axis once, as NHWC, NCHW or NHW")
        if len(layout) != axes:
            raise Bad(f"layout={said}: the array has {axes} axes, {list(shape)}")
        return layout
    if one:
        if axes == 2:
            return "HW"
        if axes == 3:
            return layout_of((1, *shape), "")[1:]
        raise Bad(f"an array of shape {list(shape)} is no image: give [H,W], [C,H,W] or [H,W,C]")
    if axes == 3:
        if shape[2] <= 4 < min(shape[:2]):
            raise Bad(
                f"an array of shape {list(shape)}: {shape[0]} images of {shape[1]}x{shape[2]} say "
                "layout=NHW; of one image of colours add an axis, [1,H,W,C]"
            )
        return "NHW"
    if axes != 4:
        raise Bad(f"an array of shape {list(shape)}: give [N,H,W], [N,H,W,C] or [N,C,H,W]")
    second, last = shape[1], shape[3]
    colours = [second in (1, 3), last in (1, 3)]
    if colours[0] != colours[1]:
        return "NCHW" if colours[0] else "NHWC"
    if not any(colours):
        if second <= MOST and second < min(shape[2:]):
            return "NCHW"
        if last <= MOST and last < min(shape[1:3]):
            return "NHWC"
    raise Ambiguous(
        f"an array of shape {list(shape)}: which axis are the channels? say layout=NCHW or NHWC",
        all(colours),
    )


# ------------------------------------------------------------------------ types


def number(dtype: np.dtype) -> None:
    """`Bad` unless values of this type may be images."""
    if dtype.hasobject:
        raise Bad("an array of Python objects, which is never opened: save numbers")
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise Bad(f"values of type {dtype}: give whole numbers or floats")


def needs_ends(dtype: np.dtype) -> bool:
    """Whether the stored type follows from the smallest and largest value."""
    return dtype.kind in "iuf" and dtype.itemsize >= 4 and dtype != np.float32


def stored_type(dtype: np.dtype, low: float = 0.0, high: float = 0.0) -> str:
    """One of `DTYPES` for values of this type between low and high. `Bad`: none holds them."""
    bare = dtype.newbyteorder("=")
    if str(bare) in DTYPES:
        return str(bare)
    if dtype.kind == "b":
        return "uint8"
    if not needs_ends(dtype):
        return "float32"
    if dtype.kind == "f":
        largest = max(abs(low), abs(high))
        if largest > float(np.finfo(np.float32).max):
            raise Bad(f"float64 values up to {largest:g}, more than 32 bits hold: scale them")
        if high > low and largest * ROUNDING > ALLOWED * (high - low):
            raise Bad(
                f"float64 values from {low:.9g} to {high:.9g} lose more than 1e-6 of their range "
                "in 32 bits: subtract what they have in common"
            )
        return "float32"
    for name, top in (("uint8", 255), ("uint16", 65535)):
        if low >= 0 and high <= top:
            return name
    if max(abs(low), abs(high)) <= EXACT:
        return "float32"
    raise Bad(f"{dtype} values from {low:.0f} to {high:.0f}, more than 24 bits: scale them")


def converted(images: NDArray, stored: str) -> NDArray:
    """Values as they are stored, native and in C order."""
    if images.dtype.kind == "b":
        images = np.where(images, np.uint8(255), np.uint8(0))
    return np.ascontiguousarray(images, np.dtype(stored))


def ends_of(images: NDArray) -> tuple[float, float]:
    """The smallest and largest finite value; (inf, -inf) where there is none."""
    if images.dtype.kind == "f":
        images = images[np.isfinite(images)]
    if not images.size:
        return math.inf, -math.inf
    return float(images.min()), float(images.max())


def settled(reader: Reader) -> tuple[Reader, str]:
    """The reader giving the values as they are stored, and which of `DTYPES` that is. Reads all
    where the type follows from the values."""
    low, high = math.inf, -math.inf
    if needs_ends(reader.dtype):
        for _, images in reader.blocks():
            one = ends_of(images)
            low, high = min(low, one[0]), max(high, one[1])
    name = stored_type(reader.dtype, *((low, high) if low <= high else (0.0, 0.0)))
    note = (
        () if str(reader.dtype.newbyteorder("=")) == name else (f"{reader.dtype} kept as {name}",)
    )

    def fetch(start: int, stop: int) -> NDArray:
        return converted(reader.fetch(start, stop), name)

    return replace(reader, dtype=np.dtype(name), fetch=fetch, notes=(*reader.notes, *note)), name
