"""Inversion: the code whose image is nearest to a given one, for any differentiable decoder.

    Zhu et al. 2016, Generative visual manipulation on the natural image manifold
    Lipton & Tripathi 2017, Precise recovery of latent vectors from generative adversarial networks

Shapes: N images · R restarts · D latent size · P draws · C, H, W an image
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Decoder = Callable[[Tensor], Tensor]
"""Codes [B,D] -> images [B,C,H,W] on [-1, 1], differentiable, each row by itself."""

AT_ONCE = 128
"""Codes decoded together. A fixed number: memory stays bounded and results repeatable."""


class Inversion(NamedTuple):
    """codes: [N,D]. mse: [N], mean squared error a pixel with pixels on [0, 1], as elsewhere."""

    codes: Tensor
    mse: Tensor


def pixel_mse(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean squared error a pixel of images [B,C,H,W] on [-1, 1], as of pixels on [0, 1]: [B]."""
    return ((decoded - images) / 2).square().flatten(1).mean(1)


def nearest_draws(decode: Decoder, draws: Tensor, images: Tensor, restarts: int) -> Tensor:
    """Of the codes `draws` [P,D], the `restarts` whose images are nearest to each image: [R,N,D].

    Where to start `invert`: far better than as many draws at random, for one decoding of P codes.
    Raises ValueError for fewer draws than restarts.
    """
    if not 1 <= restarts <= len(draws):
        raise ValueError(f"restarts is {restarts}: there are {len(draws)} draws to start from")
    with torch.no_grad():
        decoded = torch.cat([decode(z) for z in draws.split(AT_ONCE)]).flatten(1)
        # |x - y|² = |x|² + |y|² - 2 x·y would cancel; N·P distances are few.
        distances = torch.cdist(
            images.flatten(1), decoded, compute_mode="donot_use_mm_for_euclid_dist"
        )
    best = distances.topk(restarts, dim=1, largest=False).indices  # [N,R]
    return draws[best.T]


def invert(
    decode: Decoder,
    start: Tensor,
    images: Tensor,
    *,
    steps: int = 200,
    lr: float = 0.2,
    prior_weight: float = 1e-3,
    free: int | None = None,
) -> Inversion:
    """Codes whose images are nearest to `images`, by gradient descent from `start`.

    Adam minimises, for each image and restart by itself,

        mse(decode(z), x) + prior_weight · |z|²/D

    with a learning rate that falls to 0 as half a cosine. Of an image's restarts the one with the
    smallest error is kept. The second term is the prior N(0, I): it keeps codes where a decoder
    was trained, and prior_weight = 0 leaves it out. Nothing in here is random.

    start: [R,N,D], as `nearest_draws` gives it, or [N,D] for one start. images: [N,C,H,W] on
    [-1, 1]. free: only the first `free` columns are sought, and the rest (a GAN's condition)
    stays as in `start`; the prior's |z|²/D is over the free ones.

    Batched over images and restarts; rows do not influence each other as long as the decoder
    treats them apart (batch norm in evaluation mode). Parameters get no gradients.
    Raises ValueError for shapes that do not fit or settings out of range.
    """
    starts = start[None] if start.ndim == 2 else start
    if starts.ndim != 3 or images.ndim != 4 or starts.shape[1] != len(images):
        raise ValueError(
            f"start must be [R,N,D] or [N,D] and images [N,C,H,W], "
            f"not {list(start.shape)} and {list(images.shape)}"
        )
    if steps < 1 or not lr > 0 or not prior_weight >= 0:
        raise ValueError("steps must be at least 1, lr above 0 and prior_weight at least 0")
    restarts, count, size = starts.shape
    cut = size if free is None else free
    if not 0 < cut <= size:
        raise ValueError(f"free is {free}: the codes have {size} columns")
    wanted = images.repeat(restarts, 1, 1, 1)
    results = [
        _descend(decode, z, x, steps, lr, prior_weight, cut)
        for z, x in zip(starts.flatten(0, 1).split(AT_ONCE), wanted.split(AT_ONCE))
    ]
    codes = torch.cat([z for z, _ in results]).view(restarts, count, size)
    mse = torch.cat([m for _, m in results]).view(restarts, count)
    best = mse.argmin(0)
    rows = torch.arange(count, device=best.device)
    return Inversion(codes[best, rows], mse[best, rows])


def _descend(
    decode: Decoder, start: Tensor, images: Tensor, steps: int, lr: float, weight: float, cut: int
) -> tuple[Tensor, Tensor]:
    """The codes [B,D] that Adam reaches from `start` [B,D], and their errors [B]."""
    rest = start[:, cut:].detach()
    z = start[:, :cut].detach().clone()
    with torch.enable_grad():
        z.requires_grad_(True)
        optimizer = torch.optim.Adam([z], lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            decoded = decode(torch.cat([z, rest], 1))
            # A sum over rows, so that each row's step is the one it would take alone.
            loss = (pixel_mse(decoded, images) + weight * z.square().mean(1)).sum()
            # Of z alone: a backward() would leave gradients on the decoder's parameters.
            (z.grad,) = torch.autograd.grad(loss, z)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        codes = torch.cat([z, rest], 1)
        return codes, pixel_mse(decode(codes), images)
