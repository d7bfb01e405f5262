"""InfoGAN (Chen et al. 2016): codes that name what varies in the images, found without labels.

The generator's input is noise and a code: a category of ten values, say, and two numbers. A reader
on the discriminator's features has to infer the code from the image (`conditioning.Codes`), so the
code must come to mean something visible. Read on real images, its category is a clustering.
"""

from __future__ import annotations

from typing import Annotated, cast

import torch
from annotated_types import Ge
from torch import Tensor

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.models.gan.arguments import (
    Beta1,
    Latent,
    LearningRate,
    Regularizers,
    Smoothing,
    Width,
)
from genarium.models.gan.composition import adam, mixes_images, regularizers_of
from genarium.models.gan.gan import GAN, Discriminator
from genarium.models.gan.invariance import Invariance
from genarium.models.gan.latent_codes import Codes
from genarium.models.gan.objectives import NonSaturating
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genarium.nn.norm import BatchNorm2d
from genarium.recipes import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    recipe,
    refuse_unused,
)


class InfoGAN(GAN):
    """A GAN with `Codes`, which it infers from images."""

    conditioning: Codes

    @torch.no_grad()
    def read_codes(self, images: Tensor) -> list[Tensor]:
        """As stored [B,C,H,W] -> q(c|x): probabilities [B,k] of each category, then the means
        [B, continuous] of the numbers."""
        judged = self.spec.values.signed(images).to(next(self.parameters()).device)
        features = cast(Discriminator, self.discriminator).features(judged)
        *logits, means = self.conditioning.read(features)
        return [*(logit.float().softmax(1) for logit in logits), means.float()]

    def memberships(self, images: Tensor) -> Tensor:
        """Images [B,C,H,W] as stored -> q(c|x) of the first category, [B,k]."""
        return self.read_codes(images)[0]

    def cluster(self, images: Tensor) -> Tensor:
        """Images [B,C,H,W] as stored -> the likeliest value of the first category, [B] int64."""
        return self.memberships(images).argmax(1)


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4, "hidden": 8, "categories": (3,)},
    paper="Chen et al. 2016",
    batch=128,
    steps=5000,
)
def infogan(
    spec: Spec,
    *,
    latent: Latent = 62,
    categories: tuple[PositiveInt, ...] = (10,),
    continuous: Annotated[int, Ge(0)] = 2,
    width: Width = 64,
    hidden: Annotated[int, Ge(0)] = 1024,
    weight: NonNegativeFloat = 1.0,
    continuous_weight: NonNegativeFloat = 0.1,
    invariance: NonNegativeFloat = 0.0,
    lr: LearningRate = 2e-4,
    generator_lr: PositiveFloat = 1e-3,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
    regularizers: Regularizers = (),
) -> InfoGAN:
    """InfoGAN: categorical and continuous latent codes learnt without labels; DCGAN's networks.

    categories: values of each categorical code, separated by commas.
    continuous: how many continuous codes, uniform on [-1, 1].
    hidden: units of a dense layer in both networks, between code or logit and maps; 0 for none.
    weight: of the mutual information with the categorical codes.
    continuous_weight: of the mutual information with the continuous codes.
    invariance: weight of a loss by which a real image and a transformed copy must have the same
        category, which makes categories classes more often than styles; 0: off, as in the paper.
    lr: learning rate of the discriminator and of the network that infers the codes.
    generator_lr: learning rate of the generator.
    """
    if invariance and not categories:
        raise UserError(
            f"--invariance {invariance:g}: it is about categories: give --categories 10, say"
        )
    if not categories:
        refuse_unused("there are no categories", weight=(weight, 1.0))
    if not continuous:
        weight_of_none = (continuous_weight, 0.1)
        refuse_unused("there are no continuous codes", continuous_weight=weight_of_none)
    norm = BatchNorm2d if mixes_images(regularizers) else None
    discriminator = DCGANDiscriminator(spec.shape, width, norm, hidden)
    codes = Codes(
        discriminator.outputs,
        categories,
        continuous,
        weight=weight,
        continuous_weight=continuous_weight,
    )
    generator = DCGANGenerator(latent + codes.size, spec.shape, width, hidden=hidden)
    return InfoGAN(
        spec,
        generator,
        discriminator,
        NonSaturating(smoothing),
        conditioning=codes,
        regularizers=[
            *regularizers_of(regularizers),
            *([Invariance(invariance)] if invariance else []),
        ],
        optimizers=(adam(lr, beta1), adam(generator_lr, beta1)),
    )
