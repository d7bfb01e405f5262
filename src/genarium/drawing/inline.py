"""Pictures in a notebook: HTML that needs no other file and no style sheet."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MOST = 4
"""The largest enlargement: pictures of 16 pixels can be looked at, and pixels are still seen."""
SIDE = 600
"""Pixels of the longer side up to which a picture is enlarged."""


def figure(image: Tensor, caption: str = "", alt: str = "") -> str:
    """A picture, uint8 [C,H,W], with its caption; see `of_png`."""
    from genarium.drawing.images import png_bytes

    return of_png(png_bytes(image), caption, alt)


def of_png(png: bytes, caption: str = "", alt: str = "") -> str:
    """A picture with its caption, which keeps its lines; small ones in whole multiples of their
    size."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        width, height = opened.size
    times = max(1, min(MOST, SIDE // max(height, width)))
    drawn = (
        f'<img src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}" '
        f'width="{times * width}" style="max-width:100%;image-rendering:pixelated" '
        f'alt="{html.escape(alt)}">'
    )
    words = f'<figcaption style="white-space:pre-wrap">{html.escape(caption)}</figcaption>'
    return f"<figure>{drawn}{words if caption else ''}</figure>"
