"""Autoencoders: a code that an image can be rebuilt from. No prior, so nothing to sample from.

    Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors
    Baldi & Hornik 1989, Neural networks and principal component analysis (the linear one)
    Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks

Shapes: B batch · C channels · H, W pixels · D latent size
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from genarium.contract import (
    Batch,
    Condition,
    Model,
    Optim,
    Phase,
    Spec,
    Step,
    unconditional,
)
from genarium.models.arguments import Activation, ConvWidth, Hidden, Latent, LearningRate, Net
from genarium.models.networks import HIDDEN, WIDTH, Pair, pair
from genarium.nn.strided import StridedDecoder
from genarium.recipes import NonNegativeInt, recipe, refuse_unused

LAYERS = 2
"""Dense layers each way of the nets that have them."""


class Autoencoder(Model):
    """Minimises the squared error of x̂ = output(decoder(encoder(x))).

    The loss is Σ (x̂ − x)² over pixels and channels, with pixels on [0, 1], averaged over the batch;
    the metric `mse` is the same per pixel and channel, and `psnr` = −10 log₁₀ mse in dB.

    encoder: [B,C,H,W] on [−1, 1] -> codes [B,D]. decoder: [B,D] -> [B,C,H,W].
    output: brings the decoder's outputs to [0, 1]; by default the logistic sigmoid.
    """

    def __init__(
        self,
        spec: Spec,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        output: nn.Module | None = None,
        optim: Optim | None = None,
    ):
        super().__init__()
        self.spec = spec
        self.encoder = encoder
        self.decoder = decoder
        self.output = output if output is not None else nn.Sigmoid()
        self.phases = (Phase("autoencoder", optim=optim or Optim()),)

    def step(self, batch: Batch, phase: str) -> Step:
        return self.squared_error(batch.signed(), batch.unit())

    def squared_error(self, seen: Tensor, wanted: Tensor) -> Step:
        """The loss of rebuilding `wanted` (on [0, 1]) from `seen` (on [−1, 1])."""
        rebuilt = self.output(self.decoder(self.encoder(seen))).float()
        loss = (rebuilt - wanted).square().sum() / len(wanted)
        mse = loss.detach() / self.spec.dims
        return Step({"squared_error": loss}, {"mse": mse, "psnr": -10.0 * mse.log10()})

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] as stored -> codes [B,D] float32; differentiable in the weights."""
        unconditional(condition)
        return self.encoder(self.spec.values.signed(images))

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] float32 on [−1, 1]; differentiable in z."""
        return self.output(self.decoder(z)).clamp(0.0, 1.0) * 2.0 - 1.0

    @torch.no_grad()
    def reconstruct(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] as stored -> [B,C,H,W] float32 on [−1, 1]."""
        return self.decode(self.encode(images, condition))


def networks(
    spec: Spec,
    net: str,
    latent: int,
    width: int,
    hidden: int,
    layers: int,
    activation: str,
    output: str = "sigmoid",
) -> Pair:
    """An encoder and its mirror image; the arguments are those of the recipe `autoencoder`.

    Where the mean of the data is known, the strided net's pictures begin at it.
    """
    if not layers:
        none = "with --layers 0 there is no hidden layer"
        refuse_unused(none, hidden=(hidden, HIDDEN), activation=(activation, "relu"))
    result = pair(
        net,
        spec.shape,
        latent,
        latent,
        spec.shape,
        width=width,
        hidden=hidden,
        layers=layers,
        activation=activation,
        usual=LAYERS,
    )
    if isinstance(result.decoder, StridedDecoder) and spec.tones is not None:
        mean = torch.tensor(spec.tones.mean).view(-1, 1, 1)
        start = mean.clamp(0.01, 0.99).logit() if output == "sigmoid" else mean
        result.decoder.begin_at(start)
    return result


@recipe(
    family="nonprobabilistic",
    tiny={"latent": 2, "width": 4},
    paper="Hinton & Salakhutdinov 2006",
    batch=128,
    steps=1500,
)
def autoencoder(
    spec: Spec,
    *,
    net: Net = "strided",
    latent: Latent = 32,
    width: ConvWidth = WIDTH,
    hidden: Hidden = HIDDEN,
    layers: NonNegativeInt = LAYERS,
    activation: Activation = "relu",
    output: Literal["sigmoid", "linear"] = "sigmoid",
    lr: LearningRate = 2e-3,
) -> Autoencoder:
    """Autoencoder: encodes images as a small code and reconstructs them; it cannot sample.

    layers: dense layers between the image (or its smallest map) and the code, each way (conv and
        dense); 0 with --net dense and --output linear is the linear autoencoder, whose best code
        spans PCA's.
    activation: between the layers of the dense net (dense only); sigmoid is the original.
    output: sigmoid keeps pixels between black and white, linear does not bound them.
    """
    encoder, decoder = networks(spec, net, latent, width, hidden, layers, activation, output)
    rebuilt = nn.Sigmoid() if output == "sigmoid" else nn.Identity()
    return Autoencoder(spec, encoder, decoder, output=rebuilt, optim=Optim(lr=lr))
