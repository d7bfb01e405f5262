"""Normalizing flows: an invertible network, and the exact density that comes with it.

    ln p(x) = ln N(f(x); 0, I) + ln|det ∂f/∂x|                    (change of variables)

Training maximises it, sampling runs the network backwards from z ~ N(0, I), and a code is z: as
many numbers as the image has, exact both ways.

Shapes: B batch · C channels · H, W pixels · D = C·H·W · S size of the condition · L grey levels
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from genarium.contract import (
    Batch,
    Condition,
    Model,
    Noise,
    Optim,
    Phase,
    Settings,
    Spec,
    Step,
)
from genarium.contract.exports import ROWS, Function, example_images, usual
from genarium.models.conditioning import Conditioning, Rows
from genarium.models.flow.bijections import ActNorm, Bijection, Mix
from genarium.models.flow.dequantization import Dequantization
from genarium.models.flow.settings import Denoised, Latents
from genarium.models.row_noise import RowNoise
from genarium.nn.distributions import bits_per_dim, normal_log_prob, per_image

WALKED = 32
"""Latents that are traversed where none is named: the first, of the coarsest scale."""


class GivenNoise(Noise):
    """Noise that somebody else drew: every draw is `drawn`, or without one halves.

    kind, shape: what was asked for last, of an image.
    """

    def __init__(self, drawn: Tensor | None = None):
        self.drawn, self.kind, self.shape = drawn, "", tuple[int, ...]()

    def uniform(self, *shape: int) -> Tensor:
        return self._given("uniform", shape)

    def normal(self, *shape: int) -> Tensor:
        return self._given("normal", shape)

    def _given(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        self.kind, self.shape = kind, shape
        return torch.full((ROWS, *shape), 0.5) if self.drawn is None else self.drawn


class Flow(Model):
    """p(x|y) = N(f(x; y); 0, I)·|det ∂f/∂x| of dequantized grey levels.

    flow: [B,C,H,W] levels on [0, L] -> codes [B,D]; `flow.forward` and `flow.inverse`.
    dequantization: what is added to the levels in training and in `log_prob`; `density` says which.
    conditioning: what y is, nothing by default; the context of every layer of the flow. A code is
    the D latents, then the condition, [B, D + S].
    """

    settings: ClassVar[type[Settings] | None] = Latents
    gaussian_codes = True  # shorter than draws, as `encode` adds no noise, but as far from 0 all

    def __init__(
        self,
        spec: Spec,
        flow: Bijection,
        dequantization: Dequantization,
        *,
        conditioning: Conditioning | None = None,
        optim: Optim | None = None,
    ):
        super().__init__()
        self.spec, self.flow, self.dequantization = spec, flow, dequantization
        self.levels, self.latent = dequantization.levels, spec.dims
        self.conditioning = conditioning if conditioning is not None else Conditioning()
        self.conditional = self.conditioning.classes
        self.conditioned_on = self.conditioning.name if isinstance(self.conditioning, Rows) else ""
        self.density = dequantization.density
        if self.conditioned_on:
            self.density += f", given {self.conditioned_on} (drawn at random where not said)"
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self.started: Tensor
        self._asked = False
        self.phases = (Phase("flow", optim=optim or Optim()),)

    # Training ------------------------------------------------------------------------------

    def step(self, batch: Batch, phase: str) -> Step:
        y = self.conditioning.of_batch(batch) if self.conditioning.size else None
        k = batch.levels(self.levels)
        if self.training and not self._asked:
            self._start(k, batch.noise, y)
        nats = self.bound(k, batch.noise, y).mean()
        bits = bits_per_dim(nats, self.spec.dims)
        return Step({"bits_per_dim": bits}, {"log_prob": nats.detach()})

    def bound(self, k: Tensor, noise: Noise, y: Tensor | None = None) -> Tensor:
        """ln p(t|y) − ln q(t|k) of dequantized levels k [B,C,H,W], [B] nats."""
        t, ln_q = self.dequantization(k, noise)
        return self.log_density(t, y) - ln_q

    def log_density(self, t: Tensor, y: Tensor | None = None) -> Tensor:
        """ln p(t|y) of numbers t [B,C,H,W] on [0, L], [B] nats: a density per level, exact."""
        z, logdet = self.flow(t, y)
        return per_image(normal_log_prob(z, z.new_zeros(()), z.new_zeros(()))) + logdet

    @torch.no_grad()
    def _start(self, k: Tensor, noise: Noise, y: Tensor | None) -> None:
        """Let each `ActNorm` begin with what the first batch is at its place (Glow)."""
        self._asked = True  # the buffer is for runs that are resumed; reading it would stall a GPU
        if bool(self.started):
            return
        layers = [layer for layer in self.flow.modules() if isinstance(layer, ActNorm)]
        handles = [
            layer.register_forward_pre_hook(lambda layer, given: layer.start(given[0]))
            for layer in layers
        ]
        self.flow(self.dequantization.middle(k), y)
        for handle in handles:
            handle.remove()
        self.started.fill_(True)

    # Likelihood ----------------------------------------------------------------------------

    def _quantized(self, images: Tensor) -> Tensor:
        """Stored [B,C,H,W] -> levels 0 .. L-1, int64. Not `HasLevels`: the density is of numbers
        made from them, and gives no code of files to lay beside a PNG's size."""
        return self.spec.values.quantize(images, self.levels)

    def log_prob(self, images: Tensor, condition: Condition = None) -> Tensor:
        """The density's logarithm, [B] nats (see `density`), of uint8 images [B,C,H,W].

        Exact, of the dequantized image: one draw of noise, which depends on the image alone. With a
        condition it is that of x given y. A model of class labels without one gives the mixture
        ln Σ_y p(x|y)/K, at the cost of K passes; one that is conditioned on rows of an extra tensor
        takes y from their prior.
        """
        noise = RowNoise.of_images(images)
        t, ln_q = self.dequantization(self._quantized(images), noise)
        conditioning = self.conditioning
        if condition is None and self.conditional:
            each = [self.log_density(t, y) for y in self._each_class(len(t))]
            return torch.stack(each).logsumexp(0) - math.log(conditioning.size) - ln_q
        if isinstance(conditioning, Rows):
            y = conditioning.filled(condition, noise.uniform(1)[:, 0]).to(t)
        else:
            y = conditioning.draw(len(t), condition, None).to(t)
        return self.log_density(t, y if conditioning.size else None) - ln_q

    def _each_class(self, n: int) -> list[Tensor]:
        """The condition [n,S] of each class, for n images."""
        one_hot = torch.eye(self.conditioning.size, device=next(self.parameters()).device)
        return [row.expand(n, -1) for row in one_hot]

    # Codes and samples ---------------------------------------------------------------------

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Latents | Denoised | None = None,
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [−1, 1]: draws of the prior, decoded."""
        with torch.no_grad():
            return self.decode(self.prior(n, generator, condition=condition, settings=settings))

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Latents | Denoised | None = None,
    ) -> Tensor:
        """n codes [n, D + S]: N(0, T²·I), then what `condition` asks for, else draws of its prior.

        settings: of the temperature T, 1 by default.
        """
        at = generator.device if generator is not None else torch.device("cpu")
        z = torch.randn(n, self.latent, generator=generator, device=at)
        if settings is not None:
            z = settings.temperature * z
        y = self.conditioning.draw(n, condition, generator)
        return torch.cat([z, y.to(at)], 1).to(next(self.parameters()).device)

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """uint8 [B,C,H,W] -> codes [B, D + S]: z = f of the middles of the levels, then y.

        Nothing is drawn, and `decode` gives the images back. Without a condition y is the class
        that makes the image likeliest (`classify`), or the mean of the rows that the model keeps.
        """
        t = self.dequantization.middle(self._quantized(images))
        y = self._condition(images, condition)
        z, _ = self.flow(t, y)
        return z if y is None else torch.cat([z, y], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B, D + S] -> images [B,C,H,W] float32 on [−1, 1]; differentiable in z.

        A number t between the levels k and k + 1 is shown as level k, for t outside of [0, L) the
        nearest.
        """
        y = z[:, self.latent :] if self.conditioning.size else None
        return self.image(self.flow.inverse(z[:, : self.latent], y))

    def image(self, t: Tensor) -> Tensor:
        """Numbers t [B,C,H,W] on [0, L] as an image on [−1, 1] that is saved as their levels."""
        shown = ((t - 0.5) * (2.0 / (self.levels - 1)) - 1.0).clamp(-1.0, 1.0)
        values = self.spec.values
        if self.levels == values.levels:  # rounding to a stored value is the floor of t
            return shown
        k = t.detach().floor().clamp(0, self.levels - 1).long()
        return shown + (values.from_levels(k, self.levels) - shown).detach()

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`decode`, of a model without a condition `encode` and `reconstruct`, and `log_prob` of
        images, the noise of the dequantization, and the condition [B,S] if there is one: whoever
        asks draws the noise, for here a sum over the image's bytes draws it, which no graph
        computes."""
        frozen = copy.deepcopy(self)
        for layer in frozen.flow.modules():
            if isinstance(layer, Mix):
                layer.freeze()
        known = {name: replace(f, modules=(frozen,)) for name, f in usual(frozen, settings).items()}
        images, asked = example_images(self), GivenNoise()
        frozen.dequantization(frozen._quantized(images), asked)
        inputs = {"images": images, "noise": torch.full((ROWS, *asked.shape), 0.5)}
        if self.conditioning.size:
            inputs["condition"] = torch.zeros(ROWS, self.conditioning.size)

        def log_prob(images: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
            return frozen.bound(frozen._quantized(images), GivenNoise(noise), y)

        drawn = {"noise": asked.kind}
        known["log_prob"] = Function("log_prob", log_prob, inputs, "nats", (frozen,), drawn)
        return known

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """The class y with the largest p(x|y), [B] int64, at the middles of the levels."""
        t = self.dequantization.middle(self._quantized(images))
        each = [self.log_density(t, y) for y in self._each_class(len(t))]
        return torch.stack(each, 1).argmax(1)

    def _condition(self, images: Tensor, condition: Condition) -> Tensor | None:
        """The condition [B,S] to encode images with; see `encode`."""
        return self.conditioning.of_images(images, condition, self.classify)

    @property
    def continuous_columns(self) -> list[int]:
        """The columns of a code to walk along where none is named: of the coarsest scale."""
        return list(range(min(self.latent, WALKED)))
