"""Thumbnails of any number of images, a part of them in memory at a time.

Images that are no larger than a thumbnail are thumbnails: those of a data set then stay where they
are, in its memory-mapped cache. Others are made once and wait in a temporary file, but for the
first 64 MiB of them.

Shapes: N images · C channels · H, W height and width · c, h, w of the thumbnails
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.images import Images, Stored, shape_of
from genarium.evaluation.metrics.grey import check_images, to_grey
from genarium.evaluation.scores.score import Undefined

SIDE = 32  # the longer side of a thumbnail, at most
LEAST = 8  # the shorter side of images that can be compared
PIECE = 4096  # thumbnails that are looked at together, at most
NUMBERS = 1 << 22  # and pixels of images that are read together
MEMORY = 64 << 20  # bytes of thumbnails that wait in memory; more wait in a temporary file


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """(h, w): no side longer than 32 and none shorter than 8, in proportion where that fits."""
    scale = min(1.0, SIDE / max(height, width))
    return max(LEAST, round(height * scale)), max(LEAST, round(width * scale))


def thumbnail_shape(channels: int, height: int, width: int) -> tuple[int, int, int]:
    """(c, h, w) of the thumbnails of images (C, H, W)."""
    return channels, *thumbnail_size(height, width)


def thumbnails(images: Tensor, like: tuple[int, int, int] | None = None) -> Tensor:
    """uint8 [N,C,H,W] -> uint8 [N,c,h,w]. like: the (c, h, w) wanted, c 1 or 3; own if None."""
    check_images(images)
    like = like or thumbnail_shape(*images.shape[1:])
    if tuple(images.shape[1:]) == like:
        return images
    channels, height, width = like
    made = torch.empty(len(images), *like, dtype=torch.uint8)
    size = _together(images.shape[1:])
    for start, part in zip(range(0, len(images), size), images.split(size)):
        x = part.float() / 255 if part.shape[1] == channels else to_grey(part)
        x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
        made[start : start + size] = (255 * x).round_().clamp_(0, 255)
    return made


def thumbnails_of(images: Tensor | Images, like: tuple[int, int, int] | None = None) -> Tensor:
    """`thumbnails` of any set of images: themselves where they are thumbnails in a tensor, in
    memory where they are few, else in a temporary file that goes with them.

    Raises Undefined where that file cannot be written.
    """
    if isinstance(images, Tensor):
        images = Stored(images)
    shape = shape_of(images)
    if shape is None:
        return torch.empty(0, *(like or (1, LEAST, LEAST)), dtype=torch.uint8)
    channels, height, width = shape
    like = like or thumbnail_shape(channels, height, width)
    stored = images if isinstance(images, Stored) and images.rows is None else None
    if stored is not None and stored.values.eight_bit and shape == like:
        return stored.images
    return _joined((thumbnails(p, like) for p in images.batches(_together(shape))), like)


def _together(shape: tuple[int, ...]) -> int:
    """How many images of a shape are read together."""
    return max(1, min(PIECE, NUMBERS // max(1, int(np.prod(shape)))))


def _joined(parts: Iterator[Tensor], shape: tuple[int, int, int]) -> Tensor:
    """uint8 parts [n,c,h,w] as one tensor, of a temporary file where they are more than MEMORY."""
    waiting: list[Tensor] = []
    total = 0
    with ExitStack() as stack:
        file = None
        for part in parts:
            waiting.append(part)
            total += part.numel()
            if total > MEMORY:
                with _writing():
                    file = file or stack.enter_context(tempfile.TemporaryFile(prefix="genarium-"))
                    file.writelines(one.contiguous().numpy().data for one in waiting)
                waiting = []
        if file is None:
            return torch.cat(waiting) if waiting else torch.empty(0, *shape, dtype=torch.uint8)
        with _writing():
            file.flush()
        # the system keeps a file without a name for as long as it is mapped
        return torch.from_numpy(np.memmap(file, np.uint8, "c").reshape(-1, *shape))


@contextmanager
def _writing() -> Iterator[None]:
    """Turns a full or missing disk into `Undefined` with the remedy."""
    try:
        yield
    except OSError as error:
        raise Undefined(
            f"copying: the thumbnails do not fit into {tempfile.gettempdir()} "
            f"({error.strerror or error}): free some space there, or name another folder by TMPDIR"
        ) from None


class Thumbs:
    """Thumbnails [N,c,h,w] that stay where they are: `parts`, one behind the other.

    rows: those of them that count, [N] int64; all if None.
    """

    def __init__(self, *parts: Tensor, rows: Tensor | None = None):
        self.parts, self.rows = parts, rows
        self.ends = torch.tensor([len(part) for part in parts]).cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1]) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        channels, height, width = self.parts[0].shape[1:]
        return channels, height, width

    def __getitem__(self, chosen: Tensor) -> Tensor:
        """Those of the given numbers, int64 of any shape [...] -> [...,c,h,w]."""
        rows = chosen if self.rows is None else self.rows[chosen]
        result = torch.empty(*chosen.shape, *self.shape, dtype=torch.uint8)
        begin = 0
        for part, end in zip(self.parts, self.ends.tolist()):
            here = (rows >= begin) & (rows < end)
            result[here] = part[rows[here] - begin]
            begin = end
        return result

    def pieces(self, begin: int = 0) -> Iterator[tuple[int, Tensor]]:
        """All from `begin` on, as (number of the first, uint8 [n,c,h,w]) with n <= PIECE."""
        for start in range(begin, len(self), PIECE):
            yield start, self[torch.arange(start, min(start + PIECE, len(self)))]

    def take(self, rows: Tensor) -> Thumbs:
        """Those of the given numbers [R]."""
        return Thumbs(*self.parts, rows=rows if self.rows is None else self.rows[rows])
