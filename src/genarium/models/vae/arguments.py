"""Arguments that the recipes of VAEs share, with the help of their flags."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from annotated_types import Gt

from genarium.models import arguments as shared
from genarium.models.networks import HIDDEN, WIDTH
from genarium.nn.distributions import likelihood_for
from genarium.recipes import NonNegativeFloat, PositiveInt
from genarium.signatures import Choice, Default, Help

Pixels = Annotated[
    Literal["auto", "bernoulli", "gaussian", "logistic"],
    Help(
        "what a pixel is: bernoulli (binarized anew at each use), gaussian (one learned variance) "
        "or logistic (256 grey levels); auto: bernoulli where one channel is nearly black and "
        "white, gaussian for photographs, colour and greys."
    ),
    Choice(lambda spec, _: likelihood_for(spec)),
]
LAYERS = 4
Layers = Annotated[shared.Layers, Gt(0)]
Activation = Annotated[
    shared.Activation,
    Help("between the layers of the dense net (dense only); tanh is that of the papers."),
]
Beta = Annotated[
    NonNegativeFloat,
    Help("weight of the KL; 1 trains the ELBO, more keeps codes nearer to the prior."),
]
PriorOf = Annotated[
    Literal["mixture", "learned", "fixed"],
    Help(
        "of the code: learned (a Gaussian with a mean and a deviation of each latent; codes are "
        "given in units of them, so N(0, I) is what they are drawn from), mixture (the same for "
        "training, and beside it a mixture of Gaussians is fitted to the codes: samples and bounds "
        "are of the mixture) or fixed (N(0, I), as in the papers)."
    ),
]
COMPONENTS = 64
Components = Annotated[PositiveInt, Help("Gaussians of the mixture (--prior mixture).")]
FreeBits = Annotated[
    NonNegativeFloat,
    Help("KL of a latent, in nats, that is not penalised, against unused latents."),
]


class Networks(TypedDict):
    """What all of them take: encoder, decoder, code and learning rate."""

    net: Annotated[shared.Net, Default("strided")]
    decoder: Annotated[Pixels, Default("auto")]
    latent: Annotated[shared.Latent, Default(16)]
    prior: Annotated[PriorOf, Default("mixture")]
    components: Annotated[Components, Default(COMPONENTS)]
    width: Annotated[shared.ConvWidth, Default(WIDTH)]
    hidden: Annotated[shared.Hidden, Default(HIDDEN)]
    layers: Annotated[Layers, Default(LAYERS)]
    activation: Annotated[Activation, Default("relu")]
    lr: Annotated[shared.LearningRate, Default(2e-3)]
