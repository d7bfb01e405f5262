"""Arguments that the recipes of GANs share, with the help of their flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from genarium.contract import Spec
from genarium.models.gan.composition import ConvolutionalName, Decay
from genarium.models.gan.regularizer_names import RegularizerName
from genarium.recipes import PositiveFloat, PositiveInt, Probability
from genarium.signatures import AUTO, Choice, Default, Flag, Help

Latent = Annotated[PositiveInt, Help("size of the noise, drawn from N(0, I).")]
Width = Annotated[
    PositiveInt,
    Help("channels of the map nearest the image; each deeper one has twice as many."),
]
Convolutional = Annotated[
    ConvolutionalName,
    Help(
        "the pair of networks: resize has no checkerboards and a width that fits the size, dcgan "
        "is the paper's, residual is deeper and slower."
    ),
]
OwnWidth = Annotated[
    PositiveInt | None,
    Help(
        "units or channels of the generator; none is the architecture's own: 1200 of dense, 64 of "
        "dcgan and residual, by the size of the images of resize."
    ),
]
CriticSteps = Annotated[PositiveInt, Help("updates of the critic for each one of the generator.")]
LearningRate = Annotated[PositiveFloat, Help("learning rate of both players' Adam.")]
Beta1 = Annotated[
    Decay,
    Help("Adam's decay of the gradient's mean; above 0.5 training tends to oscillate."),
]
Smoothing = Annotated[
    Probability,
    Help("the discriminator's target for real images is 1 minus this (0.1 is usual)."),
]
Packing = Annotated[
    PositiveInt,
    Help("images that the discriminator judges together (PacGAN), against dropped modes."),
]
Regularizers = Annotated[
    tuple[RegularizerName, ...],
    Help(
        "additions to the training, separated by commas (or none), each with its settings behind a "
        "colon (where the default is auto: r1,diffaugment for colour, none for one channel): "
        "diffaugment:color+translation+cutout:PROBABILITY (or adaptive; also flip and affine), "
        "feature-matching:WEIGHT:alone (or beside), "
        "gradient-penalty:WEIGHT, minibatch-discrimination:KERNELS:SIZE, r1:WEIGHT, spectral-norm, "
        "weight-clipping:LIMIT; defaults: docs/adversarial.md."
    ),
    Flag(was="tricks"),
]


def regularizers_for(spec: Spec, _: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps a discriminator from learning few colour pictures by heart; for one channel none:
    there a plain discriminator was better at equal time (docs/adversarial.md has the figures)."""
    return ("r1", "diffaugment") if spec.channels > 1 else ()


class Convolutions(TypedDict):
    """The arguments of the convolutional GANs: their networks and how these are trained."""

    architecture: Annotated[Convolutional, Default("resize")]
    latent: Annotated[Latent, Default(100)]
    width: Annotated[OwnWidth, Default(None)]
    lr: Annotated[LearningRate, Default(1e-3)]
    beta1: Annotated[Beta1, Default(0.5)]
    smoothing: Annotated[Smoothing, Default(0.0)]


class Regularized(Convolutions):
    """Those of the ones that regularizers go with."""

    regularizers: Annotated[Regularizers, Choice(regularizers_for), Default(AUTO)]
