"""Interpolations between codes.

Shapes: R interpolations · S steps · D latent size · C, H, W an image
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Settings
from genarium.drawing.images import as_uint8
from genarium.latent import interpolate
from genarium.report.records import Interpolations

ROWS, STEPS = 4, 9


def interpolations_of(
    model: Any,
    able: Sequence[str],
    test: Tensor,
    seed: int,
    settings: Settings | None = None,
) -> Interpolations:
    """Interpolations between codes: of test images where the model encodes, else of draws of its
    prior.

    able: the model's capabilities, "decode" and one of "encode" and "prior" among them.
    test: uint8 [2R,C,H,W]; from image i of the first half to image i of the second.
    settings: of the draws, as the model declares them.
    """
    ends: Tensor | None = None
    if "encode" in able:
        rows = max(1, min(ROWS, len(test) // 2))
        ends = torch.stack([test[:rows], test[-rows:]], dim=1)
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        first, second = (model.encode(side.to(device)) for side in ends.unbind(1))
        kind = "linear"
        codes = interpolate(first, second, STEPS, "linear")
    else:
        generator = torch.Generator().manual_seed(seed)
        how = {} if settings is None else {"settings": settings}
        draws = model.prior(2 * ROWS, generator=generator, **how)
        kind = "spherical"
        noise = getattr(model, "latent", None)  # a condition goes straight
        codes = interpolate(draws[:ROWS], draws[ROWS:], STEPS, noise=noise)
    rows, steps, size = codes.shape
    images = model.decode(codes.reshape(rows * steps, size)).detach().cpu()
    return Interpolations(as_uint8(images).reshape(rows, steps, *images.shape[1:]), kind, ends)
