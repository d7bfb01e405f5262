"""Importance weighted autoencoder: a VAE trained on a tighter bound (Burda et al. 2016)."""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.vae.vae import VAE, Activation, Net, Pixels, build
from genarium.recipes import PositiveFloat, PositiveInt, recipe


@recipe(
    family="explicit/approximate",
    tiny={"latent": 2, "width": 4, "hidden": 16, "samples": 3},
    paper="Burda, Grosse & Salakhutdinov 2016",
    batch=64,
    steps=2000,
)
def iwae(
    spec: Spec,
    *,
    samples: PositiveInt = 5,
    net: Net = "conv",
    decoder: Pixels = "bernoulli",
    latent: PositiveInt = 16,
    width: PositiveInt = 16,
    hidden: PositiveInt = 256,
    layers: PositiveInt = 4,
    activation: Activation = "relu",
    lr: PositiveFloat = 2e-3,
) -> VAE:
    """Importance weighted autoencoder: a VAE trained on the bound of several draws a code.

    samples: draws of the code an image; the decoder's work grows with it. 1 is the VAE.
    net: conv (strided convolutions) or dense (fully connected).
    decoder: what a pixel is: bernoulli (binarized anew at each use), gaussian (one learned
        variance) or logistic (256 grey levels).
    latent: size of the code.
    width: channels of the first convolution (conv only), doubled with each halving of the sides.
    hidden: units of a dense layer.
    layers: dense layers between the image (or its smallest map) and the code, each way.
    activation: between the layers of the dense net (dense only); tanh is the paper's.
    lr: learning rate of Adam.
    """
    return build(
        spec,
        net,
        decoder,
        latent=latent,
        width=width,
        hidden=hidden,
        layers=layers,
        activation=activation,
        lr=lr,
        samples=samples,
    )
