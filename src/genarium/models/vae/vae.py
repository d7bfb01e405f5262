"""The variational autoencoder as a recipe, and what builds it, the conditional and the
importance-weighted one (`model.py` has the class and its losses)."""

from __future__ import annotations

from typing import Unpack

from genarium.contract import Optim, Spec
from genarium.models.conditioning import Conditioning
from genarium.models.networks import pair
from genarium.models.vae.arguments import COMPONENTS, LAYERS, Beta, FreeBits, Networks
from genarium.models.vae.mixture import Mixture
from genarium.models.vae.model import VAE as VAE
from genarium.models.vae.prior import LearnedPrior
from genarium.nn import distributions as dist
from genarium.recipes import recipe, refuse_unused


def build(
    spec: Spec,
    networks: Networks,
    *,
    kind: type[VAE] = VAE,
    conditioning: Conditioning | None = None,
    **axes: float,
) -> VAE:
    """A VAE from the arguments that the recipes share; axes: `beta`, `free_bits`, `samples`.

    kind: the class, one of your own where it has another loss.
    """
    latent = networks["latent"]
    if not axes.get("beta", 1.0):
        refuse_unused("with --beta 0 no KL is counted", free_bits=(axes.get("free_bits", 0.0), 0.0))
    prior, components = networks["prior"], networks["components"]
    if prior != "mixture":
        one = f"--prior {prior} is one Gaussian"
        refuse_unused(one, components=(components, COMPONENTS))
    bounded = networks["net"] == "strided"  # runs of the other nets have means as they come
    likelihood = dist.likelihood_of(networks["decoder"], spec, bounded)
    beside = conditioning.size if conditioning is not None else 0
    encoder, decoder = pair(
        networks["net"],
        spec.shape,
        2 * latent,
        latent + beside,
        (likelihood.outputs * spec.channels, spec.height, spec.width),
        width=networks["width"],
        hidden=networks["hidden"],
        layers=networks["layers"],
        activation=networks["activation"],
        usual=LAYERS,
        beside=beside,
    )
    return kind(
        spec,
        encoder,
        decoder,
        likelihood,
        latent=latent,
        conditioning=conditioning,
        learned_prior=None if prior == "fixed" else LearnedPrior(latent),
        mixture=Mixture(latent, components) if prior == "mixture" else None,
        optim=Optim(lr=networks["lr"]),
        **axes,  # type: ignore[arg-type]
    )


@recipe(
    family="explicit/approximate",
    tiny={"latent": 2, "width": 4},
    paper="Kingma & Welling 2014",
    batch=64,
    steps=2000,
    training={"ema": 0.99},
    former={"prior": "fixed"},
)
def vae(
    spec: Spec,
    *,
    beta: Beta = 1.0,
    free_bits: FreeBits = 0.0,
    **networks: Unpack[Networks],
) -> VAE:
    """Variational autoencoder: a latent code and a prior of it, a bound on the likelihood."""
    return build(spec, networks, beta=beta, free_bits=free_bits)
