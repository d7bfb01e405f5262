"""Frames as an animation: GIF (256 colours, any program shows it) or WebP (lossless)."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image
from torch import Tensor

from genarium.drawing.images import as_uint8

Kind = Literal["gif", "webp"]

SECONDS = 0.08
"""How long a frame stands."""
SIDE = 256
"""Smaller frames are enlarged in whole steps to about as many pixels."""


def animation(frames: Tensor, kind: Kind, *, seconds: float = SECONDS) -> bytes:
    """Frames [S,C,H,W] (uint8, or floats on [-1, 1]) there and back, for ever, as a file's bytes.

    Raises ValueError for no frames.
    """
    if frames.ndim != 4 or not len(frames) or frames.shape[1] not in (1, 3):
        raise ValueError(f"frames have shape {tuple(frames.shape)}: expected [S,1 or 3,H,W]")
    frames = as_uint8(frames)
    times = max(1, round(SIDE / max(frames.shape[-2:])))
    frames = frames.repeat_interleave(times, -1).repeat_interleave(times, -2)
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    pictures = [
        Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        for array in frames.permute(0, 2, 3, 1).contiguous().numpy()
    ]
    if kind == "webp":
        pictures = [picture.convert("RGB") for picture in pictures]
    first, *rest = [pictures[i] for i in order]
    buffer = io.BytesIO()
    how = {"lossless": True} if kind == "webp" else {"optimize": False}
    first.save(
        buffer,
        kind.upper(),
        save_all=True,
        append_images=rest,
        duration=round(1000 * seconds),
        loop=0,
        **how,
    )
    return buffer.getvalue()
