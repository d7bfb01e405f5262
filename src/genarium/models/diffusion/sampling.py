"""How models of this family sample: their settings, and the solver that is meant by a name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from genarium.contract import Settings
from genarium.errors import UserError
from genarium.models.diffusion import solvers
from genarium.models.diffusion.denoiser import Precision
from genarium.models.diffusion.solvers import Draw, Field, Watch
from genarium.recipes import NonNegativeFloat, PositiveFloat, PositiveInt
from genarium.signatures import Help

STOCHASTIC = ("edm", "ancestral")
"""Solvers that draw noise on their way: their images have no code."""

TWICE = ("heun", "edm")
"""Solvers with two evaluations a step, but for the last."""


STEPS = Help(
    "of a diffusion model's solver, each an evaluation of the network, of heun and edm two "
    "(flow-matching: 10, ddpm: 50, edm: 18, mean-flow: 1)."
)
SOLVER = Help(
    "of a diffusion model: euler, heun (these of flow-matching and edm), ddim, dpm++2m (second "
    "order, one evaluation a step), dopri5 (adaptive, not of ddpm), ancestral (DDPM's own, random) "
    "or edm (random, of the recipe edm)."
)
GUIDANCE = Help(
    "of a conditional diffusion model: 1 samples what was learnt, more follows the condition "
    "further, at twice the evaluations (classifier-free guidance)."
)
TOLERANCE = Help("of a diffusion model's solver dopri5, in place of steps.")
SHIFT = Help(
    "of flow-matching: how unevenly its steps lie, 0.05 to 20; above 1 more of them where there is "
    "much noise and the layout is decided, 1: evenly in time."
)
PRECISION = Help(
    "of a diffusion model's network when it samples: bf16 is faster where the processor has matrix "
    "units for it; the solver's own sums stay in 32 bits."
)


class Solves:
    """Settings that name a solver: what it does not look at, and the label of its samples."""

    def unused(self) -> dict[str, str]:
        assert isinstance(self, AnySampler)
        return unused(self)

    def idle(self, capability: str) -> dict[str, str]:
        assert isinstance(self, AnySampler)
        if capability != "complete":
            return {}
        why = "images are completed by ancestral steps: --steps, --guidance and --precision only"
        others = ("shift", "tolerance", "churn")
        return dict.fromkeys(others if self.solver == "ancestral" else ("solver", *others), why)

    def __str__(self) -> str:
        assert isinstance(self, AnySampler)
        return described(self)


@dataclass(frozen=True)
class FlowSampler(Solves, Settings):
    """How flow matching samples."""

    steps: Annotated[PositiveInt, STEPS] = 10
    solver: Annotated[
        Literal["euler", "heun", "ddim", "dpm++2m", "dopri5", "ancestral"], SOLVER
    ] = "heun"
    shift: Annotated[float, Ge(0.05), Le(20), SHIFT] = 1.0
    guidance: Annotated[NonNegativeFloat, GUIDANCE] = 1.0
    tolerance: Annotated[PositiveFloat, TOLERANCE] = 1e-3
    precision: Annotated[Precision, PRECISION] = "fp32"


@dataclass(frozen=True)
class DDPMSampler(Solves, Settings):
    """How DDPM samples."""

    steps: Annotated[PositiveInt, STEPS] = 50
    solver: Annotated[Literal["ddim", "dpm++2m", "ancestral"], SOLVER] = "ddim"
    guidance: Annotated[NonNegativeFloat, GUIDANCE] = 1.0
    precision: Annotated[Precision, PRECISION] = "fp32"


@dataclass(frozen=True)
class EDMSampler(Solves, Settings):
    """How EDM samples.

    churn: of the solver edm: how much noise it adds on its way, 0 for none (S_churn).
    """

    steps: Annotated[PositiveInt, STEPS] = 18
    solver: Annotated[
        Literal["euler", "heun", "edm", "ddim", "dpm++2m", "dopri5", "ancestral"], SOLVER
    ] = "heun"
    guidance: Annotated[NonNegativeFloat, GUIDANCE] = 1.0
    tolerance: Annotated[PositiveFloat, TOLERANCE] = 1e-3
    churn: NonNegativeFloat = 40.0
    precision: Annotated[Precision, PRECISION] = "fp32"


@dataclass(frozen=True)
class MeanFlowSampler(Settings):
    """How mean-flow samples."""

    steps: Annotated[PositiveInt, STEPS] = 1
    precision: Annotated[Precision, PRECISION] = "fp32"

    def __str__(self) -> str:
        return ", ".join(filter(None, (counted(self.steps, "evaluation"), rounded(self))))


AnySampler = FlowSampler | DDPMSampler | EDMSampler


def rounded(settings: AnySampler | MeanFlowSampler) -> str:
    """The precision, where it is not the usual one."""
    return settings.precision if settings.precision != "fp32" else ""


def counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def evaluations(settings: AnySampler) -> int | None:
    """Passes of the network that an image costs; None where the solver decides."""
    if settings.solver == "dopri5":
        return None
    passes = 2 * settings.steps - 1 if settings.solver in TWICE else settings.steps
    return passes if settings.guidance == 1.0 else 2 * passes


def unused(settings: AnySampler) -> dict[str, str]:
    """What the solver does not look at, by name, and why."""
    solver = settings.solver
    if solver == "dopri5":
        results = {
            "steps": "--solver dopri5 takes as many as its --tolerance needs",
            "shift": "--solver dopri5 takes its steps where its --tolerance needs them",
        }
    else:
        results = {"tolerance": f"it is of --solver dopri5, not of {solver}"}
    if solver != "edm":
        results["churn"] = f"it is of --solver edm, not of {solver}"
    return results


def described(settings: AnySampler) -> str:
    """ "heun, 19 evaluations", as labels have it: with what a sample costs, also by default."""
    passes = evaluations(settings)
    cost = "" if passes is None else counted(passes, "evaluation")
    if passes is None:
        cost = f"tolerance {getattr(settings, 'tolerance', 0.0):g}"
    shift = getattr(settings, "shift", 1.0)
    bent = f"shift {shift:g}" if shift != 1.0 and passes is not None else ""
    guided = f"guidance {settings.guidance:g}" if settings.guidance != 1.0 else ""
    churn = getattr(settings, "churn", 0.0)
    churned = f"churn {churn:g}" if settings.solver == "edm" else ""
    return ", ".join(
        filter(None, (settings.solver, cost, bent, guided, churned, rounded(settings)))
    )


def solve(
    settings: AnySampler,
    field: Field,
    x: Tensor,
    draw: Draw,
    watch: Watch = solvers.silent,
    times: Sequence[float] | None = None,
) -> Tensor:
    """The images at the end of the way from x [B,C,H,W], by the settings' solver.

    draw: gives the noise of a stochastic solver. times: of x, then of the solver's steps before
    they are shifted; None for the whole way from the path's end.
    """
    times = shifted(field, field.times(settings.steps) if times is None else times, settings)
    if len(times) == 1:  # it has arrived
        return x
    if settings.solver == "dopri5":
        last = field.nearest
        x = adaptive(settings, field, x, times[0], last, watch)
        return x - last * field.velocity(x, last) if last > 0 else x
    return by_name(settings, draw)(field, x, times, watch)


def solve_back(settings: AnySampler, field: Field, x: Tensor) -> Tensor:
    """The noise at the path's end that images x [B,C,H,W] come from, by the settings' solver.

    Raises UserError for a solver that draws noise: its way back is not one.
    """
    expect_codes(settings)
    times = backwards(field, shifted(field, field.times(settings.steps), settings))
    if settings.solver == "dopri5":
        return adaptive(settings, field, x, times[0], times[-1])
    return by_name(settings, torch.zeros_like)(field, x, times)


def expect_codes(settings: Settings) -> None:
    """Raise UserError for settings whose images have no code."""
    solver = getattr(settings, "solver", "")
    if solver in STOCHASTIC:
        raise UserError(
            f"--solver {solver}: it draws noise on its way, so its images have no code: "
            "choose another"
        )


def adaptive(
    settings: AnySampler,
    field: Field,
    x: Tensor,
    start: float,
    stop: float,
    watch: Watch = solvers.silent,
) -> Tensor:
    """x at time `start` carried to `stop` by dopri5, at the settings' tolerance."""
    if start == stop:
        return x

    def rate(y: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        return field.velocity(y, t, rows)

    return solvers.dopri5(rate, x, start, stop, getattr(settings, "tolerance", 1e-3), watch)


def by_name(settings: AnySampler, draw: Draw) -> Callable[..., Tensor]:
    """The settings' solver, of (field, x, times, watch)."""
    named: dict[str, Callable[..., Tensor]] = {
        "euler": solvers.euler,
        "heun": solvers.heun,
        "ddim": solvers.ddim,
        "dpm++2m": solvers.dpm_solver,
        "ancestral": functools.partial(solvers.ancestral, draw=draw),
        "edm": functools.partial(solvers.edm, draw=draw, churn=getattr(settings, "churn", 0.0)),
    }
    return named[settings.solver]


def shifted(field: Field, times: Sequence[float], settings: AnySampler) -> list[float]:
    """Falling times with the same ends, denser towards the noise by the settings' `shift` s:

        t' = t_0·s·u/(1 + (s - 1)·u),   u = t/t_0

    On the whole linear path that is σ/α multiplied by s (Esser et al. 2024, section 5.3.2).
    """
    shift, first = getattr(settings, "shift", 1.0), times[0]
    if shift == 1.0:
        return list(times)
    shares = [t / first for t in times[1:]]
    bent = [first * shift * u / (1 + (shift - 1) * u) for u in shares]
    return field.within([first, *bent])


def backwards(field: Field, times: Sequence[float]) -> list[float]:
    """A sampler's times in the other direction, from an image to noise."""
    return sorted({max(t, field.nearest) for t in times})


def last_part(field: Field, steps: int, share: float) -> list[float]:
    """The last `share` of a sampler's so many steps, as the times from its begin down to 0.

    Where it begins between two steps, it does so at a time between theirs: 1 is the whole way, 0
    none of it.
    """
    times = field.times(steps)
    begin = round((1 - share) * steps, 9)
    after = math.ceil(begin)
    if after == begin:
        return times[after:]
    between = times[after - 1] + (begin - after + 1) * (times[after] - times[after - 1])
    return [max(between, field.nearest), *times[after:]]


def noise_of(generator: torch.Generator | None) -> Draw:
    """Draws of standard normal numbers from `generator`, in the shape of what is given."""
    at = generator.device if generator is not None else torch.device("cpu")

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=at).to(like)

    return draw
