"""Padding by reflection of maps that lie channels-last, a CPU's way.

There a pixel is a run of channels, so that padding is a look-up of rows in a table. Its gradient,
in which the rim comes back onto what it was copied from, is a sum of looked-up rows. PyTorch's
own kernels for both go channel by channel. The numbers are the same.

    B batch · C channels · H, W sides · P width of the rim, less than H and W
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn


@lru_cache(maxsize=64)
def _sources(batch: int, height: int, width: int, by: int) -> Tensor:
    """Which pixel each pixel of the padded maps shows, [B·(H+2P)·(W+2P)] of B·H·W."""
    pixels = torch.arange(batch * height * width, dtype=torch.float64)
    padded = nn.functional.pad(pixels.view(batch, 1, height, width), (by,) * 4, mode="reflect")
    return padded.flatten().long()


@lru_cache(maxsize=64)
def _shown_by(batch: int, height: int, width: int, by: int) -> tuple[Tensor, Tensor]:
    """The padded pixels that show each pixel: one list after the other, and where each starts."""
    sources = _sources(batch, height, width, by)
    order = sources.argsort(stable=True)
    return order, torch.searchsorted(sources[order], torch.arange(batch * height * width))


class _Padded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, by: int) -> Tensor:
        ctx.by = by
        batch, height, width, channels = x.shape
        rows = x.reshape(-1, channels).index_select(0, _sources(batch, height, width, by))
        return rows.view(batch, height + 2 * by, width + 2 * by, channels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Folded.apply(grad, ctx.by), None


class _Folded(torch.autograd.Function):
    """The adjoint: ⟨padded(x), y⟩ = ⟨x, folded(y)⟩."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, by: int) -> Tensor:
        ctx.by = by
        batch, *sides, channels = y.shape
        height, width = (side - 2 * by for side in sides)
        order, starts = _shown_by(batch, height, width, by)
        rows = nn.functional.embedding_bag(order, y.reshape(-1, channels), starts, mode="sum")
        return rows.view(batch, height, width, channels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Padded.apply(grad, ctx.by), None


def reflect(x: Tensor, by: int) -> Tensor:
    """x [B,C,H,W] -> [B,C,H+2P,W+2P] with P = `by`; the rim mirrors what lies behind the edge."""
    lies = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    if lies and not torch.compiler.is_compiling():  # a compiler writes its own kernel
        result: Tensor = _Padded.apply(x.permute(0, 2, 3, 1), by)
        return result.permute(0, 3, 1, 2)
    return nn.functional.pad(x, (by,) * 4, mode="reflect")
