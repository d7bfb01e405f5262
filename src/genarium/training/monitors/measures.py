"""What is measured of images and logits: pure functions on tensors.

Images are compared as `small` pictures of at most 8 pixels a side, so that noise is not taken for
variety. Ratios are to as many real images, so that 1 is as the data are.

N images · M others · F numbers of a small picture · A anchors
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 8


def small(images: Tensor) -> Tensor:
    """Images [N,C,H,W] on [-1, 1] -> [N,F] float32: means over at most 8 x 8 parts."""
    x = images.detach().float()
    size = (min(SIDE, x.shape[2]), min(SIDE, x.shape[3]))
    return functional.adaptive_avg_pool2d(x, size).flatten(1).cpu()


def auc(above: Tensor, below: Tensor) -> float:
    """P(a > b) for a of [N] numbers and b of [M], ties count half: 0.5 where both are alike.

    A rank: the same whatever increasing function the numbers went through, so of whatever scale.
    """
    signs = (above.double()[:, None] - below.double()[None]).sign()
    return (signs.mean().item() + 1) / 2


def gap(above: Tensor, below: Tensor) -> float:
    """Distance of the means of [N] and [M] numbers in standard deviations within each (Cohen's d);
    the same whatever the numbers' unit and origin."""
    within = (above.double().var() + below.double().var()) / 2
    difference = above.double().mean() - below.double().mean()
    return (difference / within.clamp_min(1e-24).sqrt()).item()


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Root mean squares of differences, [N,M], of small pictures [N,F] and [M,F]."""
    return torch.cdist(x.double(), y.double()) / x.shape[1] ** 0.5


def spread(x: Tensor) -> float:
    """Mean distance of two of [N,F]."""
    n = len(x)
    return (distances(x, x).sum() / max(1, n * (n - 1))).item()


def energy(x: Tensor, y: Tensor) -> float:
    """Energy distance of [N,F] to [M,F] over the spread of the latter (Székely & Rizzo 2013):

    (2 E|x - y| - E|x - x'| - E|y - y'|) / E|y - y'|;  0 for equal laws.
    """
    own = spread(y)
    return (2 * distances(x, y).mean().item() - spread(x) - own) / max(own, 1e-12)


def histogram(x: Tensor, anchors: Tensor) -> Tensor:
    """Which of the anchors [A,F] each of [N,F] is nearest to: shares [A], float64."""
    nearest = distances(x, anchors).argmin(1)
    return nearest.bincount(minlength=len(anchors)).double() / max(1, len(x))


def effective(shares: Tensor) -> float:
    """exp(entropy) of shares: how many kinds there are if they were equally frequent."""
    return torch.exp(-torch.xlogy(shares, shares).sum()).item()


def alone(x: Tensor) -> Tensor:
    """The distance of each of [N,F] to the nearest other, [N]."""
    between = distances(x, x)
    between.fill_diagonal_(torch.inf)
    return between.amin(1)


def sharpness(images: Tensor) -> float:
    """Root mean square of the Laplacian of images [N,C,H,W]; 0 below 3 pixels a side."""
    x = images.detach().float()
    if min(x.shape[2:]) < 3:
        return 0.0
    inner = x[:, :, 1:-1, 1:-1]
    around = x[:, :, :-2, 1:-1] + x[:, :, 2:, 1:-1] + x[:, :, 1:-1, :-2] + x[:, :, 1:-1, 2:]
    return (around - 4 * inner).square().mean().sqrt().item()


def explained(images: Tensor, rebuilt: Tensor) -> float:
    """R² = 1 - Σ(x - x̂)² / Σ(x - mean image)²: 1 is a perfect reconstruction, 0 the mean image."""
    x, y = images.float(), rebuilt.float()
    total = (x - x.mean(0)).square().sum()
    return 1 - ((x - y).square().sum() / total.clamp_min(1e-12)).item()
