"""EDM: the image is predicted through a network whose inputs and targets have variance 1 at every
level of noise.

Karras, Aittala, Aila & Laine 2022, Elucidating the Design Space of Diffusion-Based Generative
Models

Departures from the paper: the U-Net is smaller; no augmentation with its own conditioning; σ_data
is an argument (0.5 in the paper, for photographs on [-1, 1]).
"""

from __future__ import annotations

from typing import ClassVar, Unpack

from genarium.contract import Settings, Spec
from genarium.models.diffusion import sampling
from genarium.models.diffusion.arguments import Common, adam, conditioning_for, network_of
from genarium.models.diffusion.continuous import Continuous
from genarium.models.diffusion.paths import Exploding
from genarium.models.diffusion.predictions import Preconditioned
from genarium.models.diffusion.times import LogNormal
from genarium.recipes import PositiveFloat, recipe


class EDM(Continuous):
    """A `Continuous` diffusion on the variance-exploding path, with EDM's samplers."""

    settings: ClassVar[type[Settings] | None] = sampling.EDMSampler


@recipe(
    family="explicit/path",
    tiny={"width": 4, "blocks": 1},
    paper="Karras et al. 2022",
    batch=32,
    steps=20_000,
    training={"ema": 0.999, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    former={"refine": 0},
)
def edm(
    spec: Spec,
    *,
    deviation: PositiveFloat = 0.5,
    dequantize: bool = True,
    **networks: Unpack[Common],
) -> EDM:
    """EDM: a denoiser for every level of noise, preconditioned; the samplers of its paper.

    deviation: of the images' values on [-1, 1], for the preconditioning (σ_data).
    dequantize: add uniform noise of one grey level to training images, so that they have a
        density.
    """
    conditioning = conditioning_for(spec, networks)
    return EDM(
        spec,
        network_of(spec, networks, conditioning),
        Exploding(),
        Preconditioned(deviation),
        LogNormal(data=deviation),
        conditioning=conditioning,
        dropped=networks["dropped"],
        dequantized=dequantize,
        optim=adam(networks["lr"]),
    )
