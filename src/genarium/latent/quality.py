"""What a latent space is worth: is it continuous, and is it complete?

A latent space one can generate from has both: near codes decode to alike images (continuity), and
every place that a draw may hit decodes to an image that means something (completeness). A plain
autoencoder asks for neither, the KL term of a VAE for both.

Shapes: n codes · D latent size · K classes
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Judge = Callable[[Tensor], Tensor]
"""Codes [B,D] -> probabilities [B,K] of what the decoded images show: a classifier after a
decoder."""


def continuity(
    judge: Judge, codes: Tensor, *, radius: float = 0.5, draws: int = 10, seed: int = 0
) -> float:
    """Share of small steps that leave what is shown as it was, 0 to 1:

        mean over codes z and u ~ N(0, I) of [argmax p(z + r·s·u) = argmax p(z)]

    with s the standard deviation of each column of the codes and r the `radius`, so that a step is
    as large against the spread of any model's codes. codes: [n,D]. draws: steps from each code.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = radius * codes.std(0, correction=0)
    before = judge(codes).argmax(1)
    same = [
        (judge(codes + scale * torch.randn(codes.shape, generator=generator)).argmax(1) == before)
        for _ in range(draws)
    ]
    return torch.stack(same).double().mean().item()


def completeness(judge: Judge, draws: Tensor, *, sure: float = 0.9) -> float:
    """Share of draws [n,D] that decode to something clear, 0 to 1: mean of [max_k p_k(z) >= sure].

    draws: of the prior, or of `gaussian_of` the codes where a model has none.
    """
    return (judge(draws).amax(1) >= sure).double().mean().item()


def gaussian_of(codes: Tensor, n: int, *, seed: int = 0) -> Tensor:
    """n draws [n,D] from the Gaussian with the mean and full covariance of codes [N,D]."""
    generator = torch.Generator().manual_seed(seed)
    x = codes.double()
    covariance = torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1])
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt()
    normal = torch.randn(n, x.shape[1], dtype=torch.float64, generator=generator)
    return (x.mean(0) + normal @ root.T).to(codes.dtype)
