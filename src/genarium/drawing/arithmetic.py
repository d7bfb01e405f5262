"""Sums of codes as a picture: that of Radford, Metz & Chintala 2016, figure 7.

Up to three exemplars of each group above the image of their mean code, and the image of the result
amid eight of its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genarium.drawing.images import FILL, as_uint8, grid

SHOWN = 3  # exemplars of a group, and the side of the square of results


def draw(signs: Sequence[str], exemplars: list[Tensor], means: Tensor, around: Tensor) -> Tensor:
    """Columns of exemplars [n,C,H,W] over their means [G,C,H,W], then nine results [9,C,H,W]."""
    height, width = means.shape[-2:]
    gap = max(16, width // 2)  # holds a sign, and parts the columns
    parts: list[Tensor] = []
    for number, (sign, some, mean) in enumerate(zip(signs, exemplars, means)):
        if number or sign == "-":
            parts.append(_sign(sign, height, gap, means.shape[1]))
        column = as_uint8(some)
        blank = torch.full((SHOWN - len(column), *column.shape[1:]), FILL, dtype=torch.uint8)
        top = grid(torch.cat([column, blank]), columns=1, pad=1)
        parts.append(_stack(top, grid(mean[None], pad=1), height // 4))
    parts.append(_sign("=", height, gap, means.shape[1]))
    middle = around[SHOWN**2 // 2][None]
    parts.append(_stack(grid(around, columns=SHOWN, pad=1), grid(middle, pad=1), height // 4))
    edge = torch.full((means.shape[1], parts[0].shape[1], 3), FILL, dtype=torch.uint8)
    return torch.cat([edge, *parts, edge], dim=2)


def _stack(top: Tensor, bottom: Tensor, gap: int) -> Tensor:
    """`bottom` [C,h,w] centred below `top` [C,H,W], `gap` pixels away."""
    left = (top.shape[2] - bottom.shape[2]) // 2
    right = top.shape[2] - bottom.shape[2] - left
    row = torch.nn.functional.pad(bottom, (left, right, gap, 0), value=FILL)
    return torch.cat([top, row], dim=1)


def _sign(sign: str, height: int, width: int, channels: int) -> Tensor:
    """A strip [C,rows,width] as high as the picture, with +, - or = beside the means."""
    rows = SHOWN * (height + 1) + 1 + height // 4 + height + 2
    strip = torch.full((channels, rows, width), FILL, dtype=torch.uint8)
    y, x, arm = rows - 1 - (height + 1) // 2, width // 2, 4
    bars = (-2, 2) if sign == "=" else (0,)
    for bar in bars:
        strip[:, y + bar - 1 : y + bar + 1, x - arm : x + arm] = 255
    if sign == "+":
        strip[:, y - arm : y + arm, x - 1 : x + 1] = 255
    return strip
