"""Stacked denoising autoencoders: layers learnt one after the other, each on the codes below it.

    Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks
    Bengio et al. 2007, Greedy layer-wise training of deep networks
    Vincent et al. 2010, Stacked denoising autoencoders

One layer without corruption is the original autoencoder: a code of logistic units. The stack is
made to be a classifier's start: `genarium finetune` puts a softmax on the top code and trains all
of it.

Shapes: B batch · C channels · H, W pixels · D units of a layer
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.contract import Batch, Condition, Model, Optim, Phase, Spec, Step, unconditional
from genarium.models.arguments import LearningRate
from genarium.models.autoencoder.denoising import Corruption, corruption_of
from genarium.recipes import NonNegativeFloat, PositiveInt, recipe

GAIN = 4.0
"""A logistic unit has a quarter of tanh's slope at 0: Glorot & Bengio's bounds times four."""


class TiedLayer(nn.Module):
    """One logistic layer whose decoder is its transpose: h = σ(W·x + b), x̂ = σ(Wᵀ·h + c).

    inputs, units: sizes of x and h. W [units, inputs], b [units], c [inputs].
    """

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, inputs))
        self.bias = nn.Parameter(torch.zeros(units))
        self.visible_bias = nn.Parameter(torch.zeros(inputs))
        nn.init.xavier_uniform_(self.weight, gain=GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] -> [B, units] on (0, 1)."""
        return F.linear(x, self.weight, self.bias).sigmoid()

    def logits(self, h: Tensor) -> Tensor:
        """The decoder before its sigmoid, [B, units] -> [B, inputs]."""
        return F.linear(h, self.weight.t(), self.visible_bias)


class StackedAutoencoder(Model):
    """Greedy layerwise training: layer k learns in its own stretch of steps, the rest stands still.

    Layer k sees the codes x of the trained layers below it (pixels on [0, 1] for the first one),
    damages them and minimises the cross-entropy to what they were,

        Σ −x ln x̂ − (1 − x) ln(1 − x̂),  x̂ = σ(Wᵀ·σ(W·damaged(x) + b) + c),

    summed over units, averaged over the batch. What a stretch is follows from the step's number,
    so a resumed run knows where it is: layer k plays from k·layer_steps on for layer_steps steps,
    and the last one to the end of the run. Each layer has its own optimizer.

    `reconstruct` goes up the stack and down the tied decoders; the whole is never trained
    together here, so it is coarser than a deep autoencoder of the same sizes.
    """

    def __init__(
        self,
        spec: Spec,
        units: tuple[int, ...],
        corruption: Corruption,
        *,
        layer_steps: int,
        optim: Optim | None = None,
    ):
        super().__init__()
        self.spec = spec
        self.corruption = corruption
        sizes = (spec.dims, *units)
        self.layers = nn.ModuleList(TiedLayer(below, above) for below, above in pairwise(sizes))
        last = len(units) - 1
        self.phases = tuple(
            Phase(
                f"layer {k + 1}",
                nets=(f"layers.{k}",),
                optim=optim or Optim(),
                start=k * layer_steps,
                stop=None if k == last else (k + 1) * layer_steps,
            )
            for k in range(len(units))
        )

    def step(self, batch: Batch, phase: str) -> Step:
        number = int(phase.removeprefix("layer ")) - 1
        with torch.no_grad():
            x = batch.unit()
            if number:
                x = self._up(x.flatten(1), number)[:, None, None]  # as images of one row
            damaged = self.corruption(x, batch.noise)
        layer = self.layers[number]
        assert isinstance(layer, TiedLayer)
        x = x.flatten(1)
        logits = layer.logits(layer(damaged.flatten(1))).float()
        loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        mse = (logits.detach().sigmoid() - x).square().mean()
        return Step({"cross_entropy": loss}, {"mse": mse})

    def _up(self, x: Tensor, layers: int) -> Tensor:
        for layer in self.layers[:layers]:
            x = layer(x)
        return x

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """As stored [B,C,H,W] -> the top code [B,D] on (0, 1); differentiable in the weights."""
        unconditional(condition)
        return self._up(self.spec.values.unit_interval(images).flatten(1), len(self.layers))

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] float32 on [−1, 1]; differentiable in z."""
        for layer in reversed(self.layers):
            assert isinstance(layer, TiedLayer)
            z = layer.logits(z).sigmoid()
        return z.unflatten(1, self.spec.shape) * 2.0 - 1.0

    @torch.no_grad()
    def reconstruct(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] as stored -> [B,C,H,W] float32 on [−1, 1]."""
        return self.decode(self.encode(images, condition))


@recipe(
    family="nonprobabilistic",
    tiny={"hidden": 8, "layers": 2, "layer_steps": 1},
    paper="Vincent et al. 2010",
    batch=100,
    steps=3000,
)
def stacked_autoencoder(
    spec: Spec,
    *,
    hidden: PositiveInt = 1000,
    layers: PositiveInt = 3,
    layer_steps: PositiveInt = 1000,
    corruption: Literal["gaussian", "masking", "salt-and-pepper"] = "masking",
    amount: NonNegativeFloat = 0.25,
    lr: LearningRate = 1e-3,
) -> StackedAutoencoder:
    """Stacked denoising autoencoder: logistic layers trained one by one, to pretrain a classifier.

    hidden: units of each layer, and so the size of the code.
    layers: how many.
    layer_steps: training steps of each layer, one after the other; the last has the
        rest of --steps.
    corruption: gaussian noise, masking (values to 0) or salt-and-pepper (to 0 or 1).
    amount: standard deviation of gaussian noise on [0, 1]; share of the values otherwise; 0 with
        one layer is the original autoencoder.
    """
    return StackedAutoencoder(
        spec,
        (hidden,) * layers,
        corruption_of(corruption, amount),
        layer_steps=layer_steps,
        optim=Optim(lr=lr),
    )
