"""Walks between codes.

Shapes: R walks · S steps · D latent size · C, H, W an image
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.report.facts import Interpolations
from genarium.report.images import as_uint8

ROWS, STEPS = 4, 9


def linear(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Codes [R,D] and [R,D] -> [R,S,D] on the straight lines between them, ends included."""
    t = torch.linspace(0, 1, steps, device=a.device)[None, :, None]
    return (1 - t) * a[:, None] + t * b[:, None]


def spherical(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Spherical interpolation (Shoemake 1985), [R,D] and [R,D] -> [R,S,D], ends included.

    sin((1-t)·w)/sin(w)·a + sin(t·w)/sin(w)·b with w the angle between a and b: in many
    dimensions normal draws lie near a sphere, and a straight line would leave it. Falls back to
    the straight line where a and b are (anti)parallel.
    """
    t = torch.linspace(0, 1, steps, device=a.device)[None, :, None]
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1, 1)
    angle = torch.acos(cosine)[:, None, None]
    sine = torch.sin(angle)
    parallel = sine < 1e-4
    sine = torch.where(parallel, torch.ones_like(sine), sine)
    arc = (torch.sin((1 - t) * angle) * a[:, None] + torch.sin(t * angle) * b[:, None]) / sine
    return torch.where(parallel, linear(a, b, steps), arc)


def interpolate(model: Any, able: Sequence[str], test: Tensor, seed: int) -> Interpolations:
    """Walks between codes: of test images where the model encodes, else of draws of its prior.

    able: the model's capabilities, "decode" and one of "encode" and "prior" among them.
    test: uint8 [2R,C,H,W]; image i of the first half walks to image i of the second.
    """
    ends: Tensor | None = None
    if "encode" in able:
        rows = max(1, min(ROWS, len(test) // 2))
        ends = torch.stack([test[:rows], test[-rows:]], dim=1)
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        first, second = (model.encode(side.to(device)) for side in ends.unbind(1))
        codes = linear(first, second, STEPS)
        kind = "linear"
    else:
        generator = torch.Generator().manual_seed(seed)
        draws = model.prior(2 * ROWS, generator=generator)
        codes, kind = spherical(draws[:ROWS], draws[ROWS:], STEPS), "spherical"
    rows, steps, size = codes.shape
    images = model.decode(codes.reshape(rows * steps, size)).detach().cpu()
    return Interpolations(as_uint8(images).reshape(rows, steps, *images.shape[1:]), kind, ends)
