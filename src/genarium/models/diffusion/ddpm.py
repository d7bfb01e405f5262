"""Denoising diffusion probabilistic models: a chain of T small steps of noise, walked back.

Ho, Jain & Abbeel 2020, Denoising Diffusion Probabilistic Models
Nichol & Dhariwal 2021, Improved DDPM (the cosine schedule)
Song, Meng & Ermon 2021, DDIM (the default sampler here: the same network in fewer steps)

The chain is a latent variable model p(x_0 | x_1) p(x_1 | x_2) ... p(x_T), so it has a variational
bound (equation 5):

    -ln P(x_0) ≤ E_q[ KL(q(x_T|x_0) ‖ N(0, I)) + Σ_{i>1} KL(q(x_{i-1}|x_i, x_0) ‖ p(x_{i-1}|x_i))
                      - ln P(x_0|x_1) ]

Training minimises the plain error of the noise instead ("L_simple"), which weighs the early steps
less: better pictures, a looser bound. Departures from the paper: dequantized images are not needed,
as P(x_0|x_1) is of the levels themselves; samples come from DDIM unless `--solver ancestral
--steps 1000` asks for the paper's; the U-Net is smaller.

    B batch · C channels · H, W pixels · T steps of the chain · i one of them
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Unpack

import torch
from annotated_types import Ge
from torch import Tensor

from genarium.contract import Condition, Estimate, Settings, Spec
from genarium.models.diffusion import sampling
from genarium.models.diffusion.arguments import Common, adam, conditioning_for, network_of
from genarium.models.diffusion.denoiser import level_width
from genarium.models.diffusion.model import Diffusion
from genarium.models.diffusion.paths import Discrete
from genarium.models.diffusion.predictions import NoiseLevel
from genarium.models.diffusion.solvers import Field
from genarium.models.diffusion.times import Steps
from genarium.models.row_noise import RowNoise
from genarium.recipes import recipe

DRAWN = 16
"""Steps of the chain whose term of the bound is computed, of each image."""

DEVIATION = 0.5
"""About that of images on [-1, 1]; some steps are drawn as if they were Gaussian with it."""

MIXED = (0.5, 0.4, 0.1)
"""Shares of the steps that are drawn as if all of such images were known, nothing, and evenly."""


class DDPM(Diffusion):
    """DDPM's chain: the noise is predicted, the bound is a variational one."""

    settings: ClassVar[type[Settings] | None] = sampling.DDPMSampler
    density = "256 grey levels (lower bound: the chain's ELBO)"
    path: Discrete

    def __init__(self, *parts: Any, variance: str = "smaller", **more: Any):
        super().__init__(*parts, **more)
        self.variance, values = variance, self.spec.values
        if not values.eight_bit:
            whole = values.levels_in_words(values.levels) if values.levels else values.span
            words = whole if values.integer else f"floats as their share of {values.span}"
            self.density = f"{words} (lower bound: the chain's ELBO)"

    @property
    def estimator(self) -> str:
        """How `estimate_elbo` computes."""
        return f"both ends of the chain and {DRAWN} of the {self.path.count - 2} steps between"

    def elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The variational bound on ln P(x), [B] nats, of uint8 [B,C,H,W]: `estimate_elbo`'s."""
        return self.estimate_elbo(images, condition, k=k, generator=generator).value

    @torch.no_grad()
    def estimate_elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Estimate:
        """The variational bound on ln P(x) of uint8 [B,C,H,W]: the mean of k draws and its standard
        error, [B] nats.

        A draw computes the ends of the chain, ln P(x_0|x_1), the step from x_T and the KL there, at
        one x_i each, and of the steps in between `DRAWN`, drawn so that the sum is right on
        average. An image's numbers do not depend on the images beside it. Without a condition it is
        the bound without one.
        """
        x = self.pixels(images)
        random = RowNoise(len(x), generator, x.device)
        field = self.field(self.shown(len(x), condition, x))
        return Estimate.of(torch.stack([self._bound(field, x, random) for _ in range(k)]))

    def _bound(self, field: Field, x: Tensor, random: RowNoise) -> Tensor:
        """One draw of the bound, [B] nats float64."""
        last = torch.full((len(x),), self.path.count, device=x.device)
        total = self._first(field, x, random) - self._last(x)
        total = total - self.divergence(field, x, last, random)
        steps, share = self._drawn(random)
        for step, p in zip(steps.unbind(1), share.unbind(1), strict=True):
            total = total - self.divergence(field, x, step, random) / (p * DRAWN)
        return total

    def _drawn(self, random: RowNoise) -> tuple[Tensor, Tensor]:
        """Steps 2 .. T-1 whose terms are computed, [B, DRAWN] int64, and how likely each was.

        Stratified, by a mixture of the terms that a network has which knows all of Gaussian images
        and of those of one that knows nothing; so no term is many times larger than its probability
        says, however much was learnt. Of step T, which a cosine schedule weighs by 500, that would
        not be true: so it is always computed.
        """
        step = torch.arange(2, self.path.count, device=random.device)
        alpha, _ = self._alpha_sigma(step)
        s2 = DEVIATION**2
        known = s2 * alpha.square() / (1 - alpha.square() + s2 * alpha.square())
        unknown = self.weight(step)
        guesses = torch.stack([known * unknown, unknown, torch.ones_like(unknown)])
        shares = guesses.new_tensor(MIXED)[:, None] / guesses.sum(1, keepdim=True)
        likely = (shares * guesses).sum(0)
        place = torch.arange(DRAWN, device=random.device)
        at = (place + random.uniform(DRAWN).double()) / DRAWN
        chosen = torch.searchsorted(likely.cumsum(0), at).clamp(max=len(likely) - 1)
        return step[chosen], likely[chosen]

    def _alpha_sigma(self, step: Tensor) -> tuple[Tensor, Tensor]:
        t = step.double() / self.path.count
        return self.path.alpha(t), self.path.sigma(t)

    def weight(self, step: Tensor) -> Tensor:
        """w_i of the KL of step i > 1 where both variances are the smaller one, float64: there only
        the means count, by w_i·|ε - ε̂|², w_i = ½(SNR_{i-1} - SNR_i)/SNR_i with SNR = α²/σ².
        """
        alpha, sigma = self._alpha_sigma(step)
        before_alpha, before_sigma = self._alpha_sigma(step - 1)
        ratio = (before_alpha / before_sigma).square() / (alpha / sigma).square()
        return (ratio - 1) / 2

    def divergence(self, field: Field, x: Tensor, step: Tensor, random: RowNoise) -> Tensor:
        """KL(q(x_{i-1}|x_i, x_0) ‖ p(x_{i-1}|x_i)) at one x_i each, i = `step`, [B] nats."""
        noise = random.normal(*x.shape[1:])
        t = (step.double() / self.path.count).to(x.dtype)
        (guess,) = field.read(self.path.mix(x, noise, t), t, "noise")
        means = self.weight(step) * (guess - noise).double().square().flatten(1).sum(1)
        rho = self.spread(step)
        return means / rho + 0.5 * self.spec.dims * (rho.log() + 1 / rho - 1)

    def spread(self, step: Tensor) -> Tensor:
        """ρ_i: the variance of a step back over that of q(x_{i-1}|x_i, x_0), float64.

        "smaller": 1, right if the image were known; "larger": β_i over it, σ_i²/σ_{i-1}², right if
        nothing were (section 3.2).
        """
        if self.variance == "smaller":
            return torch.ones_like(step, dtype=torch.float64)
        return (self._alpha_sigma(step)[1] / self._alpha_sigma(step - 1)[1]).square()

    def _first(self, field: Field, x: Tensor, random: RowNoise) -> Tensor:
        """ln P(x_0|x_1) at one x_1 each, [B] nats float64: a Gaussian's share of each level's bin,
        the end levels' without end (equation 13). Of floats, which have no levels, its density, of
        their share of the range."""
        alpha, sigma = field.alpha_sigma(self.path.first)
        t = torch.full((len(x),), self.path.first, device=x.device)
        noise = random.normal(*x.shape[1:])
        (mean,) = field.read(alpha * x + sigma * noise, t, "image")
        # p(x_0|x_1) has variance β_1, which is σ_1²
        half = level_width(self.spec.values).to(x.device) / 2
        off = (x - mean).double()
        if not self.spec.values.integer:
            nats = -0.5 * ((off / sigma).square() + math.log(2 * math.pi)) - math.log(sigma)
            return (nats + math.log(2)).flatten(1).sum(1)
        above = torch.where(x > 1 - half, math.inf, (off + half) / sigma)
        below = torch.where(x < -1 + half, -math.inf, (off - half) / sigma)
        return log_between(below, above).flatten(1).sum(1)

    def _last(self, x: Tensor) -> Tensor:
        """KL(q(x_T|x_0) ‖ N(0, I)), [B] nats float64."""
        end = torch.ones((), dtype=torch.float64)
        alpha, variance = float(self.path.alpha(end)), float(self.path.sigma(end)) ** 2
        squared = (alpha * x.double()).square().flatten(1)
        return 0.5 * (squared + variance - 1 - math.log(variance)).sum(1)


def log_between(low: Tensor, high: Tensor) -> Tensor:
    """ln(Φ(high) - Φ(low)) of the standard normal distribution, for low < high, float64.

    On the side where Φ is small, so that nothing cancels.
    """
    mirrored = low + high > 0
    a, b = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
    upper, lower = torch.special.log_ndtr(b), torch.special.log_ndtr(a)
    return upper + torch.log1p(-(lower - upper).exp().clamp(max=1 - 1e-15))


@recipe(
    family="explicit/path",
    tiny={"width": 4, "blocks": 1, "chain": 50},
    paper="Ho, Jain & Abbeel 2020",
    batch=32,
    steps=20_000,
    training={"ema": 0.999, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    former={"refine": 0},
)
def ddpm(
    spec: Spec,
    *,
    noise_schedule: Literal["linear", "cosine"] = "cosine",
    chain: Annotated[int, Ge(50)] = 1000,
    variance: Literal["smaller", "larger"] = "smaller",
    **networks: Unpack[Common],
) -> DDPM:
    """DDPM: a chain of small steps of noise, walked back; a bound on the likelihood.

    noise_schedule: of the chain: linear, that of the paper for 32 pixels and more, or cosine, which
        keeps more of small images.
    chain: steps of it, T.
    variance: of a step back, for the bound: smaller fits images with sharp edges and flat grounds,
        larger photographs and noise.
    """
    conditioning = conditioning_for(spec, networks)
    return DDPM(
        spec,
        network_of(spec, networks, conditioning),
        Discrete(chain, noise_schedule),
        NoiseLevel(),
        Steps(),
        conditioning=conditioning,
        dropped=networks["dropped"],
        dequantized=False,
        variance=variance,
        optim=adam(networks["lr"]),
    )
