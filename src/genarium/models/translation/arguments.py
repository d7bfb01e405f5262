"""Arguments that the recipes of translations share, with the help of their flags."""

from __future__ import annotations

from typing import Annotated

from genarium.recipes import NonNegativeInt, PositiveInt
from genarium.signatures import Help

Patch = Annotated[
    PositiveInt,
    Help("pixels a side that each logit of a discriminator sees: 1, 16, 34, 70, 142 or 286."),
]
DiscWidth = Annotated[PositiveInt, Help("channels of a discriminator's first map.")]
Jitter = Annotated[
    NonNegativeInt,
    Help(
        "enlarge training images by this many pixels a side and cut the old size out at random; "
        "the paper has 30 at 256 pixels."
    ),
]
