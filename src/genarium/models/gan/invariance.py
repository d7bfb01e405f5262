"""Codes that do not change when an image is moved (Ji, Henriques & Vedaldi 2019, IIC).

InfoGAN asks for codes that can be inferred, and any even split of the images can: by slant, or by
how bold a stroke is, as well as by kind. A class, unlike the rest, stays when an
image is turned, slanted, resized or shifted a little. So the reader of a category is asked to say
the same of a real image x and of a moved copy t(x), and to say as much as it can by that:

    P = ½(Q + Qᵀ),  Q_kl = E[q(k|x)·q(l|t(x))],     loss  -λ·Σ_kl P_kl ln(P_kl / (P_k·P_l))

The mutual information of the two answers is largest, ln K, where each is sure, both agree, and all
K values are equally frequent. It uses no labels, as InfoGAN does; what is added is the knowledge of
which changes do not matter.

B batch · C channels · H, W pixels · K values of a category
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from genarium.contract import Noise
from genarium.models.gan.gan import GAN, Regularizer, Turn
from genarium.models.gan.latent_codes import Codes
from genarium.nn.norm import global_mean, unrecorded

TURN = math.pi / 12
"""Largest angle, 15 degrees either way."""
SLANT, ZOOM, ASPECT, SHIFT = 0.3, 0.15, 0.075, 0.2
"""Largest shear, change of both sides and of one against the other, and shift in half sides."""
LEAST = 1e-8  # a joint probability below it counts as this


def moved(images: Tensor, noise: Noise) -> Tensor:
    """Each image [B,C,H,W] turned, slanted, resized and shifted by draws of its own; pixels that
    come in from outside are those of the edge."""
    angle, slant, zoom, aspect, across, down = (2 * noise.uniform(6) - 1).unbind(1)
    cos, sin = (TURN * angle).cos(), (TURN * angle).sin()
    zoom, aspect = 1 + ZOOM * zoom, ASPECT * aspect
    wide, high = zoom * (1 + aspect), zoom * (1 - aspect)
    slant = SLANT * slant
    # rotation · (shear and scales), then the shift: where each pixel of the result is looked up
    first = torch.stack([cos * wide, cos * slant - sin * high, SHIFT * across], 1)
    second = torch.stack([sin * wide, sin * slant + cos * high, SHIFT * down], 1)
    places = functional.affine_grid(
        torch.stack([first, second], 1), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, places, padding_mode="border", align_corners=False)


def agreement(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mutual information in nats of two answers to the same images, each [B,K] of probabilities,
    over the global batch and counted both ways round."""
    joint = global_mean(ours[:, :, None] * theirs[:, None, :])
    joint = ((joint + joint.t()) / 2).clamp_min(LEAST)
    single = joint.sum(1)
    return (joint * (joint / (single[:, None] * single[None])).log()).sum()


class Invariance(Regularizer):
    """The loss above, summed over the categories; its metrics are their mutual informations.

    For a GAN with `Codes`. weight: λ.
    """

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def prepare(self, gan: GAN) -> None:
        if not (isinstance(gan.conditioning, Codes) and gan.conditioning.categories):
            raise ValueError("invariance needs codes with a category")

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        codes = turn.gan.conditioning
        assert isinstance(codes, Codes)
        copies = turn.unrecorded(moved(turn.batch.signed(), turn.batch.noise))
        losses = {}
        with unrecorded(codes.reader):
            pairs = zip(codes.read(turn.of_real.features), codes.read(copies.features))
        for number, (ours, theirs) in zip(range(len(codes.categories)), pairs):
            agreed = agreement(ours.float().softmax(1), theirs.float().softmax(1))
            losses[f"invariance{number}"] = -self.weight * agreed
            turn.metrics[f"agreement{number}"] = agreed.detach()
        return losses
