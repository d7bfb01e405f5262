"""FastGAN (Liu, Zhu, Song & Elgammal 2021): for 100 to 2,000 images and a short training.

Networks with skip-layer excitation, a discriminator that must also reconstruct, the hinge loss,
the same random changes for real and fake images (Zhao et al. 2020), and samples from averaged
weights. What differs from the paper stands in docs/adversarial.md.
"""

from __future__ import annotations

from typing import Annotated

from genarium.contract import Spec
from genarium.models.gan.arguments import Beta1, Latent, LearningRate, Regularizers
from genarium.models.gan.composition import adam, regularizers_of
from genarium.models.gan.gan import GAN
from genarium.models.gan.networks.skip_excitation import (
    SkipExcitationDiscriminator,
    SkipExcitationGenerator,
)
from genarium.models.gan.objectives import Hinge
from genarium.models.gan.reconstruction import Reconstruction
from genarium.recipes import NonNegativeFloat, PositiveInt, recipe
from genarium.signatures import Help


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 1},
    paper="Liu, Zhu, Song & Elgammal 2021",
    batch=8,
    steps=10000,
    training={"ema": 0.999},
)
def fast_gan(
    spec: Spec,
    *,
    latent: Latent = 256,
    width: Annotated[
        PositiveInt,
        Help("channels of the map of 128 pixels, 16 times as many at 4; 64 is the paper's."),
    ] = 16,
    reconstruction: NonNegativeFloat = 1.0,
    regularizers: Regularizers = ("diffaugment",),
    lr: LearningRate = 2e-4,
    beta1: Beta1 = 0.5,
) -> GAN:
    """FastGAN, for 100 to 2,000 images: skip-layer excitation, a discriminator that reconstructs.

    reconstruction: weight of the discriminator's loss of drawing real images again from its maps.
    """
    added = regularizers_of(regularizers)
    if reconstruction:
        added.append(Reconstruction(reconstruction))
    return GAN(
        spec,
        SkipExcitationGenerator(latent, spec.shape, width),
        SkipExcitationDiscriminator(spec.shape, width),
        Hinge(),
        regularizers=added,
        optimizers=(adam(lr, beta1),) * 2,
    )
