"""The variational autoencoder as a recipe, and what builds it, the conditional and the
importance-weighted one (`model.py` has the class and its losses)."""

from __future__ import annotations

from torch import nn

from genarium.contract import Optim, Spec
from genarium.models.arguments import ConvWidth, Hidden, Latent, LearningRate, Net
from genarium.models.conditioning import Conditioning
from genarium.models.vae.arguments import Activation, Beta, FreeBits, Layers, Pixels
from genarium.models.vae.model import VAE as VAE
from genarium.nn import distributions as dist
from genarium.nn.conv import ConvDecoder, ConvEncoder
from genarium.nn.mlp import DenseDecoder, DenseEncoder
from genarium.recipes import recipe, refuse_unused


def build(
    spec: Spec,
    net: Net,
    decoder: Pixels,
    *,
    latent: int,
    width: int,
    hidden: int,
    layers: int,
    activation: Activation,
    lr: float,
    conditioning: Conditioning | None = None,
    **axes: float,
) -> VAE:
    """A VAE from the arguments that the recipes share; axes: `beta`, `free_bits`, `samples`."""
    if net == "conv":
        refuse_unused("it is of --net dense alone", activation=(activation, "relu"))
    else:
        refuse_unused("it is of --net conv alone", width=(width, 16))
    if not axes.get("beta", 1.0):
        refuse_unused("with --beta 0 no KL is counted", free_bits=(axes.get("free_bits", 0.0), 0.0))
    likelihood = dist.likelihood_of(decoder, spec)
    out = (likelihood.outputs * spec.channels, spec.height, spec.width)
    told = conditioning.size if conditioning is not None else 0
    encoder_net: nn.Module
    decoder_net: nn.Module
    units = (hidden,) * layers
    if net == "conv":
        encoder_net = ConvEncoder(spec.shape, 2 * latent, width, units, told)
        decoder_net = ConvDecoder(latent + told, out, width, units)
    else:
        encoder_net = DenseEncoder(spec.shape, 2 * latent, units, activation, told)
        decoder_net = DenseDecoder(latent + told, out, units, activation)
    return VAE(
        spec,
        encoder_net,
        decoder_net,
        likelihood,
        latent=latent,
        conditioning=conditioning,
        optim=Optim(lr=lr),
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
    net: Net = "conv",
    decoder: Pixels = "bernoulli",
    latent: Latent = 16,
    width: ConvWidth = 16,
    hidden: Hidden = 256,
    layers: Layers = 4,
    activation: Activation = "relu",
    beta: Beta = 1.0,
    free_bits: FreeBits = 0.0,
    lr: LearningRate = 2e-3,
) -> VAE:
    """Variational autoencoder: a smooth code, a Gaussian prior, a bound on the likelihood."""
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
        beta=beta,
        free_bits=free_bits,
    )
