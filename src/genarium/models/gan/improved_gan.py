"""Improved techniques for training GANs (Salimans et al. 2016), together.

Minibatch discrimination shows the discriminator how alike a batch is; feature matching gives the
generator a target that does not run away; virtual batch norm frees an image from its batch; one-
sided smoothing keeps the discriminator from being sure. Virtual batch norm is the generator's
alone, as in the paper, for it doubles the work of the network that has it.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.gan.arguments import Beta1, Latent, LearningRate, Smoothing, Width
from genarium.models.gan.composition import adam
from genarium.models.gan.gan import GAN
from genarium.models.gan.networks.virtual_batch_norm import WithReference
from genarium.models.gan.objectives import NonSaturating
from genarium.models.gan.regularizers import FeatureMatching, MinibatchDiscrimination
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genarium.recipes import NonNegativeFloat, PositiveInt, recipe


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4, "reference": 6, "kernels": 3, "kernel_size": 2},
    paper="Salimans et al. 2016",
    batch=128,
    steps=5000,
)
def improved_gan(
    spec: Spec,
    *,
    latent: Latent = 100,
    width: Width = 64,
    smoothing: Smoothing = 0.1,
    feature_matching: NonNegativeFloat = 0.1,
    kernels: PositiveInt = 100,
    kernel_size: PositiveInt = 5,
    reference: PositiveInt = 64,
    lr: LearningRate = 3e-4,
    beta1: Beta1 = 0.5,
) -> GAN:
    """GAN with feature matching, minibatch discrimination, virtual batch norm and smoothing.

    feature_matching: weight of the feature matching loss beside the non-saturating one.
    kernels: of minibatch discrimination.
    kernel_size: dimensions in which a kernel compares images.
    reference: codes of virtual batch norm's reference batch.
    """
    optim = adam(lr, beta1)
    generator = WithReference(
        latent, reference, lambda norm: DCGANGenerator(latent, spec.shape, width, norm)
    )
    return GAN(
        spec,
        generator,
        DCGANDiscriminator(spec.shape, width),
        NonSaturating(smoothing),
        regularizers=[
            MinibatchDiscrimination(kernels, kernel_size),
            FeatureMatching(feature_matching, alone=False),
        ],
        optimizers=(optim, optim),
    )
