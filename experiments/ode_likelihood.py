"""The likelihood that a differential equation gives, beside a flow's exact one and the truth."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, generator_of, load, trained
from torch import Tensor

SOURCE = "ring8"


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; both train for about the same time."""

    flow_steps: int = 300
    path_steps: int = 1000
    batch: int = 256
    points: int = 150
    draws: int = 2
    fine: float = 1e-5  # a tolerance of which the solver's own, 1e-3, is held against
    ema: float = 0.99


def truth(images: Tensor) -> Tensor:
    """ln P(x) of stored points [N,1,1,2], [N] nats float64: the mass of each mode in their cell."""
    mixture = load(SOURCE).info["mixture"]
    centres = torch.tensor(mixture["centres"], dtype=torch.float64)
    sigma, scale = mixture["sigma"], mixture["scale"]
    level = images.flatten(1).double()[:, None]
    low, high = (((level + half) / 127.5 - 1) * scale for half in (-0.5, 0.5))
    normal = torch.distributions.Normal(centres, sigma)
    mass = (normal.cdf(high) - normal.cdf(low)).prod(2).mean(1)
    return mass.clamp(min=1e-300).log()


def measure(seed: int, s: Settings) -> Measured:
    images = load(SOURCE).test.images[: s.points]
    training = {"batch": s.batch, "schedule": "cosine", "clip": 1.0, "ema": s.ema}
    flow = trained("spline-flow", SOURCE, seed, {**training, "steps": s.flow_steps})
    path = trained("flow-matching", SOURCE, seed, {**training, "steps": s.path_steps}, lr=1e-3)
    known = truth(images)
    seconds, nats = {}, {}
    with evaluating(flow):
        start = time.process_time()
        # its noise is a function of the pixels; shown with the others' as one draw
        nats["flow"] = flow.log_prob(images).double()
        seconds["flow"] = time.process_time() - start
    with evaluating(path):
        start = time.process_time()
        estimate = path.estimate_log_prob(images, k=s.draws, generator=generator_of(seed, "u"))
        seconds["ode"] = (time.process_time() - start) / s.draws
        nats["ode"] = estimate.value.double()
        one, other = (
            path.estimate_log_prob(
                images[: s.points // 4], generator=generator_of(seed, "v"), tolerance=tolerance
            ).value
            for tolerance in (1e-3, s.fine)
        )
    bits = 1 / (images[0].numel() * math.log(2))
    numbers = {
        "truth_bits": -known.mean().item() * bits,
        "flow_bits": -nats["flow"].mean().item() * bits,
        "ode_bits": -nats["ode"].mean().item() * bits,
        "tolerance": (one - other).abs().mean().item(),
        "times_slower": seconds["ode"] / max(seconds["flow"], 1e-9),
    }
    for name in ("flow", "ode"):
        numbers[f"{name}_gap"] = numbers[f"{name}_bits"] - numbers["truth_bits"]
        numbers[f"{name}_rank"] = rank_correlation(nats[name], known)
    numbers["between"] = numbers["ode_bits"] - numbers["flow_bits"]
    curves = {"truth": known.tolist(), **{k: v.tolist() for k, v in nats.items()}}
    return Measured(numbers, curves)


def rank_correlation(a: Tensor, b: Tensor) -> float:
    ranks = torch.stack([x.argsort().argsort().double() for x in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    seed, first = next(iter(measured.items()))
    known = torch.tensor(first.curves["truth"])
    shown = (known > -14).nonzero().flatten()
    for axes, name, words in (
        (left, "flow", "spline flow, exact"),
        (right, "ode", "flow matching, by the equation"),
    ):
        values = torch.tensor(first.curves[name])
        axes.plot([-13, -3], [-13, -3], "0.7", lw=1)
        axes.plot(known[shown], values[shown], "C0." if name == "flow" else "C3.", ms=3)
        bits = [result.numbers[f"{name}_bits"] for result in measured.values()]
        axes.set_title(f"{words}: {sum(bits) / len(bits):.2f} bits/dim")
        axes.set_xlabel("true ln P of a point (nats)")
    left.set(ylabel="the model's", ylim=(-14, -2), xlim=(-13, -3))
    best = next(iter(measured.values())).numbers["truth_bits"]
    figure.suptitle(
        f"{SOURCE}, seed {seed}: {s.points} test points; the truth has {best:.2f} bits/dim"
    )


CLAIM = Claim(
    name="ode_likelihood",
    title="The equation's likelihood beside an exact one",
    paper="Song et al. 2021; Grathwohl et al. 2019",
    setup="A spline flow and flow matching (a dense network) on ring8, about equal times of "
    "training. Points are stored on 256 levels an axis, so their true probabilities are known: the "
    "mixture's mass in a point's cell. 150 test points; of the equation two draws, exact trace.",
    criteria=(
        Criterion(
            "The equation's likelihood is within 0.15 bits/dim of the truth, and not above it",
            (Bound("ode_gap", at_least=-0.02, at_most=0.15, unit="bits/dim"),),
        ),
        Criterion(
            "It is within 0.15 bits/dim of the flow's exact one",
            (Bound("between", at_least=-0.15, at_most=0.15, unit="bits/dim"),),
        ),
        Criterion(
            "It puts the points in nearly the true order",
            (Bound("ode_rank", at_least=0.9, unit="rank correlation"),),
        ),
        Criterion(
            "The solver's tolerance of 0.001 moves a point by less than 0.05 nats",
            (Bound("tolerance", at_most=0.05, unit="nats"),),
        ),
        Criterion(
            "It costs ten times the flow's or more",
            (Bound("times_slower", at_least=10, unit="times"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(flow_steps=2, path_steps=2, batch=16, points=8, draws=1, fine=1e-3),
    size=(9.0, 4.0),
)

if __name__ == "__main__":
    CLAIM.main()
