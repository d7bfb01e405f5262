"""The variational autoencoder as a recipe, and what builds it, the conditional and the
importance-weighted one (`model.py` has the class and its losses)."""

from __future__ import annotations

from typing import Unpack

from torch import nn

from genarium.contract import Optim, Spec
from genarium.models.conditioning import Conditioning
from genarium.models.vae.arguments import Beta, FreeBits, Networks
from genarium.models.vae.model import VAE as VAE
from genarium.nn import distributions as dist
from genarium.nn.conv import ConvDecoder, ConvEncoder
from genarium.nn.mlp import DenseDecoder, DenseEncoder
from genarium.recipes import recipe, refuse_unused


def build(
    spec: Spec, networks: Networks, *, conditioning: Conditioning | None = None, **axes: float
) -> VAE:
    """A VAE from the arguments that the recipes share; axes: `beta`, `free_bits`, `samples`."""
    latent, activation = networks["latent"], networks["activation"]
    if networks["net"] == "conv":
        refuse_unused("it is of --net dense alone", activation=(activation, "relu"))
    else:
        refuse_unused("it is of --net conv alone", width=(networks["width"], 16))
    if not axes.get("beta", 1.0):
        refuse_unused("with --beta 0 no KL is counted", free_bits=(axes.get("free_bits", 0.0), 0.0))
    likelihood = dist.likelihood_of(networks["decoder"], spec)
    out = (likelihood.outputs * spec.channels, spec.height, spec.width)
    beside = conditioning.size if conditioning is not None else 0
    encoder_net: nn.Module
    decoder_net: nn.Module
    units = (networks["hidden"],) * networks["layers"]
    if networks["net"] == "conv":
        encoder_net = ConvEncoder(spec.shape, 2 * latent, networks["width"], units, beside)
        decoder_net = ConvDecoder(latent + beside, out, networks["width"], units)
    else:
        encoder_net = DenseEncoder(spec.shape, 2 * latent, units, activation, beside)
        decoder_net = DenseDecoder(latent + beside, out, units, activation)
    return VAE(
        spec,
        encoder_net,
        decoder_net,
        likelihood,
        latent=latent,
        conditioning=conditioning,
        optim=Optim(lr=networks["lr"]),
        **axes,  # type: ignore[arg-type]
    )


@recipe(
    family="explicit/approximate",
    tiny={"latent": 2, "width": 4, "hidden": 16},
    paper="Kingma & Welling 2014",
    batch=64,
    steps=2000,
)
def vae(
    spec: Spec,
    *,
    beta: Beta = 1.0,
    free_bits: FreeBits = 0.0,
    **networks: Unpack[Networks],
) -> VAE:
    """Variational autoencoder: a latent code with a Gaussian prior, a bound on the likelihood."""
    return build(spec, networks, beta=beta, free_bits=free_bits)
