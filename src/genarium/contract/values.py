"""What the stored values of images mean: their type, and the range that [-1, 1] stands for.

    x = 2 (v - low) / (high - low) - 1            v a stored value, x what networks see

Images stay as they are stored, uint8, uint16 or float32, until a model asks for floats. `EIGHT_BIT`
is what pictures of 8 bits are, x = v/127.5 - 1; it is the default of a `Spec` and of a `Batch`.

N images · C channels · H, W height, width
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genarium.data.names import span
from genarium.errors import UserError

DTYPES: dict[str, tuple[torch.dtype, float]] = {
    "uint8": (torch.uint8, 255.0),
    "uint16": (torch.uint16, 65535.0),
    "float32": (torch.float32, 1.0),
}
"""How images may be stored, and the top of the range that each type has by itself."""


@dataclass(frozen=True)
class Values:
    """dtype: a name of `DTYPES`. low, high: the values that -1 and 1 stand for, one for all
    channels or one for each. rule: how the range was chosen ("full", "data" ...). unit: of the
    stored values, in words, "" where nobody said; rule and unit change no number, so values compare
    without them.

    A value beyond the range becomes its end: `signed` never leaves [-1, 1]. UserError: a range that
    is empty, not finite, or not of the type.
    """

    dtype: str = "uint8"
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (255.0,)
    rule: str = field(default="full", compare=False)
    unit: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UserError(f"images of type {self.dtype}: {' or '.join(DTYPES)} are stored")
        if len(self.low) != len(self.high) or not self.low:
            raise UserError(f"range {self.low} to {self.high}: give one pair, or one a channel")
        for low, high in zip(self.low, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise UserError(f"range {low:g},{high:g}: the low end must lie below the high one")
            if self.integer and (low != int(low) or high != int(high)):
                raise UserError(f"range {low:g},{high:g}: of {self.dtype} give whole numbers")
            top = DTYPES[self.dtype][1]
            if self.integer and (low < 0 or high > top):  # values would wrap around
                raise UserError(f"range {low:g},{high:g}: values of {self.dtype} are 0 to {top:g}")

    @property
    def torch_dtype(self) -> torch.dtype:
        return DTYPES[self.dtype][0]

    @property
    def integer(self) -> bool:
        """Whether the stored values are whole numbers, so that a likelihood may be of them."""
        return self.dtype != "float32"

    @property
    def per_channel(self) -> bool:
        return len(self.low) > 1

    @property
    def eight_bit(self) -> bool:
        """Whether a stored value is a grey value of 0 to 255, as in a picture."""
        return self.dtype == "uint8" and self.low == (0.0,) and self.high == (255.0,)

    @property
    def levels(self) -> int:
        """How many levels there are from low to high: 256 of 8 bits, 4,096 of 12; 0 where the
        values are floats, or the channels' ranges differ in length."""
        lengths = {high - low for low, high in zip(self.low, self.high, strict=True)}
        return int(lengths.pop()) + 1 if self.integer and len(lengths) == 1 else 0

    def as_option(self) -> str:
        """The numbers as `DataOptions.range` takes them: "0,4095"."""
        pairs = [f"{low!r},{high!r}" for low, high in zip(self.low, self.high, strict=True)]
        return ",".join(pairs) + (",per-channel" if self.per_channel else "")

    @property
    def span(self) -> str:
        """The range in words: "0 to 4,095 counts"."""
        return span(self.low, self.high, self.unit)

    def likelihood_levels(self) -> int:
        """How many levels a likelihood of whole levels is of: all that there are, of floats and of
        channels whose ranges differ in length 256 equal parts of the range."""
        return self.levels or 256

    def levels_in_words(self, n: int) -> str:
        """What n levels of the range are, so that words differ where two must not be compared."""
        if not self.levels:
            return f"{n:,} equal parts of {self.span}"
        of = "" if n == self.levels else f" of {self.levels:,}"
        return f"{n:,}{of} levels, {self.span}"

    def whole_in_words(self) -> str:
        """What whole numbers are, for a density of all of them with noise within each."""
        return self.levels_in_words(self.levels) if self.levels else f"whole numbers, {self.span}"

    def check(self, images: Tensor, where: str) -> None:
        """UserError unless the images are stored as these values are."""
        if images.dtype != self.torch_dtype:
            kind = str(images.dtype).removeprefix("torch.")
            raise UserError(f"{where}: {kind}: give {self.dtype} images, as the data are")

    def signed(self, images: Tensor, where: str = "images") -> Tensor:
        """Stored [N,C,H,W] -> floats on [-1, 1], [N,C,H,W] float32 in the same memory layout."""
        self.check(images, where)
        x = images.to(torch.float32)
        x = x.clone() if x is images else x
        if self.eight_bit:
            return x.div_(127.5).sub_(1.0)
        low, half = self._ends(x)
        return x.sub_(low).div_(half).sub_(1.0).clamp_(-1.0, 1.0)

    def unit_interval(self, images: Tensor, where: str = "images") -> Tensor:
        """Stored [N,C,H,W] -> floats on [0, 1], [N,C,H,W] float32."""
        self.check(images, where)
        if self.eight_bit:
            return images.to(torch.float32).div_(255.0)
        return self.signed(images, where).add_(1.0).mul_(0.5)

    def stored(self, x: Tensor) -> Tensor:
        """Floats on [-1, 1] -> values as they are stored, clamped; whole numbers are rounded: the
        inverse of `signed`, exactly for whole numbers, to 1e-6 of the range for floats."""
        if not x.is_floating_point():
            kind = str(x.dtype).removeprefix("torch.")
            raise UserError(f"stored values: of {kind}: give floats on [-1, 1]")
        x = x.detach()
        if self.eight_bit:
            return x.add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        x = x.to(torch.float32).clamp(-1.0, 1.0)
        low, half = self._ends(x)
        values = (x + 1.0) * half + low
        return (values.round() if self.integer else values).to(self.torch_dtype)

    def above_low(self, images: Tensor) -> Tensor:
        """Stored -> v - low, 0 .. high - low, [N,C,H,W] float32, exact for whole numbers."""
        self.check(images, "images")
        x = images.to(torch.float32)
        if self.eight_bit:
            return x
        low, high = (self._of(ends, x.device, x.dtype) for ends in (self.low, self.high))
        return torch.minimum((x - low).clamp_(min=0.0), high - low)

    def quantize(self, images: Tensor, levels: int) -> Tensor:
        """Stored -> level 0 .. levels-1 of as many equal parts of the range, int64.

        Of whole numbers floor((v - low) levels / (high - low + 1)), so that each of `self.levels`
        values is its own level where there are so many; of floats floor(x levels) on [0, 1].
        """
        self.check(images, "quantize")
        if self.eight_bit:
            return (images.to(torch.int64) * levels) >> 8
        if not self.integer:
            parts = (self.unit_interval(images) * levels).to(torch.int64)
            return parts.clamp_(max=levels - 1)
        low, high = (self._of(ends, images.device, torch.int64) for ends in (self.low, self.high))
        count = high - low + 1
        within = torch.minimum((images.to(torch.int64) - low).clamp_(min=0), count - 1)
        return (within * levels).div_(count, rounding_mode="floor")

    def from_levels(self, levels: Tensor, n: int) -> Tensor:
        """Levels 0 .. n-1 -> an image on [-1, 1] whose stored values have these levels:

            quantize(stored(from_levels(levels, n)), n) == levels

        Level k lies at 2k/(n-1) - 1, so that the end levels are the ends of the range; where whole
        numbers round that out of the level's part of the range, at the nearest one in it.
        """
        even = levels.to(torch.float32) * (2.0 / (n - 1)) - 1.0
        if not self.integer:
            return even
        low, high = (self._of(ends, levels.device, torch.int64) for ends in (self.low, self.high))
        count = high - low + 1
        least, most = -((-count * levels) // n), -((-count * (levels + 1)) // n) - 1
        at = self.stored(even).to(torch.int64) - low
        held = torch.minimum(torch.maximum(at, least), most)
        moved = self.signed((held + low).to(self.torch_dtype))
        return torch.where(at == held, even, moved)

    def pictures(self, images: Tensor) -> Tensor:
        """Stored -> uint8 [N,C,H,W] for the eye and for scores of pictures: low is 0, high 255."""
        return images if self.eight_bit else EIGHT_BIT.stored(self.signed(images))

    def _ends(self, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """Low and half the length of the range, to be broadcast over [N,C,H,W]."""
        halves = tuple((high - low) / 2 for low, high in zip(self.low, self.high, strict=True))
        if not self.per_channel:
            return self.low[0], halves[0]
        return self._of(self.low, like.device, like.dtype), self._of(
            halves, like.device, like.dtype
        )

    def _of(self, values: tuple[float, ...], device: Any, dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, device=device, dtype=dtype).view(-1, 1, 1)


EIGHT_BIT = Values()
