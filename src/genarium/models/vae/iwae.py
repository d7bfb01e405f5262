"""Importance weighted autoencoder: a VAE trained on a tighter bound (Burda et al. 2016)."""

from __future__ import annotations

from genarium.contract import Spec
from genarium.models.arguments import ConvWidth, Hidden, Latent, LearningRate, Net
from genarium.models.vae.arguments import Activation, Layers, Pixels
from genarium.models.vae.vae import VAE, build
from genarium.recipes import PositiveInt, recipe


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
    latent: Latent = 16,
    width: ConvWidth = 16,
    hidden: Hidden = 256,
    layers: Layers = 4,
    activation: Activation = "relu",
    lr: LearningRate = 2e-3,
) -> VAE:
    """Importance weighted autoencoder: a VAE trained on the bound of several importance samples.

    samples: draws of the code an image; the decoder's work grows with it. 1 is the VAE.
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
