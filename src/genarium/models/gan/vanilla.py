"""The GAN of 2014 (Goodfellow et al.), and with its arguments any combination of the axes.

Fully connected networks with the non-saturating objective. `--architecture`, `--objective` and
`--regularizers` change one axis each: `--architecture dcgan --objective wasserstein --regularizers
gradient-penalty` is WGAN-GP on DCGAN's networks, batch norm left out of the critic, but for Adam's
settings, which the recipe `wgan-gp` has. Adam, no dropout and He's start values are not the
paper's: it has SGD at .1 with momentum, and dropout in the discriminator.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.gan.arguments import (
    Beta1,
    Latent,
    LearningRate,
    OwnWidth,
    Packing,
    Regularizers,
    Smoothing,
)
from genarium.models.gan.composition import (
    ArchitectureName,
    ObjectiveName,
    adam,
    mixes_images,
    networks,
    objective_of,
    regularizers_of,
)
from genarium.models.gan.gan import GAN
from genarium.recipes import PositiveInt, recipe


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
    regularizers: Regularizers = (),
    latent: Latent = 100,
    width: OwnWidth = None,
    critic_steps: PositiveInt | None = None,
    packing: Packing = 1,
    lr: LearningRate = 2e-4,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
) -> GAN:
    """Generative adversarial network of 2014, fully connected; arguments choose its parts.

    architecture: the pair of networks.
    objective: the loss of both players, also one of your own files; wasserstein needs a
        regularizer that bounds the critic's slope, relativistic compares each real image with
        a fake one.
    critic_steps: updates of the discriminator for each of the generator; none is the objective's
        own, 5 of wasserstein and 1 of the others.
    """
    optim, added = adam(lr, beta1), regularizers_of(regularizers)
    loss = objective_of(objective, smoothing, added)
    if critic_steps is None:
        critic_steps = 5 if loss.unbounded else 1
    generator, discriminator = networks(
        architecture,
        spec,
        latent,
        width,
        batch_norm=mixes_images(regularizers),
        score_bias=not loss.differences,
        packing=packing,
    )
    return GAN(
        spec,
        generator,
        discriminator,
        loss,
        regularizers=added,
        critic_steps=critic_steps,
        optimizers=(optim, optim),
    )
