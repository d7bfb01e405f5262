"""Sets of images that are read in batches: of any number, one batch in memory at a time.

`evaluate_images` takes anything that has these four members. `Stored` reads a tensor (a data set's
may be mapped from the disk), `Drawn` asks a function; `genarium.data.stream` reads folders and
.npz files. Images are pictures of 8 bits here: other values become them over their range, one batch
at a time.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, overload

import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Values, to_uint8
from genarium.errors import UserError
from genarium.evaluation.metrics.grey import check_images


class Images(Protocol):
    """uint8 images in an order that never changes.

    warnings: what was wrong with some of them, complete when they have been read.
    """

    @property
    def warnings(self) -> list[str]: ...

    def __len__(self) -> int:
        """How many there are; fewer may come where some cannot be read."""
        ...

    def batches(self, batch: int) -> Iterator[Tensor]:
        """All of them, uint8 [B,C,H,W] with B <= batch; the sizes of batches may differ."""
        ...

    def take(self, rows: Tensor) -> Images:
        """Those of the given numbers [R] int64, ascending."""
        ...


class Stored:
    """The images of a tensor [N,C,H,W]; rows: only those, [R] int64. values: what its stored values
    mean; they come as pictures of 8 bits."""

    def __init__(self, images: Tensor, rows: Tensor | None = None, values: Values = EIGHT_BIT):
        if values.eight_bit:
            check_images(images)
        self.images, self.rows, self.values = images, rows, values
        self.warnings: list[str] = []

    def __len__(self) -> int:
        return len(self.images) if self.rows is None else len(self.rows)

    def batches(self, batch: int) -> Iterator[Tensor]:
        return map(self.values.pictures, self.kept(batch))

    def kept(self, batch: int) -> Iterator[Tensor]:
        """As `batches`, of the type that they are stored as: what a model takes."""
        for start in range(0, len(self), batch):
            part = slice(start, start + batch)
            yield self.images[part if self.rows is None else self.rows[part]]

    def take(self, rows: Tensor) -> Stored:
        return Stored(self.images, rows if self.rows is None else self.rows[rows], self.values)


class Seen:
    """Images of stored values [B,C,H,W] that are read in batches, as pictures of 8 bits over the
    range of `values`. UserError for values of another type."""

    def __init__(self, images: Images, values: Values, where: str = "images"):
        self.images, self.values, self.where = images, values, where

    @property
    def warnings(self) -> list[str]:
        return self.images.warnings

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, batch: int) -> Iterator[Tensor]:
        for part in self.images.batches(batch):
            self.values.check(part, self.where)
            yield self.values.pictures(part)

    def take(self, rows: Tensor) -> Seen:
        return Seen(self.images.take(rows), self.values, self.where)


class Drawn:
    """`count` images of a function: draw(n) -> [n,C,H,W], uint8 or floats on [-1, 1].

    It is called once a batch, in order, so that it may draw from a generator of its own. Raises
    UserError for images of another form or with pixels that are not finite.
    """

    def __init__(self, draw: Callable[[int], Tensor], count: int):
        self.draw, self.count = draw, count
        self.warnings: list[str] = []

    def __len__(self) -> int:
        return self.count

    def batches(self, batch: int) -> Iterator[Tensor]:
        for start in range(0, self.count, batch):
            size = min(batch, self.count - start)
            drawn = self.draw(size)
            if drawn.ndim != 4 or len(drawn) != size or not drawn.shape[1]:
                raise UserError(
                    f"the function gave {list(drawn.shape)} for {size} images: give [n,C,H,W]"
                )
            if drawn.dtype != torch.uint8:
                if not torch.isfinite(drawn).all():
                    raise UserError("the function gave pixels that are not finite")
                drawn = to_uint8(drawn)
            yield drawn.cpu()

    def take(self, rows: Tensor) -> Drawn:
        return Drawn(self.draw, len(rows))  # draws are exchangeable


def as_images(images: Tensor | Images) -> Images:
    """A tensor as `Images`."""
    return Stored(images) if isinstance(images, Tensor) else images


def shape_of(images: Tensor | Images) -> tuple[int, ...] | None:
    """(C, H, W) of the first image that can be read; None where there is none."""
    if isinstance(images, Tensor):
        return tuple(images.shape[1:])
    first = next(images.batches(1), None)
    return None if first is None else tuple(first.shape[1:])


@overload
def thin(images: Stored, n: int) -> Stored: ...
@overload
def thin(images: Images, n: int) -> Images: ...
def thin(images: Images, n: int) -> Images:
    """At most n images, the same random ones for the same counts, in their order.

    Not the first n and not each k-th: a set may be sorted by class, or go through them in turn.
    """
    rows = thinned(len(images), n)
    return images if rows is None else images.take(rows)


def thinned(total: int, n: int) -> Tensor | None:
    """The rows that `thin` takes, None for all."""
    if total <= n:
        return None
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    return order[:n].sort().values
