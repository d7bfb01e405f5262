"""The density of the differential equation that a field makes.

Along dx/dt = v(x, t) the density changes by the divergence of v (Chen et al. 2018; Song et al.
2021):

    ln p(x_0) = ln N(x_T; 0, σ_T²I) + ∫_0^T ∇·v(x_t, t) dt

The divergence is the trace of the Jacobian. Exactly it costs D products with it; Hutchinson's
estimate eᵀ(∂v/∂x)e, with e of random signs, one, and is right on average (Grathwohl et al. 2019). A
row's signs stay the same along its way, so the equation that is solved is a smooth one.

    B batch · C channels · H, W pixels · D = C·H·W
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genarium.models.diffusion.solvers import Field, dopri5

EXACT = 16
"""Dimensions up to which the trace is computed exactly."""


def log_density(
    field: Field, x: Tensor, signs: Tensor | None = None, tolerance: float = 1e-3
) -> Tensor:
    """ln p(x) of images [B,C,H,W], [B] nats, as floats on the field's scale.

    signs: the e of each image, [B,C,H,W] of ±1; None for the exact trace. tolerance: of the solver
    (`solvers.dopri5`), for a pixel and for the nats of one dimension alike. It begins at
    `field.nearest`: the density is that of images with so much noise, which is none for velocities.
    """
    dims = x[0].numel()

    def rate(y: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        with torch.enable_grad():
            here = y[:, :dims].detach().view(-1, *x.shape[1:]).requires_grad_()
            v = field.velocity(here, t, rows)
            trace = exact_trace(v, here) if signs is None else estimated(v, here, signs[rows])
        return torch.cat([v.detach().flatten(1), trace[:, None] / dims], 1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
    end = dopri5(rate, start, field.nearest, field.farthest, tolerance, norm=largest)
    _, deviation = field.alpha_sigma(field.path.end)
    return log_normal(end[:, :dims], deviation) + dims * end[:, dims]


def largest(error: Tensor) -> Tensor:
    """The error of the pixels (root mean square) or of the density, whichever is larger, [b]."""
    return torch.maximum(error[:, :-1].square().mean(1).sqrt(), error[:, -1].abs())


def exact_trace(v: Tensor, x: Tensor) -> Tensor:
    """Σ_i ∂v_i/∂x_i of each row, [B]."""
    flat, total = v.flatten(1), torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for i in range(flat.shape[1]):
        (slope,) = torch.autograd.grad(flat[:, i].sum(), x, retain_graph=True)
        total = total + slope.flatten(1)[:, i]
    return total


def estimated(v: Tensor, x: Tensor, signs: Tensor) -> Tensor:
    """eᵀ(∂v/∂x)e of each row, [B]; its mean over random signs e is the trace."""
    (product,) = torch.autograd.grad((v * signs).sum(), x)
    return (product * signs).flatten(1).sum(1)


def log_normal(x: Tensor, deviation: float) -> Tensor:
    """ln N(x; 0, deviation²·I) of rows [B,D], [B] nats."""
    dims = x.shape[1]
    constant = dims * (0.5 * math.log(2 * math.pi) + math.log(deviation))
    return -0.5 * (x / deviation).square().sum(1) - constant
