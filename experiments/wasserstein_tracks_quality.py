"""A Wasserstein critic's loss follows the samples' quality; a non-saturating GAN's does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import load, make, sample, score, train, trainer_of

from genarium.training.trainer import Trainer

# Per model: what its discriminator's loss says of the distance between data and samples. Up to
# constants -L_D estimates the Wasserstein distance or (twice) the Jensen-Shannon divergence.
SETUPS = {"wgan": "WGAN, clipped", "wgan_gp": "WGAN-GP", "dcgan": "non-saturating"}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    width: int = 16
    latent: int = 16
    batch: int = 64
    critic_steps: int = 3
    wgan_lr: float = 5e-4
    wgan_gp_lr: float = 1e-3
    dcgan_lr: float = 1e-3
    steps: int = 400
    measure_every: int = 20
    start: int = 80  # by then the critic has caught up with a generator that was just drawn
    samples: int = 1000


def listen(trainer: Trainer) -> Callable[[], dict[str, float]]:
    """Mean objective losses of both players since the last call."""
    heard: dict[str, list[float]] = {"discriminator": [], "generator": []}
    play = trainer.play

    def listening(number: int, turn: int) -> Any:
        result = play(number, turn)
        name = trainer.players[number].phase.name
        heard[name].append(result.losses[name].item())
        return result

    def means() -> dict[str, float]:
        outcome = {name: sum(values) / len(values) for name, values in heard.items()}
        for values in heard.values():
            values.clear()
        return outcome

    trainer.play = listening  # type: ignore[method-assign]
    return means


def spearman(x: list[float], y: list[float]) -> float:
    """Rank correlation; values that never vary have none: 0."""
    ranks = [torch.tensor(v).argsort().argsort().double() for v in (x, y)]
    if any(len(set(v)) < 2 for v in (x, y)):
        return 0.0
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def measure(seed: int, s: Settings) -> Measured:
    spec = load("digits", s.side).spec
    sizes = {"latent": s.latent, "width": s.width}
    arguments: dict[str, dict[str, Any]] = {
        "wgan": {"lr": s.wgan_lr, "critic_steps": s.critic_steps},
        "wgan_gp": {"lr": s.wgan_gp_lr, "critic_steps": s.critic_steps},
        "dcgan": {"lr": s.dcgan_lr},
    }
    numbers, curves = {}, {}
    for name in SETUPS:
        model = make(name, spec, seed, **sizes, **arguments[name])
        trainer = trainer_of(model, "digits", seed, size=s.side, steps=s.steps, batch=s.batch)
        losses = listen(trainer)
        curve: dict[str, list[float]] = {"step": [], "fid": [], "distance": [], "generator": []}
        for step in train(trainer):
            if step % s.measure_every:
                continue
            heard = losses()
            if step >= s.start:
                curve["step"].append(step)
                curve["fid"].append(score(sample(model, s.samples, seed))["fid"])
                curve["distance"].append(-heard["discriminator"])
                curve["generator"].append(heard["generator"])
        numbers[f"{name}_rho"] = spearman(curve["distance"], curve["fid"])
        numbers[f"{name}_generator_rho"] = spearman(curve["generator"], curve["fid"])
        numbers[f"{name}_fid"] = curve["fid"][-1]
        curves[name] = curve
    numbers["dcgan_best_rho"] = max(numbers["dcgan_rho"], numbers["dcgan_generator_rho"])
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    names = {
        "wgan": "critic's estimate of the distance, $-L_D$",
        "wgan_gp": "critic's estimate of the distance, $-L_D$",
        "dcgan": "discriminator's $-L_D$",
    }
    for axes, (name, title) in zip(figure.subplots(1, len(SETUPS)), SETUPS.items()):
        for number, (seed, result) in enumerate(measured.items()):
            curve = result.curves[name]
            rho = result.numbers[f"{name}_rho"]
            axes.plot(
                curve["distance"],
                curve["fid"],
                f"C{number}-",
                marker="os^Dv"[number % 5],
                ms=3,
                lw=0.5,
                label=f"seed {seed}: ρ = {rho:.2f}",
            )
        axes.set(xlabel=names[name], yscale="log", title=title)
        axes.legend()
    figure.axes[0].set_ylabel(f"FID (digits-cnn), every {s.measure_every} steps")


CLAIM = Claim(
    name="wasserstein_tracks_quality",
    title="The Wasserstein critic's loss tracks sample quality",
    paper="Arjovsky et al. 2017, figures 3 and 4; Gulrajani et al. 2017, figure 5",
    setup="DCGAN's networks of width 16 on digits of 16x16 pixels; every 20 steps the FID of 1,000 "
    "samples and the mean losses since, from step 80 on. rho: Spearman's rank correlation of "
    "-L_D and FID, 1 if the estimated distance falls exactly when FID does.",
    criteria=(
        Criterion(
            "The critic's loss of WGAN-GP tracks FID.",
            (Bound("wgan_gp_rho", at_least=0.8, unit="rank correlation"),),
        ),
        Criterion(
            "The critic's loss of WGAN with clipped weights does.",
            (Bound("wgan_rho", at_least=0.8, unit="rank correlation"),),
        ),
        Criterion(
            "Neither the discriminator's nor the generator's loss of the non-saturating GAN does.",
            (Bound("dcgan_best_rho", at_most=0.5, unit="the larger rank correlation"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        width=4, latent=4, critic_steps=2, steps=4, measure_every=2, start=0, samples=100
    ),
    size=(10.0, 3.8),
)

if __name__ == "__main__":
    CLAIM.main()
