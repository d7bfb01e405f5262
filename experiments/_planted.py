"""Samplers whose faults are known: they copy, damage, leave out or repeat real digits."""

from __future__ import annotations

from functools import lru_cache

import torch
from _lab import generator_of, load
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import Features

CHANGES = ("exact", "shifted", "noised", "lighter", "blurred")


def noised(images: Tensor, grey_levels: float, seed: int = 0) -> Tensor:
    """With Gaussian noise of this standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    x = images.float() + grey_levels * torch.randn(images.shape, generator=generator)
    return x.round().clamp(0, 255).to(torch.uint8)


def blurred(images: Tensor, side: int) -> Tensor:
    """The mean over side x side pixels."""
    x = F.pad(images.float(), (side // 2,) * 4, mode="replicate")
    return F.avg_pool2d(x, side, 1).round().to(torch.uint8)


def changed(images: Tensor, how: str, noise: float) -> Tensor:
    """Digits as a sampler might copy them, `how` one of CHANGES."""
    if how == "shifted":
        return F.pad(images, (1, 0, 1, 0))[..., :-1, :-1]  # a pixel down and to the right
    if how == "noised":
        return noised(images, noise)
    if how == "lighter":
        return (0.6 * images.float() + 30).round().to(torch.uint8)
    return blurred(images, 3) if how == "blurred" else images


@lru_cache
def digits(n: int = 14_000) -> tuple[Tensor, Tensor]:
    """n digits of all splits, shuffled, so that any division is one by chance; their labels."""
    data = load("digits")
    splits = (data.train, data.validation, data.test)
    order = torch.randperm(sum(map(len, splits)), generator=generator_of(0, "all"))[:n]
    labels = torch.cat([split.labels for split in splits])
    return torch.cat([split.images for split in splits])[order], labels[order]


@lru_cache
def features(n: int = 14_000) -> Features:
    """What the shipped classifier says of them."""
    return extractor("digits")(digits(n)[0])


def one_a_class(images: Tensor, labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Rows of n samples of a sampler that knows one image of each class, [n] int64."""
    order = torch.randperm(len(images), generator=generator)
    chosen = torch.stack([order[(labels[order] == k).nonzero()[0, 0]] for k in labels.unique()])
    return chosen[torch.arange(n) % len(chosen)]
