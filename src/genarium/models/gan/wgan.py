"""Wasserstein GANs, by weight clipping (Arjovsky et al. 2017) and by gradient penalty (Gulrajani
et al. 2017).

The logged losses' `discriminator` is -(E[D(x)] - E[D(G(z))]): its size is the critic's estimate of
the distance between data and samples, and falls as the samples get better.
"""

from __future__ import annotations

from genarium.contract import Optim, Spec
from genarium.models.gan.arguments import Beta1, CriticSteps, Latent, LearningRate, OwnWidth
from genarium.models.gan.composition import ArchitectureName, Decay, adam, networks
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import Wasserstein
from genarium.models.gan.regularizers import GradientPenalty, WeightClipping
from genarium.recipes import NonNegativeFloat, PositiveFloat, recipe, refuse


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4, "critic_steps": 2},
    paper="Arjovsky, Chintala & Bottou 2017",
    batch=64,
    steps=5000,
)
def wgan(
    spec: Spec,
    *,
    architecture: ArchitectureName = "dcgan",
    latent: Latent = 100,
    width: OwnWidth = None,
    clip_weights: PositiveFloat = 0.01,
    critic_steps: CriticSteps = 5,
    lr: LearningRate = 5e-5,
) -> GAN:
    """Wasserstein GAN: the critic's weights clipped to a box, RMSProp.

    architecture: the pair of networks.
    clip_weights: every weight of the critic stays within this of 0.
    lr: learning rate of both players' RMSProp.
    """
    generator, critic = networks(architecture, spec, latent, width, score_bias=False)
    optim = Optim("rmsprop", lr=lr)
    return GAN(
        spec,
        generator,
        critic,
        Wasserstein(),
        regularizers=[WeightClipping(clip_weights)],
        critic_steps=critic_steps,
        optimizers=(optim, optim),
    )


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4, "critic_steps": 2},
    paper="Gulrajani et al. 2017",
    batch=64,
    steps=5000,
)
def wgan_gp(
    spec: Spec,
    *,
    architecture: ArchitectureName = "dcgan",
    latent: Latent = 100,
    width: OwnWidth = None,
    penalty: NonNegativeFloat = 10.0,
    critic_steps: CriticSteps = 5,
    lr: LearningRate = 1e-4,
    beta1: Beta1 = 0.0,
    beta2: Decay = 0.9,
) -> GAN:
    """Wasserstein GAN with gradient penalty: a critic of gradient norm 1, without batch norm.

    architecture: the pair of networks; residual for 64 pixels and more.
    penalty: weight of the gradient penalty.
    beta2: Adam's decay of the gradient's square.
    """
    refuse(not penalty, "--penalty 0: the critic's loss has no minimum without: give more than 0")
    generator, critic = networks(
        architecture, spec, latent, width, batch_norm=False, score_bias=False
    )
    optim = adam(lr, beta1, beta2)
    return GAN(
        spec,
        generator,
        critic,
        Wasserstein(),
        regularizers=[GradientPenalty(penalty)],
        critic_steps=critic_steps,
        optimizers=(optim, optim),
    )
