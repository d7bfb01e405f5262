"""The axes by name, for recipes whose arguments choose among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Lt
from torch import nn

from genarium.contract import Optim, Spec
from genarium.models.conditioning import Conditioning
from genarium.models.gan.networks.dense import DenseDiscriminator, DenseGenerator
from genarium.models.gan.networks.packing import Packed
from genarium.models.gan.networks.residual import ResidualDiscriminator, ResidualGenerator
from genarium.models.gan.networks.resize import ResizeGenerator, default_width
from genarium.models.gan.own import ObjectiveName
from genarium.models.gan.regularizer_names import (
    REGULARIZERS,
    RegularizerName,
    mixes_images,
    regularizers_of,
)
from genarium.models.gan.rules import objective_of
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator, Norm
from genarium.nn.norm import BatchNorm2d

__all__ = [
    "ARCHITECTURES",
    "REGULARIZERS",
    "ArchitectureName",
    "ConvolutionalName",
    "Decay",
    "ObjectiveName",
    "RegularizerName",
    "adam",
    "mixes_images",
    "networks",
    "objective_of",
    "regularizers_of",
]

Shape = tuple[int, int, int]
Decay = Annotated[float, Ge(0), Lt(1)]
ArchitectureName = Literal["dense", "dcgan", "residual", "resize"]
ConvolutionalName = Literal["resize", "dcgan", "residual"]


class Architecture(NamedTuple):
    """A pair of networks. width: the default for images of (height, width). generator:
    (inputs, shape, width) -> network. discriminator: (shape, width, norm) -> network."""

    width: Callable[[int, int], int]
    generator: Callable[[int, Shape, int], nn.Module]
    discriminator: Callable[[Shape, int, Norm | None], nn.Module]


ARCHITECTURES: dict[ArchitectureName, Architecture] = {
    "dense": Architecture(
        lambda *sides: 1200,
        DenseGenerator,
        # the paper's ratio of units, 1200 to 240; the dense discriminator has no norm to leave out
        lambda shape, width, norm: DenseDiscriminator(shape, max(1, width // 5)),
    ),
    "dcgan": Architecture(lambda *sides: 64, DCGANGenerator, DCGANDiscriminator),
    "residual": Architecture(lambda *sides: 64, ResidualGenerator, ResidualDiscriminator),
    "resize": Architecture(default_width, ResizeGenerator, DCGANDiscriminator),
}


def adam(lr: float, beta1: float, beta2: float = 0.999) -> Optim:
    """Adam as GANs use it."""
    return Optim("adam", lr=lr, betas=(beta1, beta2))


def networks(
    architecture: ArchitectureName,
    spec: Spec,
    latent: int,
    width: int | None = None,
    *,
    conditioning: Conditioning | None = None,
    batch_norm: bool = True,
    score_bias: bool = True,
    packing: int = 1,
) -> tuple[nn.Module, Any]:
    """A generator of codes [latent + S] and a discriminator for `spec`'s images.

    width: None is the architecture's own. batch_norm: in the discriminator. score_bias: whether
    its logit has one; a critic's must not, for a difference of scores gives it no gradient.
    packing: images that the discriminator judges at once.
    """
    condition = conditioning if conditioning is not None else Conditioning()
    chosen = ARCHITECTURES[architecture]
    width = chosen.width(spec.height, spec.width) if width is None else width
    norm: Norm | None = BatchNorm2d if batch_norm else None
    generator = chosen.generator(latent + condition.size, spec.shape, width)

    def discriminator(shape: Shape) -> Any:
        made: Any = chosen.discriminator(shape, width, norm)
        if not score_bias:
            made.score.register_parameter("bias", None)
        return made

    seen = (spec.channels + condition.channels, spec.height, spec.width)
    return generator, Packed(seen, packing, discriminator) if packing > 1 else discriminator(seen)
