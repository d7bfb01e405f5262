"""Deep convolutional GAN (Radford, Metz & Chintala 2016).

Two strided convolutional networks (`genarium.nn.dcgan` holds their rules) in the non-saturating
game. z ~ N(0, I) where the paper draws it uniform on a cube, so that codes interpolate on a sphere.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Lt

from genarium.contract import Optim, Spec
from genarium.models.implicit.gan import GAN
from genarium.models.implicit.objectives import NonSaturating
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genarium.recipes import PositiveFloat, PositiveInt, Probability, recipe


@recipe(
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
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.5,
    smoothing: Probability = 0.0,
) -> GAN:
    """Deep convolutional GAN: strided convolutions, batch norm, the non-saturating loss.

    latent: size of the code, drawn from N(0, I).
    width: channels of the map nearest the image; each further in has twice as many.
    lr: learning rate of both players' Adam.
    beta1: Adam's decay of the gradient's mean; above 0.5 the game tends to oscillate.
    smoothing: the discriminator's target for real images is 1 minus this (0.1 is usual).
    """
    optim = Optim("adam", lr=lr, betas=(beta1, 0.999))
    return GAN(
        spec,
        DCGANGenerator(latent, spec.shape, width),
        DCGANDiscriminator(spec.shape, width),
        NonSaturating(smoothing),
        optimizers=(optim, optim),
    )
