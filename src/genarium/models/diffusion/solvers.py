"""Samplers, each as its paper writes it: functions of (field, x, times) that give an image.

`field` says what a network makes of a noised image: its velocity, the image or the noise in it.
`times` run from the path's end, where x is noise, down to 0, where it is an image. `watch`, where
there is one, is called after each step with (steps done, of how many, x).

    solver       order   evaluations of N steps
    euler        1       N
    heun         2       2N - 1                     Karras et al. 2022, algorithm 1
    edm          2       2N - 1, stochastic         Karras et al. 2022, algorithm 2
    ddim         1       N                          Song, Meng & Ermon 2021
    dpm++2m      2       N                          Lu et al. 2022, algorithm 2
    dopri5       5       as many as a tolerance needs    Dormand & Prince 1980
    ancestral    -       N, stochastic              Ho, Jain & Abbeel 2020, algorithm 2

An evaluation is a pass of the network over an image (two with guidance).

    B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from genarium.errors import RunError
from genarium.models.diffusion.paths import Path, beside
from genarium.models.diffusion.predictions import Prediction, Quantity

Watch = Callable[[int, int, Tensor], None]
Draw = Callable[[Tensor], Tensor]
"""Standard normal numbers in the shape of what is given."""


class Field:
    """What a network makes of a noised image on a path.

    output: (x [B,C,H,W], t [B], rows) -> the network's output, [B,C,H,W]; rows: which of the images
    these are, [B], None for all of them. nearest, farthest: the times between which it is asked.
    passes: how many images went through so far; per image, that is the number of evaluations.
    """

    def __init__(
        self,
        path: Path,
        prediction: Prediction,
        output: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    ):
        self.path, self.prediction, self.output = path, prediction, output
        nothing_left = self.alpha_sigma(path.end)[0] < 1e-6  # of the image, at the end
        self.nearest = path.first or prediction.nearest * path.end
        self.farthest = path.end * (prediction.farthest if nothing_left else 1.0)
        self.passes = 0

    def read(
        self, x: Tensor, t: Tensor | float, *of: Quantity, rows: Tensor | None = None
    ) -> list[Tensor]:
        """The quantities at x and time t (one, or [B]), by one evaluation."""
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(x.shape[0])
        self.passes += x.shape[0]
        output = self.output(x, t, rows)
        return [self.prediction.read(self.path, output, x, t, which) for which in of]

    def velocity(self, x: Tensor, t: Tensor | float, rows: Tensor | None = None) -> Tensor:
        return self.read(x, t, "velocity", rows=rows)[0]

    def image(self, x: Tensor, t: Tensor | float) -> Tensor:
        return self.read(x, t, "image")[0]

    def alpha_sigma(self, t: float) -> tuple[float, float]:
        """(α, σ) at a time."""
        return self.path.alpha_sigma(t)

    def times(self, steps: int) -> list[float]:
        """The path's grid of so many steps, within the times at which the network is asked."""
        return self.within(self.path.grid(steps))

    def within(self, times: Sequence[float]) -> list[float]:
        """Falling times, brought within those at which the network is asked (0 stays); none of
        them twice, since a step of no length has no slope."""
        first, *others = times
        first = min(first, self.farthest)
        return list(dict.fromkeys([first, *(max(t, self.nearest) if t else t for t in others)]))


def steps(times: Sequence[float]) -> Iterator[tuple[int, int, float, float]]:
    """(steps done after this one, of how many, from time, to time)."""
    of = len(times) - 1
    for done, (t, s) in enumerate(pairwise(times), 1):
        yield done, of, t, s


def silent(done: int, of: int, x: Tensor) -> None: ...


def euler(field: Field, x: Tensor, times: Sequence[float], watch: Watch = silent) -> Tensor:
    """x + (s - t)·v(x, t)."""
    for done, of, t, s in steps(times):
        x = x + (s - t) * field.velocity(x, t)
        watch(done, of, x)
    return x


def heun(field: Field, x: Tensor, times: Sequence[float], watch: Watch = silent) -> Tensor:
    """Euler's step, then again with the mean of the velocities at its two ends.

    A step to time 0 is Euler's: no noise is left there.
    """
    for done, of, t, s in steps(times):
        here = field.velocity(x, t)
        ahead = x + (s - t) * here
        if s > 0:
            here = (here + field.velocity(ahead, s)) / 2
        x = x + (s - t) * here
        watch(done, of, x)
    return x


def edm(
    field: Field,
    x: Tensor,
    times: Sequence[float],
    watch: Watch = silent,
    *,
    draw: Draw,
    churn: float = 40.0,
    between: tuple[float, float] = (0.05, 50.0),
    spread: float = 1.003,
) -> Tensor:
    """Heun's steps, each from a little more noise than there was.

    Needs the path α = 1, where the time is σ. churn: S_churn; between: (S_tmin, S_tmax), the noise
    at which noise is added; spread: S_noise.
    """
    most = len(times) - 1
    for done, of, t, s in steps(times):
        gamma = min(churn / most, math.sqrt(2) - 1) if between[0] <= t <= between[1] else 0.0
        raised = t + gamma * t
        if gamma:
            x = x + math.sqrt(raised**2 - t**2) * spread * draw(x)
        here = (x - field.image(x, raised)) / raised
        ahead = x + (s - raised) * here
        if s > 0:
            here = (here + (ahead - field.image(ahead, s)) / s) / 2
        x = x + (s - raised) * here
        watch(done, of, x)
    return x


def ddim(field: Field, x: Tensor, times: Sequence[float], watch: Watch = silent) -> Tensor:
    """The image and the noise in x, mixed anew as they are at the next time."""
    for done, of, t, s in steps(times):
        image, noise = field.read(x, t, "image", "noise")
        alpha, sigma = field.alpha_sigma(s)
        x = alpha * image + sigma * noise
        watch(done, of, x)
    return x


def dpm_solver(field: Field, x: Tensor, times: Sequence[float], watch: Watch = silent) -> Tensor:
    """DPM-Solver++(2M): the image is followed along λ = ln α/σ, by the last two evaluations.

        D = (1 + h/2h')·x̂ - (h/2h')·x̂',   x_s = (σ_s/σ_t)·x_t + (α_s - α_t·σ_s/σ_t)·D

    with h this step's change of λ and ' the step before. The first step, and one to or from an
    infinite λ, takes D = x̂. From an image itself, at σ = 0, it is a step of `ddim`.
    """
    before, h_before = None, math.inf
    for done, of, t, s in steps(times):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (field.alpha_sigma(at) for at in (t, s))
        if not sigma_t:
            x = ddim(field, x, (t, s))
            watch(done, of, x)
            continue
        image = field.image(x, t)
        h = math.inf
        if min(alpha_t, sigma_t, alpha_s, sigma_s) > 0:
            h = math.log(alpha_s / sigma_s) - math.log(alpha_t / sigma_t)
        followed = image
        if before is not None and math.isfinite(h) and math.isfinite(h_before):
            followed = image + h / (2 * h_before) * (image - before)
        ratio = sigma_s / sigma_t
        x = ratio * x + (alpha_s - alpha_t * ratio) * followed
        before, h_before = image, h
        watch(done, of, x)
    return x


def posterior(field: Field, x: Tensor, image: Tensor, t: float, s: float) -> tuple[Tensor, float]:
    """Mean and deviation of the Gaussian q(x_s | x_t, x), s < t (Ho et al., equation 7)."""
    (alpha_t, sigma_t), (alpha_s, sigma_s) = (field.alpha_sigma(at) for at in (t, s))
    between = alpha_t / alpha_s  # x_t = between·x_s + noise of variance `added`
    added = max(sigma_t**2 - between**2 * sigma_s**2, 0.0)
    mean = (between * sigma_s**2 * x + alpha_s * added * image) / sigma_t**2
    return mean, math.sqrt(added) * sigma_s / sigma_t


def ancestral(
    field: Field,
    x: Tensor,
    times: Sequence[float],
    watch: Watch = silent,
    *,
    draw: Draw,
    clip: bool = True,
) -> Tensor:
    """Each step draws from q(x_s | x_t, x̂). clip: keep x̂ on [-1, 1], as Ho et al. do."""
    for done, of, t, s in steps(times):
        image = field.image(x, t)
        image = image.clamp(-1, 1) if clip else image
        x, deviation = posterior(field, x, image, t, s)
        if deviation:
            x = x + deviation * draw(x)
        watch(done, of, x)
    return x


# ---------------------------------------------------------------------------------- Dormand-Prince

Rate = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(y [b,...], t [b], which rows they are [b]) -> dy/dt [b,...]."""

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
MOST = 2000


def root_mean_square(error: Tensor) -> Tensor:
    """Of each row, [b,...] -> [b]."""
    return error.flatten(1).square().mean(1).sqrt()


def dormand_prince(
    rate: Rate, y: Tensor, t: Tensor, h: Tensor, rows: Tensor, first: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of sizes h [b] from times t [b]: y(t + h) by the formula of order 5, its difference
    to the one of order 4, and the rate there, with which the next step begins (its `first`)."""
    k, wide = [first], beside(h, y)
    for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
        k.append(rate(y + wide * weighted(k, weights), t + node * h, rows))
    new = y + wide * weighted(k, FIFTH)
    k.append(rate(new, t + h, rows))
    return new, wide * (weighted(k, FIFTH) - weighted(k, FOURTH)), k[-1]


def dopri5(
    rate: Rate,
    y: Tensor,
    start: float,
    stop: float,
    tolerance: float = 1e-5,
    watch: Watch = silent,
    norm: Callable[[Tensor], Tensor] = root_mean_square,
) -> Tensor:
    """y(stop) of dy/dt = rate(y, t, rows), y(start) = y, [B,...].

    Each row has steps of its own size, so its result does not depend on the rows beside it; a row
    that has arrived is evaluated no more. A step is taken if norm(error/(τ + τ·|y|)) ≤ 1 with τ the
    tolerance, the error being the difference between the formulas of orders 5 and 4.

    Raises RunError where a row has not arrived after `MOST` steps, or would need tiny ones.
    """
    result, total = y.clone(), stop - start
    rows = torch.arange(len(y), device=y.device)
    t = torch.full((len(y),), start, dtype=y.dtype, device=y.device)
    h = torch.full_like(t, 0.05 * total)
    first = rate(y, t, rows)
    for _ in range(MOST):
        new, error, last = dormand_prince(rate, y, t, h, rows, first)
        scale = tolerance * (1 + torch.maximum(y.abs(), new.abs()))
        size = norm(error / scale).nan_to_num(nan=1e9)
        good = size <= 1
        y = torch.where(beside(good, y), new, y)
        first = torch.where(beside(good, y), last, first)
        t = torch.where(good, t + h, t)
        h = h * (0.9 * size.clamp(min=1e-10) ** -0.2).clamp(0.2, 5.0)
        if bool((h.abs() < 1e-9 * abs(total)).any()):
            break  # not finite, or too steep for any step
        left = stop - t
        h = torch.where(h.abs() > left.abs(), left, h)
        arrived = left.abs() <= 1e-6 * abs(total)
        if bool(arrived.any()):
            result[rows[arrived]] = y[arrived]
            on = ~arrived
            rows, y, t, h, first = rows[on], y[on], t[on], h[on], first[on]
        watch(len(result) - len(rows), len(result), result)
        if not len(rows):
            return result
    raise RunError(
        f"dopri5: {len(rows)} of {len(result)} images did not arrive within {MOST} steps of any "
        f"size: ask for a larger tolerance than {tolerance:g}, or another solver"
    )


def weighted(k: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ w_i·k_i."""
    total = torch.zeros_like(k[0])
    for weight, slope in zip(weights, k, strict=False):
        if weight:
            total = total.add(slope, alpha=weight)
    return total
