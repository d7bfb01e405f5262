"""Arguments that the recipes of flows share, with the help of their flags."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from annotated_types import Ge, Le

from genarium.models.arguments import LearningRate
from genarium.recipes import NonNegativeInt, PositiveInt
from genarium.signatures import Default, Help

Levels = Annotated[
    Annotated[int, Ge(2), Le(65536)] | None,
    Help(
        "levels a pixel is reduced to, equal parts of the range (default: all that the images "
        "have; 256 of floats)."
    ),
]
Alpha = Annotated[
    float,
    Ge(0),
    Le(0.4),
    Help(
        "above 0, the flow works on logit(alpha + (1 - 2 alpha) y) of pixels y on [0, 1]; at 0 on "
        "2y - 1."
    ),
]
DequantizationName = Annotated[
    Literal["uniform", "variational"],
    Help(
        "noise within a level: uniform, or variational, from a small flow of its own that sees the "
        "image (a tighter bound, at more work a step)."
    ),
]
Scales = Annotated[
    PositiveInt,
    Help(
        "resolutions: the sides are halved this often, or as often as they can be, and at each but "
        "the last half of the numbers is done."
    ),
]
Couplings = Annotated[PositiveInt, Help("couplings at each resolution.")]
Width = Annotated[PositiveInt, Help("channels of the couplings' networks.")]
Blocks = Annotated[NonNegativeInt, Help("residual blocks of a coupling's network.")]
ConditionName = Annotated[
    str,
    Help(
        "condition on: none, class (the labels), attributes (the factors of the data), or the name "
        "of a vector that goes with each image."
    ),
]


ALPHA = 0.001


class Common(TypedDict):
    """What all of them take."""

    alpha: Annotated[Alpha, Default(ALPHA)]
    condition: Annotated[ConditionName, Default("none")]
    levels: Annotated[Levels, Default(None)]
    lr: Annotated[LearningRate, Default(2e-3)]


class Networks(Common):
    """What the multi-scale flows take too."""

    dequantization: Annotated[DequantizationName, Default("uniform")]
    scales: Annotated[Scales, Default(3)]
    width: Annotated[Width, Default(32)]
    blocks: Annotated[Blocks, Default(2)]
