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
from genarium.runs.parts import as_set

ROWS, STEPS = 4, 9


def interpolations_of(
    model: Any,
    able: Sequence[str],
    test: Tensor,
    seed: int,
    settings: Settings | None = None,
) -> Interpolations:
    """Interpolations between codes: of test images where the model encodes, else of draws of its
    prior; spherical where the codes are draws of N(0, I) or like them.

    able: the model's capabilities, "decode" and one of "encode" and "prior" among them.
    test: uint8 [2R,C,H,W]; from image i of the first half to image i of the second.
    settings: of the draws, and of the ways to codes and back where these have some.
    """
    ends: Tensor | None = None
    if "encode" in able:
        rows = max(1, min(ROWS, len(test) // 2))
        ends = torch.stack([test[:rows], test[-rows:]], dim=1)
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        how = as_set(model.encode, settings)
        first, second = (model.encode(side.to(device), **how) for side in ends.unbind(1))
        # halfway between two draws of N(0, I) a straight line is too near the middle
        around = getattr(model, "gaussian_codes", False)
        kind = "spherical" if around else "linear"
        noise = getattr(model, "latent", None) if around else None
        codes = interpolate(first, second, STEPS, "spherical" if around else "linear", noise=noise)
    else:
        generator = torch.Generator().manual_seed(seed)
        own = {} if settings is None else {"settings": settings}
        draws = model.prior(2 * ROWS, generator=generator, **own)
        kind = "spherical"
        noise = getattr(model, "latent", None)  # a condition goes straight
        codes = interpolate(draws[:ROWS], draws[ROWS:], STEPS, noise=noise)
    rows, steps, size = codes.shape
    with_them = as_set(model.decode, settings)
    images = model.decode(codes.reshape(rows * steps, size), **with_them).detach().cpu()
    return Interpolations(as_uint8(images).reshape(rows, steps, *images.shape[1:]), kind, ends)
