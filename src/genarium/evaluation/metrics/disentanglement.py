"""Which latent follows which factor: mutual information and its gap (Chen et al. 2018).

N images · D latents · A factors · K values of a latent or factor after binning
"""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 20


def binned(values: Tensor, bins: int = BINS) -> Tensor:
    """Each column of [N,D] as whole numbers 0 .. bins-1: equal steps from its least to its largest
    value; columns that hold at most `bins` different values become the numbers of those."""
    results = []
    for column in values.double().unbind(1):
        known, inverse = column.unique(return_inverse=True)
        if len(known) > bins:
            low, high = column.min(), column.max()
            inverse = ((column - low) / (high - low) * bins).long().clamp(max=bins - 1)
        results.append(inverse)
    return torch.stack(results, 1)


def entropy(values: Tensor) -> Tensor:
    """H of a column of whole numbers [N], in nats, from their frequencies."""
    p = values.bincount().double() / len(values)
    return -(p[p > 0] * p[p > 0].log()).sum()


def mutual_information(codes: Tensor, factors: Tensor, bins: int = BINS) -> Tensor:
    """I(z_d; v_a) = H(z_d) + H(v_a) - H(z_d, v_a) of every pair, [D,A] nats.

    codes: [N,D]. factors: [N,A]. Both are binned; the estimate from frequencies is too high by
    about (K_z - 1)(K_v - 1)/2N nats (Miller 1955), which is subtracted, and never below 0.
    """
    if len(codes) != len(factors):
        raise ValueError(f"{len(codes)} codes for {len(factors)} images")
    z, v = binned(codes, bins), binned(factors, bins)
    result = torch.zeros(z.shape[1], v.shape[1], dtype=torch.float64)
    for d, latent in enumerate(z.unbind(1)):
        for a, factor in enumerate(v.unbind(1)):
            joint = latent * (int(factor.max()) + 1) + factor
            raw = entropy(latent) + entropy(factor) - entropy(joint)
            filled = (len(latent.unique()) - 1) * (len(factor.unique()) - 1)
            result[d, a] = (raw - filled / (2 * len(z))).clamp(min=0.0)
    return result


def mutual_information_gaps(codes: Tensor, factors: Tensor, bins: int = BINS) -> Tensor:
    """The gap of each factor, [A] in 0 .. 1: how much larger its mutual information with the first
    latent is than with the second, as a share of its entropy. Their mean is the MIG.

    1: one latent determines the factor, and the others are independent of it; 0: two have the
    same information, or none has any. Source: Chen et al. 2018, Isolating Sources of
    Disentanglement in VAEs, equation 6.
    """
    if codes.shape[1] < 2:
        raise ValueError("a gap needs two latents")
    information = mutual_information(codes, factors, bins)
    first, second = information.topk(2, dim=0).values
    size = torch.stack([entropy(column) for column in binned(factors, bins).unbind(1)])
    return (first - second) / size.clamp(min=1e-12)
