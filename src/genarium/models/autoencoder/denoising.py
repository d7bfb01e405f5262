"""Denoising autoencoders: rebuild the image from a damaged one.

    Vincent, Larochelle, Bengio & Manzagol 2008, Extracting and composing robust features
    Vincent et al. 2010, Stacked denoising autoencoders

To undo damage a network must know what images look like, so its code is more than a copy, even a
large one. `reconstruct` takes images as they are: give it damaged ones and it cleans them.

Shapes: B batch · C channels · H, W pixels
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from genarium.contract import Batch, Noise, Optim, Spec, Step
from genarium.errors import UserError
from genarium.models.arguments import (
    Activation,
    ConvWidth,
    Hidden,
    Latent,
    Layers,
    LearningRate,
    Net,
)
from genarium.models.autoencoder.autoencoder import LAYERS, Autoencoder, networks
from genarium.models.networks import HIDDEN, WIDTH
from genarium.recipes import (
    NonNegativeFloat,
    recipe,
    refuse_unused,
)

Corruption = Callable[[Tensor, Noise], Tensor]
"""(images [B,C,H,W] on [0, 1], noise of this turn) -> damaged images of the same shape."""


def gaussian(amount: float) -> Corruption:
    """x + amount·ε, ε ~ N(0, 1) for each value; not clipped."""
    return lambda x, noise: x + amount * noise.normal(*x.shape[1:])


def masking(amount: float) -> Corruption:
    """Each pixel (all of its channels) becomes 0 with probability `amount`."""

    def corrupt(x: Tensor, noise: Noise) -> Tensor:
        return x * (noise.uniform(1, *x.shape[2:]) >= amount)

    return corrupt


def salt_and_pepper(amount: float) -> Corruption:
    """Each pixel (all of its channels) becomes 0 or 1, half of each, with probability `amount`."""

    def corrupt(x: Tensor, noise: Noise) -> Tensor:
        u = noise.uniform(1, *x.shape[2:])
        return torch.where(u < amount, (u < amount / 2).to(x.dtype), x)

    return corrupt


CORRUPTIONS: dict[str, Callable[[float], Corruption]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt-and-pepper": salt_and_pepper,
}


def corruption_of(kind: str, amount: float) -> Corruption:
    """The corruption of this name and size. Raises UserError for a share of more than 1."""
    if kind != "gaussian" and amount > 1:
        raise UserError(f"--amount {amount:g}: a share of the pixels is at most 1")
    if not amount:
        refuse_unused("with --amount 0 nothing is damaged", corruption=(kind, "masking"))
    return CORRUPTIONS[kind](amount)


class DenoisingAutoencoder(Autoencoder):
    """Minimises Σ (x̂ − x)² of x̂ rebuilt from a damaged x, freshly damaged at each use.

    corruption: what damages the training images. The other arguments are `Autoencoder`'s.
    """

    def __init__(
        self,
        spec: Spec,
        encoder: nn.Module,
        decoder: nn.Module,
        corruption: Corruption,
        *,
        optim: Optim | None = None,
    ):
        super().__init__(spec, encoder, decoder, optim=optim)
        self.corruption = corruption

    def step(self, batch: Batch, phase: str) -> Step:
        clean = batch.unit()
        return self.squared_error(self.corruption(clean, batch.noise) * 2.0 - 1.0, clean)


@recipe(
    family="nonprobabilistic",
    tiny={"latent": 2, "width": 4},
    paper="Vincent et al. 2008",
    batch=128,
    steps=1500,
)
def denoising_autoencoder(
    spec: Spec,
    *,
    net: Net = "strided",
    corruption: Literal["gaussian", "masking", "salt-and-pepper"] = "masking",
    amount: NonNegativeFloat = 0.3,
    latent: Latent = 64,
    width: ConvWidth = WIDTH,
    hidden: Hidden = HIDDEN,
    layers: Layers = LAYERS,
    activation: Activation = "relu",
    lr: LearningRate = 2e-3,
) -> DenoisingAutoencoder:
    """Denoising autoencoder: learns to reconstruct images from corrupted ones.

    corruption: gaussian noise, masking (pixels to black) or salt-and-pepper (to black or white).
    amount: standard deviation of gaussian noise on [0, 1]; share of the pixels otherwise.
    activation: between the layers of the dense net (dense only); sigmoid is the original.
    """
    damage = corruption_of(corruption, amount)
    encoder, decoder = networks(spec, net, latent, width, hidden, layers, activation)
    return DenoisingAutoencoder(spec, encoder, decoder, damage, optim=Optim(lr=lr))
