"""How images are read: size, channels, resize policy, tolerance and places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from genarium.errors import UserError

Fit = Literal["crop", "pad", "stretch"]
Binarize = Literal["static", "dynamic"]
LARGEST = 4096


@dataclass(frozen=True)
class DataOptions:
    """What a user may say about any data set; wrong values are a `UserError`.

    size: "32" (square) or "48x64" (height x width) pixels; default: the source's own.
    channels: 1 (grey) or 3 (RGB); default: what the images are.
    fit: crop (cover and cut the centre), pad (fit inside and fill) or stretch.
    binarize: static draws every pixel black or white once for all, white with the probability of
        its grey level; dynamic leaves the images grey, and models of binary pixels draw anew at
        each use; default: left grey, and each model says what it makes of them.
    background: colour under transparent pixels and around padded images, a name or #rrggbb.
    max_bad: largest fraction of unreadable files that may be left out.
    allow_overlap: accept the same image in two splits.
    from_dir: folder that holds the official files of a downloadable source.
    cache: folder of the cache; default: GENARIUM_CACHE, else the user's cache folder.
    """

    size: str | None = None
    channels: int | None = None
    fit: Fit = "crop"
    background: str = "white"
    binarize: Binarize | None = None
    max_bad: float = 0.01
    allow_overlap: bool = False
    from_dir: str | None = None
    cache: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.size, int):  # a library caller may say size=32
            object.__setattr__(self, "size", str(self.size))
        _ = self.height_width  # raises on a wrong size
        if self.channels not in (None, 1, 3):
            raise UserError(f"--channels {self.channels}: choose 1 (grey) or 3 (RGB)")
        if self.fit not in get_args(Fit):
            raise UserError(f"--fit {self.fit!r}: choose {', '.join(get_args(Fit))}")
        if self.binarize not in (None, *get_args(Binarize)):
            raise UserError(f"--binarize {self.binarize}: choose static or dynamic, or none")
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
    def colour(self) -> tuple[int, int, int]:
        """`background` as (red, green, blue), 0 .. 255."""
        from PIL import ImageColor

        try:
            return ImageColor.getrgb(self.background)[:3]
        except ValueError:
            raise UserError(
                f"--background {self.background!r} is no colour: say white, black, #ff8800 ..."
            ) from None
