"""The GAN of 2014 (Goodfellow et al.), and with its arguments any combination of the axes.

Fully connected networks in the non-saturating game. `--architecture`, `--objective` and `--tricks`
change one axis each: `--architecture dcgan --objective wasserstein --tricks gradient-penalty` is
WGAN-GP on DCGAN's networks, batch norm left out of the critic.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.implicit.composition import (
    OBJECTIVES,
    ArchitectureName,
    Decay,
    ObjectiveName,
    TrickName,
    adam,
    mixes_images,
    networks,
    tricks_of,
)
from genarium.models.implicit.gan import GAN
from genarium.recipes import PositiveFloat, PositiveInt, Probability, recipe


@recipe(
    tiny={"latent": 4, "width": 10},
    paper="Goodfellow et al. 2014",
    batch=100,
    steps=10000,
)
def gan(
    spec: Spec,
    *,
    architecture: ArchitectureName = "dense",
    objective: ObjectiveName = "non-saturating",
    tricks: tuple[TrickName, ...] = (),
    latent: PositiveInt = 100,
    width: PositiveInt | None = None,
    critic_steps: PositiveInt = 1,
    packing: PositiveInt = 1,
    lr: PositiveFloat = 2e-4,
    beta1: Decay = 0.5,
    smoothing: Probability = 0.0,
) -> GAN:
    """Generative adversarial network of 2014, fully connected; its arguments combine the axes.

    architecture: the pair of networks.
    objective: what the players minimise; wasserstein wants weight-clipping or gradient-penalty.
    tricks: additions to the game, separated by commas; each with its paper's settings.
    latent: size of the code, drawn from N(0, I).
    width: units or channels of the generator; none is the architecture's own (1200, 64, 64).
    critic_steps: turns of the discriminator for each one of the generator.
    packing: images that the discriminator judges at once (PacGAN).
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean; above 0.5 the game tends to oscillate.
    smoothing: the discriminator's target for real images is 1 minus this (0.1 is usual).
    """
    optim = adam(lr, beta1)
    generator, discriminator = networks(
        architecture,
        spec,
        latent,
        width,
        batch_norm=mixes_images(tricks),
        score_bias=objective != "wasserstein",
        packing=packing,
    )
    return GAN(
        spec,
        generator,
        discriminator,
        OBJECTIVES[objective](smoothing),
        tricks=tricks_of(tricks),
        critic_steps=critic_steps,
        optimizers=(optim, optim),
    )
