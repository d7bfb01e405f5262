"""What a source gives back: plain numpy arrays a split, before any tensor is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium.data import resize
from genarium.data.options import DataOptions
from genarium.data.splits import SPLITS, digest, divide
from genarium.errors import UserError

BITS = 0
"""The seed of `--binarize static`."""


DTYPES = ("uint8", "uint16", "float32")
"""How images may be stored."""

Ends = tuple[tuple[float, ...], tuple[float, ...]]
"""Low and high ends of a range: one pair for all channels, or one for each."""


class Range(NamedTuple):
    """What -1 and 1 stand for, and how that was chosen; see `genarium.contract.Values`."""

    ends: Ends
    rule: str


@dataclass
class Part:
    """One split. images: [N,C,H,W] of one of `DTYPES`; labels: [N] integers; extra: arrays of N
    rows by name; captions: N texts; names: N names of the images; unpaired: arrays of any other
    number of rows by name. All but the images may be missing. An array "b" [M,C,H,W] of one of
    `DTYPES` beside them is images too, those of a second domain, and is resized with them; so is
    any other one of uint8."""

    images: NDArray
    labels: NDArray[np.integer] | None = None
    extra: dict[str, NDArray] = field(default_factory=dict)
    captions: list[str] | None = None
    names: list[str] | None = None
    unpaired: dict[str, NDArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray) -> Part:
        """The rows chosen by an index or a mask."""
        chosen = np.arange(len(self))[rows]

        def texts(all_texts: list[str] | None) -> list[str] | None:
            return None if all_texts is None else [all_texts[i] for i in chosen]

        return Part(
            self.images[rows],
            None if self.labels is None else self.labels[rows],
            {name: values[rows] for name, values in self.extra.items()},
            texts(self.captions),
            texts(self.names),
            self.unpaired,
        )


@dataclass
class Collection:
    """What a source function returns.

    parts: splits by name; those missing are cut from "train" by content (a tenth each).
    classes: names in label order. info: JSON-able facts for reports (licence, attribution ...).
    identity: what went in, if cheaper to say than to hash; default: SHA-256 of the arrays.
    full: the range that the files themselves state (12 bits a sample: 0, 4095), one pair or one a
    channel; None: that of their type. unit: of the values, in words, "" where the files say none.
    range: what [-1, 1] stands for, once the range policy has decided (`genarium.data.ranges`);
    None: not yet. second_full, second_range: of the images "b" of a second domain. shown: the
    channels that pictures show (`genarium.data.showing`).
    """

    parts: dict[str, Part]
    classes: tuple[str, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    full: Ends | None = None
    unit: str = ""
    range: Range | None = None
    second_full: Ends | None = None
    second_range: Range | None = None
    shown: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        """uint8, uint16 or float32."""
        return str(self.parts["train"].images.dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.parts["train"].images.shape[1:]
        return c, h, w

    def domain(self, name: str) -> dict[str, NDArray]:
        """The images of domain "a" or "b" by split; none where there is no second one."""
        if name == "a":
            return {split: part.images for split, part in self.parts.items()}
        both = {split: {**part.extra, **part.unpaired} for split, part in self.parts.items()}
        return {split: b["b"] for split, b in both.items() if "b" in b and pictures("b", b["b"])}


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value in canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def policy(options: DataOptions, shape: tuple[int, int, int]) -> dict[str, Any]:
    """The resize policy in force for images of `shape` (C, H, W), as reported and hashed."""
    channels, height, width = shape
    return {
        "size": [height, width],
        "channels": channels,
        "fit": options.fit,
        "background": "#{:02x}{:02x}{:02x}".format(*options.colour),
        "filter": resize.FILTER,
    }


def complete(collection: Collection) -> Collection:
    """The collection with identity and all three splits; ValueError if its arrays are wrong."""
    parts = dict(collection.parts)
    for name, part in parts.items():
        _check(name, part)
    identity = collection.identity or _hash_parts(parts)
    missing = {name: 0.1 for name in SPLITS if name not in parts}
    if missing:
        train = parts["train"]
        names = np.array(divide([digest(image) for image in train.images], missing))
        parts.update({name: train.take(names == name) for name in ("train", *missing)})
        for key, rows in train.unpaired.items():
            homes = np.array(divide([digest(row) for row in rows], missing))
            for name in ("train", *missing):
                parts[name].unpaired = {**parts[name].unpaired, key: rows[homes == name]}
    return replace(collection, parts=parts, identity=identity)


def _check(name: str, part: Part) -> None:
    images = part.images
    if str(images.dtype) not in DTYPES or images.ndim != 4 or not images.shape[1]:
        kind = f"{images.dtype} {images.shape}"
        raise ValueError(f"{name}: images must be {' or '.join(DTYPES)} [N,C,H,W], not {kind}")
    rows = {"labels": part.labels, "captions": part.captions, "names": part.names, **part.extra}
    for key, values in rows.items():
        if values is not None and len(values) != len(part):
            raise ValueError(f"{name}: {len(values)} {key} for {len(part)} images")


def conform(collection: Collection, options: DataOptions) -> Collection:
    """The collection at the size, channels and (`--range 8-bit`) type that `options` ask for."""
    channels, height, width = collection.shape
    height, width = options.height_width or (height, width)
    channels = options.channels or channels

    def fitted(images: NDArray, channels: int) -> NDArray:
        _check_background(images, options)
        images = eight_bits(images) if options.eight_bit else images
        return resize.fit_array(images, height, width, channels, options.fit, options.colour)

    def beside(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
        own = options.channels
        return {
            name: fitted(values, own or values.shape[1]) if pictures(name, values) else values
            for name, values in arrays.items()
        }

    parts = {
        name: replace(
            part,
            images=fitted(part.images, channels),
            extra=beside(part.extra),
            unpaired=beside(part.unpaired),
        )
        for name, part in collection.parts.items()
    }
    if options.eight_bit and collection.dtype != str(parts["train"].images.dtype):
        return replace(collection, parts=parts, full=None, second_full=None, unit="")
    return replace(collection, parts=parts, full=_pooled(collection.full, channels))


def _pooled(full: Ends | None, channels: int) -> Ends | None:
    """What files state of each channel, of one where grey was made of them."""
    if full is None or len(full[0]) in (1, channels):
        return full
    return (min(full[0]),), (max(full[1]),)


OF_SIXTEEN = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)
"""The 8-bit value of each of 16 bits: x/257, rounded."""


def eight_bits(images: NDArray) -> NDArray[np.uint8]:
    """uint16 -> uint8 by x/257, rounded, as 16-bit files were read before they were kept."""
    if images.dtype == np.uint8:
        return images
    if images.dtype != np.uint16:
        raise UserError(
            f"--range 8-bit (how a run on 8-bit data reads others): the images are {images.dtype}, "
            "which have no bits: choose data, or LOW,HIGH"
        )
    out = np.empty(images.shape, np.uint8)
    for rows in chunks(images):
        out[rows] = OF_SIXTEEN[images[rows]]
    return out


def chunks(images: NDArray, values: int = 1 << 22) -> Iterator[slice]:
    """Rows of images [N,...] in pieces of about so many values: what is made of one is small."""
    step = max(1, values // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), step):
        yield slice(start, start + step)


def _check_background(images: NDArray, options: DataOptions) -> None:
    colours = images.dtype == np.uint8 and images.shape[1] in (1, 3)
    if not colours and options.fit == "pad" and options.background != DataOptions.background:
        eight = images.dtype == np.uint16 and images.shape[1] in (1, 3)
        raise UserError(
            f"--background {options.background}: {images.dtype} of {images.shape[1]} channels are "
            "padded with each image's lowest value: leave it out"
            + (", or read them as 8 bits with --range 8-bit" if eight else "")
        )


def pictures(name: str, values: NDArray) -> bool:
    """Whether an array beside the images holds images too: "b" of one of `DTYPES` [M,C,H,W], or
    any of uint8 with C 1 or 3."""
    if values.ndim != 4:
        return False
    return (name == "b" and str(values.dtype) in DTYPES) or (
        values.dtype == np.uint8 and values.shape[1] in (1, 3)
    )


def binarize(collection: Collection, by_place: bool = False) -> Collection:
    """The collection with the pixels of every split drawn black or white, once for all.

    by_place: by the image's place in its split, as earlier versions drew them.
    """
    parts = {}
    for number, name in enumerate(SPLITS):
        part = collection.parts[name]
        drawn = _bits_by_place(part.images, number) if by_place else bits(part.images)
        parts[name] = replace(part, images=drawn)
    return replace(collection, parts=parts)


def bits(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Static binarization: uint8 [N,C,H,W] -> 0 or 255, white with probability x/255.

    One draw a pixel from a generator that the image itself seeds. So every model trains and is
    scored on the same bits, and an image gets the same ones in a split, a folder, or by itself.
    """
    result = np.empty(images.shape, np.uint8)
    for row, image in enumerate(images):
        seed = int.from_bytes(bytes.fromhex(digest(image))[:16], "big")
        uniform = np.random.Generator(np.random.PCG64([BITS, seed])).random(image.shape)
        result[row] = np.where(uniform * 255.0 < image, 255, 0)
    return result


def _bits_by_place(images: NDArray[np.uint8], split: int) -> NDArray[np.uint8]:
    draw = np.random.Generator(np.random.PCG64([BITS, split]))
    result = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), 1000):  # an image's uniform numbers take 8 times its bytes
        rows = slice(start, start + 1000)
        uniform = draw.random(images[rows].shape)
        result[rows] = np.where(uniform * 255.0 < images[rows], 255, 0)
    return result


def _hash_parts(parts: dict[str, Part]) -> str:
    result = hashlib.sha256()
    for name, part in sorted(parts.items()):
        arrays = {"images": part.images, "labels": part.labels, **part.extra, **part.unpaired}
        for key, values in sorted(arrays.items()):
            if values is not None:
                result.update(f"{name}/{key}/{values.dtype.str}/{values.shape}".encode())
                result.update(np.ascontiguousarray(values).data)
        result.update(json.dumps(part.captions).encode())
    return result.hexdigest()
