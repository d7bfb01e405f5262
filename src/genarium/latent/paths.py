"""Paths between codes.

    Shoemake 1985, Animating rotation with quaternion curves (spherical interpolation)
    White 2016, Sampling generative networks (why codes of a Gaussian prior want it)

Shapes: n pairs · S steps · D latent size
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["spherical", "linear"]

PARALLEL = 1e-4
"""Sine of the angle below which two directions count as (anti)parallel: a float32 difference of
such vectors no longer says in which plane to turn, and arc and chord agree to 1e-8."""


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Linear interpolation (1 - t)·a + t·b, [..., D]; exactly a at t = 0 and b at t = 1.

    a, b: [..., D]. t: a number, or a tensor that broadcasts with [..., 1]; beyond 0 .. 1 it
    extrapolates.
    """
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Spherical interpolation of each pair of rows, [..., D]; exactly a at t = 0, b at t = 1.

    The direction runs along the great circle at constant angular speed, the norm linearly:

        ((1 - t)|a| + t|b|) · (sin((1 - t)w)·a/|a| + sin(t·w)·b/|b|) / sin w,  w the angle

    so vectors of one length keep it. In many dimensions draws of N(0, I) have nearly the same
    length √D, and a straight line between two passes at √(D/2), where the decoder was never
    trained. (The formula applied to a and b as they are would make |z(t)| depend on the angle.)
    Pairs that are parallel, antiparallel or hold a zero vector go the straight way.

    a, b: [..., D]. t: a number, or a tensor that broadcasts with [..., 1].
    """
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    straight = lerp(a, b, t)
    long_a, long_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    unit_a = a / torch.where(long_a == 0, 1.0, long_a)
    unit_b = b / torch.where(long_b == 0, 1.0, long_b)
    # acos of the dot product loses half the digits near pi, this form loses none.
    difference = (unit_a - unit_b).norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(difference, (unit_a + unit_b).norm(dim=-1, keepdim=True))
    sine = torch.sin(angle)
    flat = (sine < PARALLEL) | (long_a == 0) | (long_b == 0)
    direction = torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b
    arc = lerp(long_a, long_b, t) * direction / torch.where(flat, 1.0, sine)
    # at the ends rounding would move the last bit
    return torch.where(flat | (t == 0) | (t == 1), straight, arc)


def interpolate(
    a: Tensor, b: Tensor, steps: int, kind: Kind = "spherical", *, noise: int | None = None
) -> Tensor:
    """Paths of evenly spaced steps from a to b, both included: [n,D] and [n,D] -> [n,steps,D].

    kind: "spherical" suits a Gaussian prior, "linear" codes without one. noise: only the first
    `noise` columns follow `kind` and the rest go linearly; the code of a conditional GAN is
    noise, then its condition.

    Raises ValueError for other shapes, fewer than 2 steps or an unknown kind.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"codes must be two [n,D], not {list(a.shape)} and {list(b.shape)}")
    if steps < 2:
        raise ValueError(f"steps is {steps}: a path has at least 2, its ends")
    if kind not in ("spherical", "linear"):
        raise ValueError(f"kind is {kind!r}: choose spherical or linear")
    cut = a.shape[1] if noise is None else noise
    if not 0 <= cut <= a.shape[1]:
        raise ValueError(f"noise is {noise}: the codes have {a.shape[1]} columns")
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)[None, :, None]
    a, b = a[:, None], b[:, None]
    path = slerp if kind == "spherical" else lerp
    parts = [path(a[..., :cut], b[..., :cut], t), lerp(a[..., cut:], b[..., cut:], t)]
    return torch.cat(parts, dim=-1)
