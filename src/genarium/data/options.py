"""How images are read: size, channels, resize policy, tolerance and places."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from genarium.data import showing
from genarium.errors import UserError

Fit = Literal["crop", "pad", "stretch"]
Binarize = Literal["static", "dynamic"]
LARGEST = 4096

EIGHT_BIT = "8-bit"
"""The `range` that reads 16 bits a sample as 8, x/257."""

PER_IMAGE = "per-image"
"""The `range` that makes floats on [0, 1] of each image by its own ends."""

FORMER = {"range": EIGHT_BIT}
"""Options that runs of earlier versions do not name, with the values that read their data again."""


class RangeRule(NamedTuple):
    """`DataOptions.range` in parts. kind: auto, full, data, percentile, given, per-image or 8-bit.
    numbers: two percentages, or LOW and HIGH, of all channels or of one after another."""

    kind: str
    numbers: tuple[float, ...] = ()
    per_channel: bool = False

    @classmethod
    def of(cls, text: str) -> RangeRule:
        """UserError for a text that is none."""
        bare, comma, last = text.replace(" ", "").rpartition(",")
        per_channel = bool(comma) and last == "per-channel"
        word = bare if per_channel else text.replace(" ", "")
        kind, _, numbers = word.partition(":")
        if word in ("auto", "full", PER_IMAGE, EIGHT_BIT):
            if per_channel:
                raise UserError(
                    f"--range {text}: per-channel goes with data, percentile:0.1,99.9 or LOW,HIGH "
                    "pairs of all channels: leave it out"
                )
            return cls(word)
        if word == "data":
            return cls("data", (), per_channel)
        try:
            given = tuple(
                float(number) for number in (numbers if kind == "percentile" else word).split(",")
            )
        except ValueError:
            given = ()
        if kind == "percentile" and len(given) == 2 and 0 <= given[0] < given[1] <= 100:
            return cls("percentile", given, per_channel)
        pairs = list(zip(given[::2], given[1::2], strict=False))
        whole = given and len(given) % 2 == 0 and all(map(math.isfinite, given))
        if kind != "percentile" and whole and all(low < high for low, high in pairs):
            if len(pairs) > 1 and not per_channel:
                raise UserError(
                    f"--range {text}: {len(pairs)} pairs: end with ,per-channel for one a channel"
                )
            return cls("given", given, per_channel)
        raise UserError(
            f"--range {text!r}: give auto, full, data, percentile:0.1,99.9 or LOW,HIGH (the last "
            "three with ,per-channel as well), per-image, or 8-bit"
        )


@dataclass(frozen=True)
class DataOptions:
    """What a user may say about any data set; wrong values are a `UserError`.

    size: "32" (square) or "48x64" (height x width) pixels; default: the source's own.
    channels: 1 (grey) or 3 (RGB), which become one another; any other number only where the images
        have it; default: what the images are.
    fit: crop (cover and cut the centre), pad (fit inside and fill) or stretch.
    binarize: static draws every pixel black or white once for all, white with the probability of
        its grey level; dynamic leaves the images grey, and models of binary pixels draw anew at
        each use; default: left grey, and each model says what it makes of them.
    range: what -1 and 1 stand for in a network. auto: of 8 bits 0 and 255; of 16 the bits that the
        files state, else the fewest that hold the brightest training value; of floats as data.
        full: all that the type holds, or the files state. data: the smallest and largest training
        value. percentile:0.1,99.9: all but the training values beyond these percentiles.
        LOW,HIGH: these. The last three also for each channel: data,per-channel. per-image: each
        image becomes floats on [0, 1] by its own ends, and its units are lost. 8-bit: 16 bits are
        read as 8, as earlier versions did.
    show: the channels that pictures are made of, which no number of a run depends on: one (grey),
        two (magenta, green), three (red, green, blue), as 0,2,1, or each (grey, side by side);
        default: grey and RGB as they are, of two both, of more the first three.
    background: colour under transparent pixels and around padded images, a name or #rrggbb.
    labels: a table of the images' files, .csv, .tsv or .parquet: their classes and attributes.
    label_column: the column of `labels` that holds the class; default: label, class or target.
    max_bad: largest fraction of unreadable files that may be left out.
    allow_overlap: accept the same image in two splits.
    from_dir: folder that holds the official files of a downloadable source.
    cache: folder of the cache; default: GENARIUM_CACHE, else the user's cache folder.
    """

    size: str | None = None
    channels: int | None = None
    fit: Fit = "crop"
    range: str = "auto"
    show: str | None = None
    background: str = "white"
    binarize: Binarize | None = None
    labels: str | None = None
    label_column: str | None = None
    max_bad: float = 0.01
    allow_overlap: bool = False
    from_dir: str | None = None
    cache: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.size, int):  # a library caller may say size=32
            object.__setattr__(self, "size", str(self.size))
        if isinstance(self.show, int | tuple | list):
            given = (self.show,) if isinstance(self.show, int) else self.show
            object.__setattr__(self, "show", ",".join(map(str, given)))
        if self.show is not None:
            showing.parse(self.show)
        _ = self.height_width  # raises on a wrong size
        _ = self.range_rule
        if self.channels is not None and self.channels < 1:
            raise UserError(
                f"--channels {self.channels}: choose 1 (grey), 3 (RGB) or what there is"
            )
        if self.fit not in get_args(Fit):
            raise UserError(f"--fit {self.fit!r}: choose {', '.join(get_args(Fit))}")
        if self.binarize not in (None, *get_args(Binarize)):
            raise UserError(f"--binarize {self.binarize}: choose static or dynamic, or none")
        if self.label_column is not None and self.labels is None:
            raise UserError("--label-column: names a column of --labels TABLE: give that too")
        if not 0.0 <= self.max_bad <= 1.0:
            raise UserError(f"--max-bad {self.max_bad}: give a fraction from 0 to 1")

    @property
    def height_width(self) -> tuple[int, int] | None:
        """(H, W) in pixels, or None where the source decides."""
        if self.size is None:
            return None
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[xX×]\s*(\d{1,5}))?\s*", self.size)
        if match:
            height = int(match.group(1))
            width = int(match.group(2) or height)
            if 1 <= height <= LARGEST and 1 <= width <= LARGEST:
                return height, width
        raise UserError(
            f"--size {self.size!r}: give pixels as 32 or as HEIGHTxWIDTH, each 1 to {LARGEST}"
        )

    @property
    def range_rule(self) -> RangeRule:
        """`range` in parts; UserError where it is none."""
        return RangeRule.of(self.range)

    @property
    def eight_bit(self) -> bool:
        """Whether files of 16 bits are to be read as 8, x/257."""
        return self.range == EIGHT_BIT

    @property
    def sixteen_bit(self) -> bool:
        """Whether the range is all of 16 bits, so that pictures of 8 become 16 by v · 257."""
        rule = self.range_rule
        return rule.kind == "given" and rule.numbers == (0.0, 65535.0)

    @property
    def colour(self) -> tuple[int, int, int]:
        """`background` as (red, green, blue), 0 .. 255."""
        from PIL import ImageColor

        try:
            return ImageColor.getrgb(self.background)[:3]
        except ValueError:
            raise UserError(
                f"--background {self.background!r} is no colour: say white, black, #ff8800 ..."
            ) from None
