"""Least squares against the non-saturating loss over two decades of learning rates."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import load, make, sample, score, train, trainer_of

from genarium.errors import RunError
from genarium.training.trainer import NonFinite

RECIPES = {"dcgan": "non-saturating", "lsgan": "least squares"}
WORST = 400.0  # FID of a run that broke down; one that was never trained has about 350
FAILED = 5.0  # times the seed's best FID


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    width: int = 16
    latent: int = 16
    batch: int = 64
    steps: int = 300
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    samples: int = 1000


def fid(recipe: str, lr: float, seed: int, s: Settings) -> float:
    """FID after `steps` at a learning rate; at most `WORST`, also where the losses became NaN."""
    spec = load("digits", s.side).spec
    model = make(recipe, spec, seed, latent=s.latent, width=s.width, lr=lr, beta1=0.0)
    trainer = trainer_of(model, "digits", seed, size=s.side, steps=s.steps, batch=s.batch)
    try:
        for _ in train(trainer):
            pass
        return min(WORST, score(sample(model, s.samples, seed))["fid"])
    except (NonFinite, RunError, ValueError):
        return WORST


def measure(seed: int, s: Settings) -> Measured:
    curves = {recipe: [fid(recipe, lr, seed, s) for lr in s.rates] for recipe in RECIPES}
    best = min(min(curve) for curve in curves.values())
    numbers = {}
    for recipe, curve in curves.items():
        numbers[f"{recipe}_best_fid"] = min(curve)
        numbers[f"{recipe}_spread"] = statistics.pstdev([math.log(max(f, 1e-9)) for f in curve])
        numbers[f"{recipe}_failures"] = float(sum(f > FAILED * best for f in curve))
    numbers["spread_ratio"] = numbers["lsgan_spread"] / max(numbers["dcgan_spread"], 1e-9)
    numbers["more_failures"] = numbers["lsgan_failures"] - numbers["dcgan_failures"]
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    for (recipe, name), colour, marker in zip(RECIPES.items(), ("C0", "C3"), "os"):
        for number, result in enumerate(measured.values()):
            axes.loglog(
                s.rates,
                result.curves[recipe],
                f"{colour}-{marker}",
                label=name if number == 0 else None,
                lw=1,
                ms=4,
            )
    axes.set(
        xlabel="learning rate of both players' Adam",
        ylabel=f"FID (digits-cnn) after {s.steps} steps; at most {WORST:g}",
        title="one line a seed; an untrained generator has about 350",
    )
    axes.legend()


CLAIM = Claim(
    name="lsgan_learning_rate",
    title="Least squares is less sensitive to its learning rate",
    paper="Mao et al. 2017",
    setup="DCGAN of width 16 on digits of 16x16 pixels with either loss, five learning rates over "
    "two decades. spread: standard deviation of ln FID over the rates. A run fails if its FID is "
    "more than five times the seed's best.",
    criteria=(
        Criterion(
            "Over two decades of learning rates, FID varies less with least squares than with the "
            "non-saturating loss, and no more runs fail.",
            (
                Bound("spread_ratio", at_most=0.8, unit="of the non-saturating spread"),
                Bound("more_failures", at_most=0, unit="failures more"),
            ),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=4, latent=4, steps=2, rates=(1e-3, 1e-2), samples=100),
    size=(7.0, 4.0),
)

if __name__ == "__main__":
    CLAIM.main()
