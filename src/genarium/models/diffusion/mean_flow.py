"""Mean flow: an image in one evaluation, by the average velocity over the whole way.

Geng, Deng, Bai, Kolter & He 2025, Mean Flows for One-step Generative Modeling
Geng, Lu, Wu, Shechtman, Kolter & He 2025, Improved Mean Flows (the derivative along the learnt
velocity)

The velocity v(x_t, t) says where a point moves now; the average velocity

    u(x_t, r, t) = 1/(t - r)·∫_r^t v(x_τ, τ) dτ

says where it comes from: x_r = x_t - (t - r)·u. Differentiating (t - r)·u along the way gives what
u must satisfy (equation 6), and training regresses u on the right-hand side, held still:

    u = v - (t - r)·du/dt,   du/dt = v·∂u/∂x + ∂u/∂t

The total derivative is one Jacobian-vector product with the tangent (v, 0, 1). Where r = t, as in
most of the batch, u is the velocity and there is nothing to differentiate.

The v of a pair of image and noise is ε - x; the velocity v(x_t, t) is its mean over all pairs that
meet at x_t. The first v of the equation may be that of the pair, since a regression finds the mean.
In the tangent it would multiply the pair's deviation from the mean by the Jacobian of x_r by x_t,
which is large where ways part; so the tangent has u(x_t, t, t), what the network knows of the mean
(improved mean flow).

A sample takes u over the whole way, from t = 1 to r = 0. Two logit-normal times lie within a
twentieth of both ends five times in a million, so a short training hardly sees the one pair that it
is judged by. Of the rows with r < t a share has r = 0, and t with density 2t, so that what is known
of short ways from the image is carried on up to the longest.

The derivative by the time multiplies each of the time's features by its frequency. With the 100
radians of the other recipes du/dt at t = 1 was seven times as large after a short training as with
8, which is the default here: most of it was of features that hardly change u.

Departures from the paper: those rows; the U-Net is this package's; the derivative is taken in a
pass of its own, without gradients and only of the rows with r < t; no guidance is trained in.

    B batch · C channels · H, W pixels
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import make_dual, unpack_dual

from genarium.contract import Batch, Optim, Settings, Spec, Step
from genarium.models.conditioning import Conditioning
from genarium.models.diffusion import sampling
from genarium.models.diffusion.arguments import Common, adam, conditioning_for, network_of
from genarium.models.diffusion.denoiser import ADAM, DROPPED, evaluated
from genarium.models.diffusion.model import Diffusion
from genarium.models.diffusion.networks.embedding import differentiated_forward, forward_mode
from genarium.models.diffusion.paths import Linear, beside
from genarium.models.diffusion.predictions import Velocity
from genarium.models.diffusion.solvers import Draw, Watch, heun, silent, steps
from genarium.models.diffusion.times import LogitNormal
from genarium.recipes import PositiveFloat, Probability, recipe, refuse_unused

LOGIT_MEAN, LOGIT_DEVIATION = -0.4, 1.0  # of the times that are trained
STEPS_BACK = 20
"""Steps of `encode` and `complete`, along the velocity, unless more are set, or others."""


class MeanFlow(Diffusion):
    """The average velocity u(x_t, r, t) on the linear path; the network gets t and t - r.

    different: the share of the batch with r < t. whole: the share of those with r = 0.
    learned_tangent: the derivative is taken along u(x_t, t, t) and not along the velocity of the
    pair. power, floor: the loss of a row is e/(e + floor)^p with e the squared error summed over
    pixels and the denominator held still: the adaptive weight of the paper, with p = 1 near to a
    loss of the error's size relative to itself.
    """

    settings: ClassVar[type[Settings] | None] = sampling.MeanFlowSampler

    def __init__(
        self,
        spec: Spec,
        network: nn.Module,
        *,
        different: float = 0.25,
        whole: float = 0.5,
        learned_tangent: bool = True,
        power: float = 1.0,
        floor: float = 1e-3,
        conditioning: Conditioning | None = None,
        dropped: float = DROPPED,
        optim: Optim = ADAM,
    ):
        super().__init__(
            spec,
            network,
            Linear(),
            Velocity(),
            LogitNormal(LOGIT_MEAN, LOGIT_DEVIATION),
            conditioning=conditioning,
            dropped=dropped,
            dequantized=False,
            optim=optim,
        )
        self.different, self.whole, self.learned_tangent = different, whole, learned_tangent
        self.power, self.floor = power, floor

    def average(self, x_t: Tensor, r: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """u(x_t, r, t) of points [B,C,H,W], times [B] and conditions [B,S]."""
        # a compiled network would lose the derivative forwards
        network = self.network.forward if differentiated_forward() else self.network
        output: Tensor = network(x_t, torch.stack([t, t - r], 1), y)
        return output

    def call(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """The velocity itself, u(x_t, t, t)."""
        return self.average(x_t, t, t, y)

    def step(self, batch: Batch, phase: str) -> Step:
        x, noise = self.ends(batch)
        r, t = self.two_times(batch)
        y = self.condition_of(batch)
        x_t, v = self.path.mix(x, noise, t), self.path.velocity(x, noise, t)
        target = self.target(x_t, v, r, t, y)
        error = (self.average(x_t, r, t, y).float() - target).square().flatten(1)
        weight = (error.detach().sum(1) + self.floor) ** -self.power
        loss = (weight * error.sum(1)).mean()
        return Step({"average_velocity": loss}, {"error": error.detach().mean()})

    def two_times(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Times r ≤ t of each image, [B]: logit-normal, and r = t but for the share `different`, of
        which the share `whole` has r = 0 and t = √u, u uniform."""
        pair = torch.sigmoid(LOGIT_MEAN + LOGIT_DEVIATION * batch.noise.normal(2))
        r, t = pair.amin(1), pair.amax(1)
        kind = batch.noise.uniform()
        r = torch.where(kind < self.different, r, t)
        if self.whole:
            whole = kind < self.different * self.whole
            t = torch.where(whole, batch.noise.uniform().sqrt(), t)
            r = torch.where(whole, torch.zeros_like(r), r)
        return r, t

    @torch.no_grad()
    def target(self, x_t: Tensor, v: Tensor, r: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """v - (t - r)·du/dt, [B,C,H,W]. In bf16 the derivative's rounding is an eighth of what the
        pair's velocity differs from the mean by, at most, and it has no direction."""
        unequal = (r < t).nonzero()[:, 0]
        if not len(unequal):
            return v
        x_t, moving, r, t = x_t[unequal], v[unequal], r[unequal], t[unequal]
        mine = None if y is None else y[unequal]
        tangent = self.call(x_t, t, mine).to(moving) if self.learned_tangent else moving
        with forward_mode():
            along = make_dual(t, torch.ones_like(t))
            mean = self.average(make_dual(x_t, tangent), r, along, mine)
            rate = unpack_dual(mean).tangent.to(moving)
        return v.index_copy(0, unequal, moving - beside(t - r, moving) * rate)

    # Sampling ------------------------------------------------------------------------------

    def carried(
        self,
        x: Tensor,
        y: Tensor | None,
        settings: Settings,
        draw: Draw,
        watch: Watch = silent,
        times: Sequence[float] | None = None,
    ) -> Tensor:
        """x_r = x_t - (t - r)·u(x_t, r, t), over the whole way at once or in several steps."""
        assert isinstance(settings, sampling.MeanFlowSampler)
        for done, of, t, r in steps(times or self.path.grid(settings.steps)):
            far, near = (torch.full((x.shape[0],), time).to(x) for time in (t, r))
            mean = evaluated(self.average, x, near, far, y, precision=settings.precision)
            x = x - (t - r) * mean
            watch(done, of, x)
        return x

    def carried_back(self, x: Tensor, y: Tensor | None, settings: Settings) -> Tensor:
        """Along the velocity, in `STEPS_BACK` steps of Heun, or as many as a sample takes: a step
        as long as those of the average velocity would not lead back."""
        assert isinstance(settings, sampling.MeanFlowSampler)
        field = self.field(y, precision=settings.precision)
        times = sampling.backwards(field, field.times(max(STEPS_BACK, settings.steps)))
        return heun(field, x, times)

    def steps_of_completion(self, settings: Settings | None) -> int:
        """`STEPS_BACK` where nothing was set."""
        assert settings is None or isinstance(settings, sampling.MeanFlowSampler)
        return STEPS_BACK if settings is None else settings.steps


@recipe(
    family="explicit/path",
    tiny={"width": 4, "blocks": 1},
    paper="Geng et al. 2025",
    batch=32,
    steps=20_000,
    training={"ema": 0.999, "schedule": "cosine", "warmup": 100, "clip": 1.0},
    former={"tangent": "pair", "refine": 0, "whole": 0.0, "frequency": 100.0},
)
def mean_flow(
    spec: Spec,
    *,
    different: Probability = 0.25,
    whole: Probability = 0.5,
    tangent: Literal["learned", "pair"] = "learned",
    frequency: PositiveFloat = 8.0,
    **networks: Unpack[Common],
) -> MeanFlow:
    """Mean flow: the average velocity of a way, so that one evaluation makes an image.

    different: share of a batch that trains average velocities; the rest trains the velocity.
    whole: share of those averages that reach back to the image, as the one of a sample does.
    tangent: the velocity along which the derivative is taken: the one that is learnt (improved
        mean flow), or that of the pair of image and noise, as in the first paper.
    frequency: of the fastest wave of a time that the network is given, radians over the whole way:
        the derivative by the time multiplies each by its own.
    """
    conditioning = conditioning_for(spec, networks)
    if not different:
        reason = "--different 0 trains no averages"
        if whole:  # runs of earlier versions, which did not have these, are rebuilt as they were
            refuse_unused(reason, whole=(whole, 0.5), tangent=(tangent, "learned"))
    return MeanFlow(
        spec,
        network_of(spec, networks, conditioning, times=2, fastest=frequency),
        different=different,
        whole=whole,
        learned_tangent=tangent == "learned",
        conditioning=conditioning,
        dropped=networks["dropped"],
        optim=adam(networks["lr"]),
    )
