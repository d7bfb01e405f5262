"""Deep convolutional GAN (Radford, Metz & Chintala 2016), also with class labels or least squares.

The defaults are for some hundred to some thousand pictures and minutes of a few cores: the paper's
discriminator, a generator without checkerboards (`networks.resize`), a width that falls with the
size, batches of 32 so that there are many steps, a rate to go with them, averaged weights. The
paper's: --architecture dcgan --width 64 --batch 128 --lr 2e-4 --ema 0 (`genarium.nn.dcgan` holds
its networks' rules). z ~ N(0, I) where the paper draws it uniform on a cube, so that codes
interpolate on a sphere.
"""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.conditioning import Labels
from genarium.models.gan.arguments import (
    Beta1,
    Convolutional,
    Latent,
    LearningRate,
    OwnWidth,
    Packing,
    Regularizers,
    Smoothing,
)
from genarium.models.gan.composition import (
    adam,
    mixes_images,
    networks,
    regularizers_of,
)
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import LeastSquares, NonSaturating
from genarium.recipes import recipe


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Radford, Metz & Chintala 2016",
    batch=32,
    steps=10000,
    training={"ema": 0.99},
    former={"architecture": "dcgan"},
)
def dcgan(
    spec: Spec,
    *,
    architecture: Convolutional = "resize",
    latent: Latent = 100,
    width: OwnWidth = None,
    lr: LearningRate = 1e-3,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
    packing: Packing = 1,
    regularizers: Regularizers = (),
) -> GAN:
    """Deep convolutional GAN: strided convolutions, batch norm, the non-saturating loss."""
    generator, discriminator = networks(
        architecture, spec, latent, width, batch_norm=mixes_images(regularizers), packing=packing
    )
    return GAN(
        spec,
        generator,
        discriminator,
        NonSaturating(smoothing),
        regularizers=regularizers_of(regularizers),
        optimizers=(adam(lr, beta1),) * 2,
    )


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Mirza & Osindero 2014",
    batch=32,
    steps=10000,
    training={"ema": 0.99},
    needs=("labels",),
    former={"architecture": "dcgan"},
)
def cgan(
    spec: Spec,
    *,
    architecture: Convolutional = "resize",
    latent: Latent = 100,
    width: OwnWidth = None,
    lr: LearningRate = 1e-3,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
    regularizers: Regularizers = (),
) -> GAN:
    """Conditional GAN: the class label joins the input of both players."""
    labels = Labels(len(spec.classes))
    generator, discriminator = networks(
        architecture,
        spec,
        latent,
        width,
        conditioning=labels,
        batch_norm=mixes_images(regularizers),
    )
    return GAN(
        spec,
        generator,
        discriminator,
        NonSaturating(smoothing),
        conditioning=labels,
        regularizers=regularizers_of(regularizers),
        optimizers=(adam(lr, beta1),) * 2,
    )


@recipe(
    family="implicit",
    tiny={"latent": 4, "width": 4},
    paper="Mao et al. 2017",
    batch=32,
    steps=10000,
    training={"ema": 0.99},
    former={"architecture": "dcgan"},
)
def lsgan(
    spec: Spec,
    *,
    architecture: Convolutional = "resize",
    latent: Latent = 100,
    width: OwnWidth = None,
    lr: LearningRate = 1e-3,
    beta1: Beta1 = 0.5,
    smoothing: Smoothing = 0.0,
) -> GAN:
    """Least squares GAN: squared distance to the targets 0 and 1."""
    generator, discriminator = networks(architecture, spec, latent, width)
    return GAN(
        spec, generator, discriminator, LeastSquares(smoothing), optimizers=(adam(lr, beta1),) * 2
    )
