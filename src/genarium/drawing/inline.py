"""Pictures in a notebook: HTML that needs no other file and no style sheet."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from genarium.drawing.images import data_uri

if TYPE_CHECKING:
    from torch import Tensor

MOST = 4
"""The largest enlargement: pictures of 16 pixels can be looked at, and pixels are still seen."""
SIDE = 600
"""Pixels of the longer side up to which a picture is enlarged."""


def figure(image: Tensor, caption: str = "", alt: str = "") -> str:
    """A picture, uint8 [C,H,W], with its caption; small ones in whole multiples of their size.

    The caption keeps its lines.
    """
    height, width = image.shape[-2:]
    times = max(1, min(MOST, SIDE // max(height, width)))
    drawn = (
        f'<img src="{data_uri(image)}" width="{times * width}" '
        f'style="max-width:100%;image-rendering:pixelated" alt="{html.escape(alt)}">'
    )
    words = f'<figcaption style="white-space:pre-wrap">{html.escape(caption)}</figcaption>'
    return f"<figure>{drawn}{words if caption else ''}</figure>"
