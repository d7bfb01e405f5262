"""Flow matching: the velocity along straight ways from noise to images, learnt by regression.

Lipman, Chen, Ben-Hamu, Nickel & Le 2023, Flow Matching for Generative Modeling
Liu, Gong & Liu 2023, Flow Straight and Fast (rectified flow: the same loss on the linear path)
Esser et al. 2024, Scaling Rectified Flow Transformers (the logit-normal law of times)
Tong et al. 2024 and Pooladian et al. 2023 (pairs by optimal transport within the batch)
Li & He 2025, Back to Basics: Let Denoising Generative Models Denoise (`--prediction image`)
"""

from __future__ import annotations

from typing import Literal, Unpack

from genarium.contract import Spec
from genarium.models.arguments import LearningRate
from genarium.models.diffusion.arguments import Networks, adam, conditioning_for, network_of
from genarium.models.diffusion.continuous import FlowMatching
from genarium.models.diffusion.denoiser import level_width
from genarium.models.diffusion.paths import Cosine, Linear
from genarium.models.diffusion.predictions import PREDICTIONS
from genarium.models.diffusion.times import Likelihood, LogitNormal, TimeLaw, Uniform
from genarium.recipes import recipe, refuse

PATHS = {"linear": Linear, "cosine": Cosine}
LAWS = {"logit-normal": LogitNormal, "uniform": Uniform, "likelihood": Likelihood}
PART = 0.25
"""Of a grey level: the smallest noise that `--times likelihood` trains."""


def law_for(spec: Spec, times: str) -> TimeLaw:
    """The law of `--times`, whose smallest noise is of the images' grey levels."""
    level = float(level_width(spec.values).min())
    if times == "likelihood" and level:
        return Likelihood(PART * level)
    return LAWS[times]()


@recipe(
    family="explicit/path",
    tiny={"width": 4, "blocks": 1},
    paper="Lipman et al. 2023",
    batch=32,
    steps=20_000,
    training={"ema": 0.999, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    former={"refine": 0},
)
def flow_matching(
    spec: Spec,
    *,
    path: Literal["linear", "cosine"] = "linear",
    prediction: Literal["velocity", "noise", "image"] = "velocity",
    times: Literal["logit-normal", "uniform", "likelihood"] = "logit-normal",
    pairing: Literal["random", "optimal"] = "random",
    dequantize: bool = True,
    lr: LearningRate = 2e-3,
    **networks: Unpack[Networks],
) -> FlowMatching:
    """Flow matching: a velocity that carries noise to images along nearly straight ways.

    path: between image and noise: linear (rectified flow) or cosine (variance preserving).
    prediction: of the network: the velocity, the noise, or the image (JiT).
    times: of the ways that are trained: logit-normal (most in the middle), uniform, or likelihood
        (each size of the noise alike, down to a part of a grey level; best with --fourier).
    pairing: of noise and images: random, or optimal within the batch, for straighter ways.
    dequantize: add uniform noise of one grey level to training images, so that they have a
        density.
    """
    conditioning = conditioning_for(spec, networks)
    refuse(
        pairing == "optimal" and conditioning.size > 0,
        "--pairing optimal: with --condition it would tie the noise to the condition: leave one "
        "of them out",
    )
    return FlowMatching(
        spec,
        network_of(spec, networks, conditioning),
        PATHS[path](),
        PREDICTIONS[prediction](),
        law_for(spec, times),
        conditioning=conditioning,
        dropped=networks["dropped"],
        optimal_pairs=pairing == "optimal",
        dequantized=dequantize,
        optim=adam(lr),
    )
