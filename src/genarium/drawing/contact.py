"""Contact sheets: many pictures on one page, those of a class in rows beside its name.

Shapes: N images · C channels (1 grey, 3 RGB) · H, W height and width
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genarium.drawing.images import FILL, as_uint8, grid

LEAST = 48  # smaller pictures are enlarged, in whole multiples, to about this many pixels
ACROSS = 16  # pictures in a row, at most
PAD = 2
SIZE = 13  # of the letters, in pixels
WIDEST = 150  # of the names, in pixels
PAPER, INK = 255, 40


def contact_sheet(
    images: Tensor,
    labels: Sequence[int] | None = None,
    names: Sequence[str] = (),
    columns: int | None = None,
) -> Tensor:
    """Images [N,C,H,W] as one picture, uint8 [C,H',W'].

    labels: a row for each number, in rising order (several rows, where there are more images than
    columns), with its name at the left; None: a plain grid. names: by number; a number without one
    stands for itself. columns: pictures in a row (default: as many as the largest class has, 16 at
    most). Raises ValueError for no images.
    """
    cells = _enlarged(as_uint8(images))
    if labels is None:
        return grid(cells, columns=columns, pad=PAD)
    classes = sorted(set(labels))
    own = [[i for i, label in enumerate(labels) if label == number] for number in classes]
    columns = columns or min(ACROSS, max(map(len, own), default=1))
    words = [names[number] if number < len(names) else str(number) for number in classes]
    font = ImageFont.load_default(SIZE)
    words = [_cut(word, font) for word in words]
    width = max((int(font.getlength(word)) for word in words), default=0) + 12
    rows = [
        _row(grid(_filled(cells[rows], columns), columns=columns, pad=PAD), word, width, font)
        for rows, word in zip(own, words)
    ]
    return torch.cat(rows, 1)


def _enlarged(images: Tensor) -> Tensor:
    """Small pictures, each pixel as a square of pixels."""
    times = max(1, round(LEAST / max(images.shape[-2:])))
    return images.repeat_interleave(times, -1).repeat_interleave(times, -2)


def _filled(images: Tensor, columns: int) -> Tensor:
    """Whole rows: what is missing in the last is paper, as large as the pictures."""
    missing = -len(images) % columns
    return torch.cat([images, images.new_full((missing, *images.shape[1:]), FILL)])


def _cut(word: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A name that fits; its end is left out where it is too long."""
    if font.getlength(word) <= WIDEST:
        return word
    while word and font.getlength(word + "...") > WIDEST:
        word = word[:-1]
    return word + "..."


def _row(
    picture: Tensor, word: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Tensor:
    """A picture with a word at its left."""
    height = picture.shape[1]
    page = Image.new("L", (width, height), PAPER)
    ImageDraw.Draw(page).text((width - 6, height / 2), word, fill=INK, font=font, anchor="rm")
    label = torch.from_numpy(np.array(page))[None].expand(len(picture), -1, -1)
    return torch.cat([label, picture], 2)
