"""What a diffusion model learns: a network that guesses what was mixed into a noised image.

The parts of which models are made stand in `model`.

    B batch · C channels · H, W pixels · S size of the condition
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from genarium.contract import Batch, Model, Optim, Phase, Spec, Step, Values
from genarium.errors import UserError
from genarium.models.conditioning import Conditioning, Rows
from genarium.models.diffusion import pairing
from genarium.models.diffusion.paths import Path, beside
from genarium.models.diffusion.predictions import Prediction
from genarium.models.diffusion.solvers import Field
from genarium.models.diffusion.times import TimeLaw
from genarium.models.text_to_image.captions import NAME, one_caption

DROPPED = 0.1
"""Share of the images that are trained without their condition, for guidance (Ho & Salimans)."""

Precision = Literal["fp32", "bf16"]


def evaluated(
    network: Callable[..., Tensor], x: Tensor, *rest: Tensor | None, precision: Precision
) -> Tensor:
    """network(x [B,C,H,W], *rest) as sampling asks for it, in x's type of numbers: bf16 has
    convolutions and matrix products in half precision, fp32 leaves them as they are."""
    x = x.contiguous(memory_format=torch.channels_last)  # faster, on a CPU too
    half = precision == "bf16"
    with torch.autocast(x.device.type, torch.bfloat16) if half else nullcontext():
        return network(x, *rest).to(x.dtype)


ADAM = Optim("adam", lr=1e-3, betas=(0.9, 0.99))


def level_width(values: Values) -> Tensor:
    """How far apart two neighbouring levels of each channel lie on [-1, 1], [1 or C,1,1]; of
    floats, which have none, 0."""
    pairs = zip(values.low, values.high, strict=True)
    widths = [2 / (high - low) if values.integer else 0.0 for low, high in pairs]
    return torch.tensor(widths).view(-1, 1, 1)


class Denoiser(Model):
    """A path of distributions, and a network that is trained to walk it back.

    Minimises E w(t)·|q(F(x_t, t, y)) - q|², a mean over pixels, with x_t, t and w as `path` and
    `law` say, q the quantity that the law names (velocity, noise or image) and F the network's
    output read as `prediction` says.

    network: (c_in·x_t [B,C,H,W], labels of the time [B,1], y [B,S] or None) -> [B,C,H,W].
    conditioning: what y is; nothing by default. dropped: the share of images whose y is hidden in
    training, as zeros. optimal_pairs: noise is paired with the images by `pairing.optimal`.
    dequantized: train on levels with uniform noise of one level, so that the images have a density
    at all; `estimate_log_prob` is of such images.
    """

    def __init__(
        self,
        spec: Spec,
        network: nn.Module,
        path: Path,
        prediction: Prediction,
        law: TimeLaw,
        *,
        conditioning: Conditioning | None = None,
        dropped: float = DROPPED,
        optimal_pairs: bool = False,
        dequantized: bool = True,
        optim: Optim = ADAM,
    ):
        super().__init__()
        self.spec = spec
        # as the images lie at sampling, see `field`; the sums are the faster for it
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.path, self.prediction, self.law = path, prediction, law
        self.conditioning = conditioning if conditioning is not None else Conditioning()
        self.conditional = self.conditioning.classes
        self.conditioned_on = self.conditioning.name if isinstance(self.conditioning, Rows) else ""
        self.dropped, self.optimal_pairs, self.dequantized = dropped, optimal_pairs, dequantized
        self.latent = spec.dims
        self.phases = (Phase("diffusion", optim=optim),)

    # Training ------------------------------------------------------------------------------

    def step(self, batch: Batch, phase: str) -> Step:
        x, noise = self.ends(batch)
        t = self.law.times(self.path, batch.noise)
        x_t = self.path.mix(x, noise, t)
        output = self.call(x_t, t, self.condition_of(batch))
        of = self.law.of
        truth = {"image": x, "noise": noise}.get(of)
        truth = self.path.velocity(x, noise, t) if truth is None else truth
        guess = self.prediction.read(self.path, output, x_t, t, of)
        error = (guess.float() - truth).square().flatten(1).mean(1)
        weight = self.law.weight(self.path, t) * self.prediction.damping(self.path, t)
        return Step({of: (weight * error).mean()}, {})

    def ends(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The ends of the ways: the images as they are trained on, and noise, [B,C,H,W] each."""
        x, shape = batch.signed(), batch.images.shape[1:]
        if self.dequantized:
            width = level_width(self.spec.values).to(x.device)
            x = x + width * (batch.noise.uniform(*shape) - 0.5)
        noise = batch.noise.normal_images(*shape)
        if self.optimal_pairs:
            noise = pairing.optimal(x, noise, batch.noise.rows)
        return x, noise

    def pixels(self, images: Tensor) -> Tensor:
        """Stored images as a likelihood or a code is of them: floats on [-1, 1], [B,C,H,W]."""
        return self.spec.values.signed(images)

    def condition_of(self, batch: Batch) -> Tensor | None:
        """The conditions [B,S] of a batch, some of them hidden."""
        if not self.conditioning.size:
            return None
        if self.conditioned_on == NAME:
            batch = one_caption(batch)
        y = self.conditioning.of_batch(batch)
        kept = batch.noise.uniform(1) >= self.dropped
        return y * kept.to(y)

    def call(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """The network's output at x_t [B,C,H,W], times [B] and conditions [B,S]."""
        given = beside(self.prediction.scale(self.path, t), x_t) * x_t
        output: Tensor = self.network(given, self.path.label(t)[:, None], y)
        return output

    def field(
        self, y: Tensor | None, guidance: float = 1.0, precision: Precision = "fp32"
    ) -> Field:
        """What the model makes of a noised image under conditions [B,S]; a solver's first argument.

        guidance: w of F(∅) + w·(F(y) - F(∅)), where F(∅) is the output without a condition.
        precision: of the network's evaluations.
        """
        if guidance != 1.0 and y is None:
            raise UserError(
                f"--guidance {guidance:g}: this model was trained without a condition: leave it out"
            )

        network = functools.partial(evaluated, self.call, precision=precision)

        def output(x: Tensor, t: Tensor, rows: Tensor | None) -> Tensor:
            mine = y if y is None or rows is None else y[rows]
            if guidance == 1.0 or mine is None:
                return network(x, t, mine)
            both = torch.cat([mine, torch.zeros_like(mine)])
            given, without = network(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
            return torch.lerp(without, given, guidance)

        return Field(self.path, self.prediction, output)
