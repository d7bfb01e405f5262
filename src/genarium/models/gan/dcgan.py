"""Deep convolutional GAN (Radford, Metz & Chintala 2016), also with class labels or least squares.

Two strided convolutional networks (`genarium.nn.dcgan` holds their rules) in the non-saturating
game. z ~ N(0, I) where the paper draws it uniform on a cube, so that codes interpolate on a sphere.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.conditioning import Labels
from genarium.models.gan.composition import (
    Decay,
    TrickName,
    adam,
    mixes_images,
    networks,
    tricks_of,
)
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import LeastSquares, NonSaturating
from genarium.recipes import PositiveFloat, PositiveInt, Probability, recipe


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Radford, Metz & Chintala 2016",
    batch=128,
    steps=5000,
)
def dcgan(
    spec: Spec,
    *,
    latent: PositiveInt = 100,
    width: PositiveInt = 64,
    lr: PositiveFloat = 2e-4,
    beta1: Decay = 0.5,
    smoothing: Probability = 0.0,
    packing: PositiveInt = 1,
    tricks: tuple[TrickName, ...] = (),
) -> GAN:
    """Deep convolutional GAN: strided convolutions, batch norm, the non-saturating loss.

    latent: size of the code, drawn from N(0, I).
    width: channels of the map nearest the image; each further in has twice as many.
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean; above 0.5 the game tends to oscillate.
    smoothing: the discriminator's target for real images is 1 minus this (0.1 is usual).
    packing: images that the discriminator judges at once (PacGAN); 2 recovers dropped modes.
    tricks: additions to the game, separated by commas, each with its settings behind a colon:
        diffaugment:color+translation+cutout, feature-matching:WEIGHT:alone (or beside),
        gradient-penalty:WEIGHT, minibatch-discrimination:KERNELS:SIZE, r1:WEIGHT, spectral-norm,
        weight-clipping:LIMIT; without, those of docs/adversarial.md.
    """
    generator, discriminator = networks(
        "dcgan", spec, latent, width, batch_norm=mixes_images(tricks), packing=packing
    )
    return GAN(
        spec,
        generator,
        discriminator,
        NonSaturating(smoothing),
        tricks=tricks_of(tricks),
        optimizers=(adam(lr, beta1),) * 2,
    )


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Mirza & Osindero 2014",
    batch=128,
    steps=5000,
    needs=("labels",),
)
def cgan(
    spec: Spec,
    *,
    latent: PositiveInt = 100,
    width: PositiveInt = 64,
    lr: PositiveFloat = 2e-4,
    beta1: Decay = 0.5,
    smoothing: Probability = 0.0,
    tricks: tuple[TrickName, ...] = (),
) -> GAN:
    """Conditional GAN: the class label joins the input of both players; DCGAN's networks.

    latent: size of the noise, drawn from N(0, I).
    width: channels of the map nearest the image; each further in has twice as many.
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean; above 0.5 the game tends to oscillate.
    smoothing: the discriminator's target for real images is 1 minus this (0.1 is usual).
    tricks: additions to the game, separated by commas, each with its settings behind a colon:
        diffaugment:color+translation+cutout, feature-matching:WEIGHT:alone (or beside),
        gradient-penalty:WEIGHT, minibatch-discrimination:KERNELS:SIZE, r1:WEIGHT, spectral-norm,
        weight-clipping:LIMIT; without, those of docs/adversarial.md.
    """
    labels = Labels(len(spec.classes))
    generator, discriminator = networks(
        "dcgan", spec, latent, width, conditioning=labels, batch_norm=mixes_images(tricks)
    )
    return GAN(
        spec,
        generator,
        discriminator,
        NonSaturating(smoothing),
        conditioning=labels,
        tricks=tricks_of(tricks),
        optimizers=(adam(lr, beta1),) * 2,
    )


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Mao et al. 2017",
    batch=128,
    steps=5000,
)
def lsgan(
    spec: Spec,
    *,
    latent: PositiveInt = 100,
    width: PositiveInt = 64,
    lr: PositiveFloat = 2e-4,
    beta1: Decay = 0.5,
    smoothing: Probability = 0.0,
) -> GAN:
    """Least squares GAN: squared distance to the targets 0 and 1; DCGAN's networks.

    latent: size of the code, drawn from N(0, I).
    width: channels of the map nearest the image; each further in has twice as many.
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean.
    smoothing: the discriminator's target for real images is 1 minus this.
    """
    generator, discriminator = networks("dcgan", spec, latent, width)
    return GAN(
        spec, generator, discriminator, LeastSquares(smoothing), optimizers=(adam(lr, beta1),) * 2
    )
