"""Image batches as pictures for the eye, grids, PNG files and data URIs.

Shapes: N images · C channels (of pictures 1 grey, 3 RGB) · H, W height and width
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from genarium.contract import Spec, to_uint8
from genarium.data.showing import EACH, in_words, usual
from genarium.drawing.files import write

FILL = 128  # between the cells: mid-grey parts black digits from white ones on any page


def as_uint8(images: Tensor) -> Tensor:
    """uint8 as it is; floats on [-1, 1] rounded to uint8 (clamped; NaN becomes mid-grey)."""
    images = images.detach().cpu()
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}: expected uint8, or floats on [-1, 1]")
    return to_uint8(images.to(torch.float32).nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0))


def for_the_eye(
    images: Tensor, spec: Spec | None = None, domain: str = "a", *, stored: bool = False
) -> Tensor:
    """Images [...,C,H,W] of any channels as pictures for the eye: uint8, of 1 channel or 3.

    images: floats on [-1, 1], or uint8 pictures of the same range; stored: as the data of `spec`
    are, in their type and units. spec: of the data, whose `shown` says which channels and how (see
    `genarium.data.showing`); None: the usual ones. domain: of a model that translates, "a" or "b".

    Of `--show each` the channels stand side by side, W' = C (W + 1) - 1; else W' = W.
    """
    if stored and spec is not None:
        images = spec.values_of(domain).pictures(images)
    images = as_uint8(images)
    channels, width = images.shape[-3], images.shape[-1]
    shown = spec.shown_of(domain) if spec is not None else ()
    if shown == EACH:
        gaps = torch.nn.functional.pad(images, (0, 1), value=FILL).movedim(-3, -2)
        side_by_side = gaps.flatten(-2)[..., : channels * (width + 1) - 1]
        return side_by_side.unsqueeze(-3)
    if shown or channels not in (1, 3):
        images = images[..., list(shown or usual(channels)), :, :]
    if images.shape[-3] == 2:  # magenta is red and blue
        images = images[..., [0, 1, 0], :, :]
    return images


def legend(spec: Spec, domain: str = "a") -> str:
    """What a picture for the eye stands for, in words: "darkest to brightest: 0 to 4,095 counts";
    "" of 8 bits in grey or RGB."""
    values, shown = spec.values_of(domain), spec.shown_of(domain)
    tones = "" if values.eight_bit else f"darkest to brightest: {values.span}"
    return "; ".join(part for part in (tones, in_words(shown, spec.domain(domain)[0])) if part)


def promote(*batches: Tensor) -> list[Tensor]:
    """Batches [N,C,H,W] as pictures of one channel count: RGB as soon as one of them is RGB."""
    for batch in batches:
        if batch.ndim != 4 or not batch.shape[1]:
            raise ValueError(f"images have shape {tuple(batch.shape)}: expected [N,C,H,W]")
    batches = tuple(map(for_the_eye, batches))
    channels = max((batch.shape[1] for batch in batches), default=1)
    return [batch.expand(-1, channels, -1, -1) for batch in batches]


def grid(
    images: Tensor | Sequence[Tensor],
    columns: int | None = None,
    pad: int = 2,
    fill: int = FILL,
) -> Tensor:
    """Images in rows, left to right and top to bottom, `pad` pixels around and between them.

    images: [N,C,H,W], uint8 or floats on [-1, 1], or a sequence of such batches of one H and W,
    which are put one after the other (grey ones become RGB beside RGB ones).
    columns: cells a row; None gives the smallest square, ceil(sqrt(N)).
    Returns uint8 [C, rows·(H+pad)+pad, columns·(W+pad)+pad]; cells without an image and the
    gaps have the value `fill`. Raises ValueError on an empty batch or other shapes.
    """
    batches = promote(*([images] if isinstance(images, Tensor) else images))
    if len({batch.shape[2:] for batch in batches}) > 1:
        sizes = ", ".join(f"{b.shape[2]}x{b.shape[3]}" for b in batches)
        raise ValueError(f"images of one grid must have one size, not {sizes}")
    if not batches or not sum(batch.shape[0] for batch in batches):
        raise ValueError("a grid needs at least one image")
    cells = torch.cat(batches)
    count, channels, height, width = cells.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns is {columns}: expected at least 1")
    rows = math.ceil(count / columns)

    missing = rows * columns - count
    if missing:
        blank = torch.full((missing, channels, height, width), fill, dtype=torch.uint8)
        cells = torch.cat([cells, blank])
    # A gap above and left of each cell, then the cells side by side; the last gap at the end.
    framed = torch.nn.functional.pad(cells, (pad, 0, pad, 0), value=fill)
    framed = framed.reshape(rows, columns, channels, height + pad, width + pad)
    whole = framed.permute(2, 0, 3, 1, 4).reshape(
        channels, rows * (height + pad), columns * (width + pad)
    )
    return torch.nn.functional.pad(whole, (0, pad, 0, pad), value=fill)


def _pillow(image: Tensor) -> Image.Image:
    if image.ndim == 4:
        image = grid(image)
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"an image has shape {tuple(image.shape)}: expected [C,H,W] with 1 or 3 channels"
        )
    array = as_uint8(image).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def png_bytes(image: Tensor) -> bytes:
    """A lossless PNG of [C,H,W] or [H,W] (uint8, or floats on [-1, 1]); a batch becomes a grid."""
    buffer = io.BytesIO()
    _pillow(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def save_png(path: str | Path, image: Tensor) -> Path:
    """Write `png_bytes(image)`; missing parent folders are made. Returns the path."""
    return write(Path(path), png_bytes(image))


def data_uri(image: Tensor) -> str:
    """The PNG of `image` as a `data:` address, for a page that needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode("ascii")
