"""The GAN of 2014 (Goodfellow et al.), and with its arguments any combination of the axes.

Fully connected networks in the non-saturating game. `--architecture`, `--objective` and `--tricks`
change one axis each: `--architecture dcgan --objective wasserstein --tricks gradient-penalty` is
WGAN-GP on DCGAN's networks, batch norm left out of the critic, but for Adam's settings, which the
recipe `wgan-gp` has. Adam, no dropout and He's start values are not the paper's: it has SGD at .1
with momentum, and dropout in the discriminator.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.gan.composition import (
    ArchitectureName,
    Decay,
    ObjectiveName,
    TrickName,
    adam,
    mixes_images,
    networks,
    objective_of,
    tricks_of,
)
from genarium.models.gan.gan import GAN
from genarium.recipes import PositiveFloat, PositiveInt, Probability, recipe


@recipe(
    family="implicit",
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
    critic_steps: PositiveInt | None = None,
    packing: PositiveInt = 1,
    lr: PositiveFloat = 2e-4,
    beta1: Decay = 0.5,
    smoothing: Probability = 0.0,
) -> GAN:
    """Generative adversarial network of 2014, fully connected; its arguments combine the axes.

    architecture: the pair of networks.
    objective: what the players minimise; wasserstein wants a trick that bounds the
        critic's slope, relativistic compares each real image with a fake one.
    tricks: additions to the game, separated by commas, each with its settings behind a colon:
        diffaugment:color+translation+cutout, feature-matching:WEIGHT:alone (or beside),
        gradient-penalty:WEIGHT, minibatch-discrimination:KERNELS:SIZE, r1:WEIGHT, spectral-norm,
        weight-clipping:LIMIT; without, those of docs/adversarial.md.
    latent: size of the code, drawn from N(0, I).
    width: units or channels of the generator; none is the architecture's own (1200, 64, 64).
    critic_steps: turns of the discriminator for each one of the generator; none is the objective's
        own, 5 of wasserstein and 1 of the others.
    packing: images that the discriminator judges at once (PacGAN).
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean; above 0.5 the game tends to oscillate.
    smoothing: the discriminator's target for real images is 1 minus this (0.1 is usual).
    """
    optim, added = adam(lr, beta1), tricks_of(tricks)
    game = objective_of(objective, smoothing, added)
    if critic_steps is None:
        critic_steps = 5 if game.unbounded else 1
    generator, discriminator = networks(
        architecture,
        spec,
        latent,
        width,
        batch_norm=mixes_images(tricks),
        score_bias=not game.differences,
        packing=packing,
    )
    return GAN(
        spec,
        generator,
        discriminator,
        game,
        tricks=added,
        critic_steps=critic_steps,
        optimizers=(optim, optim),
    )
