"""Importance weighted autoencoder: a VAE trained on a tighter bound (Burda et al. 2016)."""

from __future__ import annotations

from typing import Unpack

from genarium.contract import Spec
from genarium.models.vae.arguments import Networks
from genarium.models.vae.model import VAE
from genarium.models.vae.vae import build
from genarium.recipes import PositiveInt, recipe


@recipe(
    family="explicit/approximate",
    tiny={"latent": 2, "width": 4, "samples": 3},
    paper="Burda, Grosse & Salakhutdinov 2016",
    batch=64,
    steps=2000,
    training={"ema": 0.99},
    former={"prior": "fixed"},
)
def iwae(
    spec: Spec,
    *,
    samples: PositiveInt = 5,
    **networks: Unpack[Networks],
) -> VAE:
    """Importance weighted autoencoder: a VAE trained on the bound of several importance samples.

    samples: draws of the code an image; the decoder's work grows with it. 1 is the VAE.
    """
    return build(spec, networks, samples=samples)
