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

from torch import Tensor

from genarium.models.gan.gan import GAN, Regularizer, Turn
from genarium.models.gan.latent_codes import Codes
from genarium.nn.augmentation import affine
from genarium.nn.norm import global_mean, unrecorded

LEAST = 1e-8  # a joint probability below it counts as this


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
        copies = turn.unrecorded(affine(turn.batch.signed(), turn.batch.noise))
        losses = {}
        with unrecorded(codes.reader):
            pairs = zip(codes.read(turn.of_real.features), codes.read(copies.features))
        for number, (ours, theirs) in zip(range(len(codes.categories)), pairs):
            agreed = agreement(ours.float().softmax(1), theirs.float().softmax(1))
            losses[f"invariance{number}"] = -self.weight * agreed
            turn.metrics[f"agreement{number}"] = agreed.detach()
        return losses
