"""Arguments that recipes of several families share: each type carries the help of its flag.

A recipe whose argument means something else writes its own line in the docstring, which wins.
"""

from __future__ import annotations

from typing import Annotated, Literal

from genarium.recipes import NonNegativeInt, PositiveFloat, PositiveInt
from genarium.signatures import Help

Latent = Annotated[PositiveInt, Help("size of the code.")]
LearningRate = Annotated[PositiveFloat, Help("learning rate of Adam.")]

# ------------------------------------------------------------------ encoders and decoders

Net = Annotated[
    Literal["strided", "conv", "dense"],
    Help(
        "strided (strided convolutions with batch norm, one linear layer to the code), conv "
        "(strided convolutions and dense layers) or dense (fully connected)."
    ),
]
ConvWidth = Annotated[
    PositiveInt,
    Help(
        "channels of the first convolution (strided and conv), doubled with each halving of the "
        "sides, at most 8 times."
    ),
]
Hidden = Annotated[PositiveInt, Help("units of a dense layer (conv and dense).")]
Layers = Annotated[
    NonNegativeInt,
    Help(
        "dense layers between the image (or its smallest map) and the code, each way (conv and "
        "dense)."
    ),
]
Activation = Annotated[
    Literal["relu", "silu", "tanh", "sigmoid"],
    Help("between the layers of the dense net (dense only)."),
]
