"""What a model knows about the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from genarium.contract.values import EIGHT_BIT, Values


class Attribute(NamedTuple):
    """A column of the attributes that a data set knows of each image.

    values: the names of its values, which the column numbers from 0; empty: a number.
    """

    name: str
    values: tuple[str, ...] = ()


class Tones(NamedTuple):
    """What the values of the training images are, for what a model takes from the data.

    mean: of each channel, on [0, 1]. ends: share of the values within an eighth of black or white.
    """

    mean: tuple[float, ...]
    ends: float


@dataclass(frozen=True)
class Spec:
    """What the data look like; the first argument of every recipe.

    channels: 1 is grey and 3 RGB; any other number is of what the data set measures. height, width:
    pixels. classes: the class names, in label
    order; empty when the data carry no labels. attributes: the columns of `extra["factors"]`.
    vectors: names and lengths of the other float vectors in `extra`. binarized: "static" where
    every pixel is 0 or 255 by a fixed draw, "dynamic" where grey pixels are to be drawn anew at
    each use (`--binarize`), else "". second: (C, H, W) of the images of a second domain, which are
    `extra["b"]`; None: there is one domain. paired: whether row i of both belongs together.
    caption_bytes: T of the rows `extra["captions"]` [N,K,T] of UTF-8 bytes (see
    `genarium.data.text`); 0 where the data carry no captions. tones: of the training images, None
    where nobody looked. values: how the images are stored and what [-1, 1] stands for;
    second_values: how those of a second domain are. shown: the channels that pictures for the eye
    are made of (`genarium.data.showing`), empty for the usual ones. Tones and what is
    shown are of what the data are, not of their form, so specs compare without them.
    """

    channels: int
    height: int
    width: int
    classes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    vectors: tuple[tuple[str, int], ...] = ()
    binarized: str = ""
    second: tuple[int, int, int] | None = None
    paired: bool = False
    caption_bytes: int = 0
    tones: Tones | None = field(default=None, compare=False)
    values: Values = EIGHT_BIT
    second_values: Values = EIGHT_BIT
    shown: tuple[int, ...] = field(default=(), compare=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.channels, self.height, self.width)

    @property
    def dims(self) -> int:
        """C·H·W, the number of dimensions that bits per dimension divides by."""
        return self.channels * self.height * self.width

    @property
    def planar(self) -> bool:
        """Whether an image is a point of the plane: one row of two grey pixels, x and y."""
        return self.shape == (1, 1, 2)

    def domain(self, name: str) -> tuple[int, int, int]:
        """(C, H, W) of the images of domain "a" (the first, `shape`) or "b" (the second)."""
        if name == "a" or self.second is None:
            return self.shape
        return self.second

    def in_words(self) -> str:
        """How images that are not of 8 bits on 0 to 255 are stored, "" for those that are."""
        parts = [
            f"{name}{values.dtype}, {values.span} ({values.rule})"
            for name, values in (("", self.values), ("b ", self.second_values))
            if not values.eight_bit
        ]
        return "; ".join(parts)

    def shown_of(self, domain: str) -> tuple[int, ...]:
        """`shown`, for domain "a" or "b": the usual channels where the second has not the same."""
        channels = self.domain(domain)[0]
        return self.shown if all(channel < channels for channel in self.shown) else ()

    def values_of(self, domain: str) -> Values:
        """What the stored values of domain "a" (the first) or "b" (the second) mean."""
        return self.values if domain == "a" or self.second is None else self.second_values
