"""Sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000).

    sharpness(x) = Var over pixels of (x ∗ [[0,1,0],[1,-4,1],[0,1,0]])

of the grey image on [0, 1], border pixels left out; so its unit is grey level squared. Blur lowers
it and noise raises it, so neither high nor low is good: read it beside the value of real images of
the same size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genarium.evaluation.metrics.grey import check_images, to_grey


def sharpness(images: Tensor) -> Tensor:
    """Variance of the Laplacian of each of uint8 [N,C,H,W], [N] float32.

    Raises ValueError for images of another type or shape, or smaller than 3x3.
    """
    check_images(images)
    if min(images.shape[2:]) < 3:
        raise ValueError(f"the Laplacian needs images of at least 3x3, not {list(images.shape)}")
    parts = [_variance(part) for part in images.split(256) if len(part)]
    return torch.cat(parts) if parts else torch.empty(0)


def _variance(images: Tensor) -> Tensor:
    x = to_grey(images)[:, 0]
    centre = x[:, 1:-1, 1:-1]
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return (around - 4 * centre).flatten(1).var(dim=1, correction=0)
