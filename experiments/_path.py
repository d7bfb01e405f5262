"""What the experiments on diffusion and flow matching share: one small model of digits, and how
images of 16x16 digits are scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from _lab import SURE, evaluating, load, trained
from torch import Tensor

from genarium.contract import to_uint8
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import Features
from genarium.evaluation.metrics.frechet import frechet_distance, statistics
from genarium.evaluation.metrics.manifold import manifold

SIDE = 16  # pixels
SCORES = ("fid", "precision", "recall", "recognised")


@dataclass(frozen=True)
class Training:
    """Of flow matching about 25 processor seconds."""

    steps: int = 800
    batch: int = 64
    schedule: str = "cosine"
    warmup: int = 50
    clip: float = 1.0
    ema: float = 0.99


@dataclass(frozen=True)
class Network:
    """A U-Net of 134,000 parameters on blocks of 2x2 pixels, and its learning rate."""

    width: int = 16
    patch: int = 2
    lr: float = 2e-3


def learnt(recipe: str, seed: int, training: Training, network: Network, **more: Any) -> Any:
    """A recipe's model of digits; with `--keep` the experiments share it."""
    arguments = {**asdict(network), **more}
    return trained(recipe, "digits", seed, asdict(training), size=SIDE, **arguments)


def drawn(
    model: Any, n: int, seed: int, condition: Tensor | None = None, **settings: Any
) -> Tensor:
    """n images as uint8 [n,C,H,W], by the model's sampler with these settings; from the same noise
    for the same seed."""
    sampler = model.settings(**settings) if settings else None
    generator = torch.Generator().manual_seed(seed)
    with evaluating(model):
        images = model.sample(n, condition=condition, generator=generator, settings=sampler)
    return to_uint8(images)


@lru_cache
def real(size: int, n: int) -> Features:
    """What the shipped classifier says of n test digits."""
    return extractor("digits")(load("digits", size).test.images[:n])


def quality(images: Tensor) -> dict[str, float]:
    """Scores of digits, uint8 [N,1,S,S], against as many of the test split.

    fid: Fréchet distance in the features of the shipped classifier. precision, recall: of their
    nearest neighbours. recognised: share that it is sure of.
    """
    made, known = extractor("digits")(images), real(images.shape[2], len(images))
    precision, recall, _, _ = manifold(known.pool, made.pool).means()
    return {
        "fid": frechet_distance(*statistics(made.pool), *statistics(known.pool)),
        "precision": precision,
        "recall": recall,
        "recognised": (made.logits.softmax(1).amax(1) >= SURE).float().mean().item(),
    }
