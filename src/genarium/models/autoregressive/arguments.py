"""Arguments that the autoregressive recipes share, with the help of their flags."""

from __future__ import annotations

from typing import Annotated, TypedDict

from annotated_types import Ge, Le

from genarium.models.arguments import LearningRate
from genarium.models.autoregressive.heads import HeadName
from genarium.recipes import PositiveInt
from genarium.signatures import Default, Help

Levels = Annotated[
    int,
    Ge(2),
    Le(65536),
    Help(
        "grey levels a pixel is reduced to, equal parts of the range (floor(x*levels/256) of 8 "
        "bits), at most all that there are; 2 is black and white; more than 256 with --output "
        "logistics."
    ),
]
Output = Annotated[
    HeadName,
    Help("a softmax over the levels, or a mixture of discretised logistics (PixelCNN++)."),
]
Components = Annotated[PositiveInt, Help("logistics of the mixture.")]
Width = Annotated[
    PositiveInt,
    Help("channels of the features (rounded up to a multiple of the colours)."),
]
HeadWidth = Annotated[
    PositiveInt,
    Help("channels of the layer before the softmax (rounded up likewise)."),
]
Position = Annotated[
    bool, Help("learn a bias for every pixel after the first layer (the paper has none).")
]
Conditional = Annotated[bool, Help("condition on the class: p(x|y) instead of p(x); needs labels.")]


class Common(TypedDict):
    """What all of them take."""

    levels: Annotated[Levels, Default(256)]
    output: Annotated[Output, Default("softmax")]
    components: Annotated[Components, Default(10)]
    width: Annotated[Width, Default(32)]
    head: Annotated[HeadWidth, Default(32)]
    position: Annotated[Position, Default(True)]
    conditional: Annotated[Conditional, Default(False)]
    lr: Annotated[LearningRate, Default(3e-3)]
