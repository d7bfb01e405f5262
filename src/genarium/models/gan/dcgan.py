"""Deep convolutional GAN (Radford, Metz & Chintala 2016), also with class labels or least squares.

The defaults are for some hundred to some thousand pictures and minutes of a few cores: the paper's
discriminator, a generator without checkerboards (`networks.resize`), a width that falls with the
size, batches of 32 so that there are many steps, a rate to go with them, averaged weights, and for
colour two regularizers that keep a discriminator from learning few pictures by heart. The paper's:
--architecture dcgan --regularizers none --width 64 --batch 128 --lr 2e-4 --ema 0 (its networks'
rules are in `genarium.nn.dcgan`). z ~ N(0, I) where the paper draws it uniform on a cube, so that
codes interpolate on a sphere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from genarium.contract import Spec
from genarium.models.conditioning import Labels
from genarium.models.gan.arguments import Convolutions, Packing, Regularized
from genarium.models.gan.composition import (
    adam,
    mixes_images,
    networks,
    regularizers_of,
)
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import LeastSquares, NonSaturating, Objective
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
    packing: Packing = 1,
    **common: Unpack[Regularized],
) -> GAN:
    """Deep convolutional GAN: strided convolutions, batch norm, the non-saturating loss."""
    return _built(
        spec, NonSaturating(common["smoothing"]), common, common["regularizers"], packing=packing
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
    **common: Unpack[Regularized],
) -> GAN:
    """Conditional GAN: the class label joins the input of both players."""
    labels = Labels(len(spec.classes))
    objective = NonSaturating(common["smoothing"])
    return _built(spec, objective, common, common["regularizers"], conditioning=labels)


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
    **common: Unpack[Convolutions],
) -> GAN:
    """Least squares GAN: squared distance to the targets 0 and 1."""
    return _built(spec, LeastSquares(common["smoothing"]), common)


def _built(
    spec: Spec,
    objective: Objective,
    common: Convolutions,
    regularizers: Sequence[str] = (),
    *,
    packing: int = 1,
    conditioning: Labels | None = None,
) -> GAN:
    """The two networks that the arguments ask for, and how they are trained."""
    generator, discriminator = networks(
        common["architecture"],
        spec,
        common["latent"],
        common["width"],
        conditioning=conditioning,
        batch_norm=mixes_images(regularizers),
        packing=packing,
    )
    return GAN(
        spec,
        generator,
        discriminator,
        objective,
        conditioning=conditioning,
        regularizers=regularizers_of(regularizers),
        optimizers=(adam(common["lr"], common["beta1"]),) * 2,
    )
