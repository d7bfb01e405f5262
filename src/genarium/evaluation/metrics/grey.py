"""uint8 images as grey floats, and the check that they are such.

Shapes: N images · C channels, of which 3 are RGB · H, W height and width
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_images(images: Tensor) -> None:
    """Raise ValueError unless `images` is uint8 [N,C,H,W] with a channel or more."""
    if images.dtype != torch.uint8 or images.ndim != 4 or not images.shape[1]:
        raise ValueError(
            f"images must be uint8 [N,C,H,W], not {images.dtype} {list(images.shape)}".replace(
                "torch.", ""
            )
        )


def to_grey(images: Tensor) -> Tensor:
    """uint8 [N,C,H,W] -> grey floats on [0, 1], [N,1,H,W]: Y = .299 R + .587 G + .114 B; of any
    other number of channels their mean."""
    unit = images.to(torch.float32) / 255.0
    if images.shape[1] == 1:
        return unit
    if images.shape[1] != 3:
        return unit.mean(dim=1, keepdim=True)
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    return (unit * weights).sum(dim=1, keepdim=True)
