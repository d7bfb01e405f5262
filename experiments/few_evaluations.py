"""Sample quality against the number of evaluations of the network, for each solver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, generator_of, sheet
from _path import Network, Training, drawn, learnt, quality
from torch import Tensor

from genarium.contract import to_uint8
from genarium.models.diffusion import solvers
from genarium.models.diffusion.paths import Exploding
from genarium.models.diffusion.predictions import Image

TWICE = ("heun", "edm")  # evaluate twice a step, but for the last
COLOURS = {"euler": "C3", "heun": "C0", "dpm++2m": "C2", "edm": "C1", "dopri5": "C4"}
WORDS = {
    "euler": "Euler = DDIM",
    "heun": "Heun",
    "dpm++2m": "DPM-Solver++(2M)",
    "edm": "EDM's, stochastic",
    "dopri5": "Dormand-Prince",
}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    training: Training = field(default_factory=Training)
    network: Network = field(default_factory=Network)
    evaluations: tuple[int, ...] = (5, 9, 21)
    tolerances: tuple[float, ...] = (0.1, 0.01)  # of Dormand-Prince
    churn: float = 40.0
    samples: int = 400


def as_edm(model: Any) -> solvers.Field:
    """The model's field on EDM's path: z = x + σε, over 1 + σ, is x_t at t = σ/(1 + σ)."""
    plain = model.field(None)

    def image(z: Tensor, sigma: Tensor, rows: Tensor | None) -> Tensor:
        return plain.image(z / (1 + sigma)[:, None, None, None], sigma / (1 + sigma))

    return solvers.Field(Exploding(), Image(), image)


def stochastic(model: Any, n: int, seed: int, steps: int, churn: float) -> Tensor:
    """n images by EDM's algorithm 2 on the same network, uint8."""
    generator = generator_of(seed, "noise")

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator)

    field = as_edm(model)
    with evaluating(model):
        z = field.path.end * noise(torch.empty(n, *model.spec.shape))
        images = solvers.edm(field, z, field.times(steps), draw=noise, churn=churn)
    return to_uint8(images.clamp(-1, 1))


def adaptive(model: Any, n: int, seed: int, tolerance: float) -> tuple[Tensor, float]:
    """n images by Dormand-Prince, uint8, and the evaluations that an image took."""
    field = model.field(None)
    with evaluating(model):
        x = torch.randn(n, *model.spec.shape, generator=torch.Generator().manual_seed(seed))
        images = solvers.dopri5(field.velocity, x, 1.0, 0.0, tolerance)
    return to_uint8(images.clamp(-1, 1)), field.passes / n


def measure(seed: int, s: Settings) -> Measured:
    model = learnt("flow-matching", seed, s.training, s.network)
    numbers: dict[str, float] = {}
    curves: dict[str, Any] = {name: {"evaluations": [], "fid": [], "recall": []} for name in WORDS}
    images: dict[str, Any] = {}

    def note(name: str, evaluations: float, made: Tensor) -> None:
        scores = quality(made)
        curves[name]["evaluations"].append(evaluations)
        for key in ("fid", "recall"):
            curves[name][key].append(scores[key])
        numbers[f"{name}_{evaluations:.0f}"] = scores["fid"]

    for count in s.evaluations:
        for name in ("euler", "heun", "dpm++2m", "edm"):
            steps = (count + 1) // 2 if name in TWICE else count
            if name == "edm":
                made = stochastic(model, s.samples, seed, steps, s.churn)
            else:
                made = drawn(model, s.samples, seed, steps=steps, solver=name)
            note(name, count, made)
            if count == 5:
                images[name] = made[:24]
    for tolerance in s.tolerances:
        made, evaluations = adaptive(model, s.samples, seed, tolerance)
        note("dopri5", evaluations, made)
    same = [drawn(model, 32, seed, steps=5, solver=name).int() for name in ("euler", "ddim")]
    stepped = [name for name in WORDS if name != "dopri5"]
    ratios = {name: numbers[f"{name}_5"] / numbers[f"{name}_21"] for name in stepped}
    best = [min(numbers[f"{name}_{count}"] for name in stepped) for count in (5, 21)]
    derived = {f"{name}_ratio": value for name, value in ratios.items()}
    derived |= {
        "best_ratio": best[0] / best[1],
        "dpm_against_euler": numbers["dpm++2m_5"] / numbers["euler_5"],
        "ddim_difference": float((same[0] - same[1]).abs().max()),
        "dopri5_against_heun": curves["dopri5"]["fid"][-1] / numbers["heun_21"],
        "dopri5_evaluations": curves["dopri5"]["evaluations"][-1],
    }
    # the number of Dormand-Prince's evaluations differs from seed to seed
    fixed = {key: value for key, value in numbers.items() if not key.startswith("dopri5")}
    return Measured({**fixed, **derived}, curves, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    for name, colour in COLOURS.items():
        for number, result in enumerate(measured.values()):
            curve = result.curves[name]
            label = WORDS[name] if number == 0 else None
            left.loglog(curve["evaluations"], curve["fid"], f"{colour}-o", lw=1, ms=3, label=label)
    left.set(
        xlabel="evaluations of the network",
        ylabel="FID (digits-cnn)",
        title="one network a seed; one line a seed and solver",
    )
    ticks = (3, 5, 9, 21, 50, 100)
    left.set_xticks(ticks, [str(tick) for tick in ticks])
    left.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    left.legend(fontsize=8)
    seed, first = next(iter(measured.items()))
    right.set_axis_off()
    shown = torch.cat([first.images[name][:10] for name in first.images])
    right.imshow(sheet(shown, 10), cmap="gray", vmin=0, vmax=255)
    rows = ", ".join(WORDS[name] for name in first.images)
    right.set_title(f"5 evaluations, seed {seed}, rows:\n{rows}", fontsize=8)


def at_most_twice(name: str, number: str) -> Criterion:
    return Criterion(
        f"With 5 evaluations {name} has at most twice its own FID with 21",
        (Bound(number, at_most=2, unit="times"),),
    )


CLAIM = Claim(
    name="few_evaluations",
    title="Few evaluations: what a solver is worth",
    paper="Karras et al. 2022; Lu et al. 2022",
    setup="A flow-matching network of 134,000 parameters on digits of 16x16 pixels, sampled by "
    "each solver from 400 draws of noise. EDM's stochastic solver walks EDM's path with the same "
    "network, its input and time converted.",
    criteria=(
        at_most_twice("Euler's method", "euler_ratio"),
        at_most_twice("Heun's method", "heun_ratio"),
        at_most_twice("DPM-Solver++(2M)", "dpm++2m_ratio"),
        at_most_twice("EDM's stochastic solver", "edm_ratio"),
        at_most_twice("the best solver", "best_ratio"),
        Criterion(
            "With 5 evaluations DPM-Solver++(2M) has the lower FID than Euler's method",
            (Bound("dpm_against_euler", at_most=0.95, unit="of Euler's FID"),),
        ),
        Criterion(
            "On the straight path DDIM is Euler's method",
            (Bound("ddim_difference", at_most=1, unit="grey levels"),),
        ),
        Criterion(
            "Dormand-Prince at tolerance 0.01 takes more than 21 evaluations and gains no tenth "
            "over Heun's 21",
            (
                Bound("dopri5_evaluations", at_least=21),
                Bound("dopri5_against_heun", at_least=0.9, unit="of Heun's FID"),
            ),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        training=Training(steps=2, batch=4),
        network=Network(width=4),
        evaluations=(5, 21),
        tolerances=(1.0,),
        samples=16,
    ),
    size=(10.0, 4.0),
)

if __name__ == "__main__":
    CLAIM.main()
