"""Arguments that the recipes of VAEs share, with the help of their flags."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt

from genarium.models import arguments as shared
from genarium.recipes import NonNegativeFloat
from genarium.signatures import Help

Pixels = Annotated[
    Literal["bernoulli", "gaussian", "logistic"],
    Help(
        "what a pixel is: bernoulli (binarized anew at each use), gaussian (one learned variance) "
        "or logistic (256 grey levels)."
    ),
]
Layers = Annotated[shared.Layers, Gt(0)]
Activation = Annotated[
    shared.Activation,
    Help("between the layers of the dense net (dense only); tanh is that of the papers."),
]
Beta = Annotated[
    NonNegativeFloat,
    Help("weight of the KL; 1 trains the ELBO, more keeps codes nearer to the prior."),
]
FreeBits = Annotated[
    NonNegativeFloat,
    Help("KL of a latent, in nats, that is not penalised, against unused latents."),
]
