"""One-sided label smoothing keeps the discriminator from saturating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import load, make, sample, score, train, trainer_of

from genarium.contract import from_uint8

SMOOTHINGS = {"plain": 0.0, "smoothed": 0.1}
CERTAIN = 0.99


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    width: int = 16
    latent: int = 16
    lr: float = 2e-3
    batch: int = 64
    discriminator_turns: int = 4  # a step
    steps: int = 300
    measure_every: int = 10
    samples: int = 2000


def look(model: Any, real: torch.Tensor, z: torch.Tensor) -> dict[str, float]:
    """How sure the discriminator is of real images, and the gradient that the generator gets."""
    with torch.no_grad():
        logits = model.discriminator(real)
    for parameter in model.generator.parameters():
        parameter.requires_grad_(True)
    loss = model.objective.generator_loss(None, model.discriminator(model.generator(z)))
    grads = torch.autograd.grad(loss, list(model.generator.parameters()))
    return {
        "certain": (logits.sigmoid() > CERTAIN).float().mean().item(),
        "logit": logits.abs().mean().item(),
        "gradient": torch.cat([g.flatten() for g in grads]).norm().item(),
    }


def measure(seed: int, s: Settings) -> Measured:
    dataset = load("digits", s.side)
    generator = torch.Generator().manual_seed(seed)
    real = from_uint8(dataset.test.images[:256])
    z = torch.randn(256, s.latent, generator=generator)
    numbers: dict[str, float] = {}
    curves: dict[str, dict[str, list[float]]] = {}
    for name, smoothing in SMOOTHINGS.items():
        model = make(
            "gan",
            dataset.spec,
            seed,
            architecture="dcgan",
            critic_steps=s.discriminator_turns,
            latent=s.latent,
            width=s.width,
            lr=s.lr,
            beta1=0.0,
            smoothing=smoothing,
        )
        trainer = trainer_of(model, "digits", seed, size=s.side, steps=s.steps, batch=s.batch)
        curve: dict[str, list[float]] = {"step": []}
        for step in train(trainer):
            if step % s.measure_every == 0:
                curve["step"].append(step)
                for key, value in look(model, real, z).items():
                    curve.setdefault(key, []).append(value)
        for key in ("certain", "logit", "gradient"):
            numbers[f"{name}_{key}"] = sum(curve[key]) / len(curve[key])
        numbers[f"{name}_fid"] = score(sample(model, s.samples, seed))["fid"]
        curves[name] = curve
    for key in ("certain", "logit", "gradient", "fid"):
        plain = numbers[f"plain_{key}"]
        numbers[f"{key}_ratio"] = numbers[f"smoothed_{key}"] / plain if plain else 1.0
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    words = {
        "certain": f"share of test images with D > {CERTAIN}",
        "logit": "mean size of the logits of test images",
        "gradient": "norm of the generator's gradient",
    }
    for axes, (key, label) in zip(figure.subplots(1, 3), words.items()):
        for name, colour in zip(SMOOTHINGS, ("C3", "C0")):
            runs = [measurement.curves[name] for measurement in measured.values()]
            for run in runs:
                axes.plot(run["step"], run[key], colour, lw=0.5, alpha=0.4)
            mean = [sum(values) / len(values) for values in zip(*(run[key] for run in runs))]
            axes.plot(runs[0]["step"], mean, colour, lw=1.8, label=f"s = {SMOOTHINGS[name]}")
        axes.set(xlabel="steps", title=label, ylim=(0, None))
        axes.legend()


CLAIM = Claim(
    name="label_smoothing",
    title="One-sided label smoothing keeps the discriminator from saturating",
    paper="Salimans et al. 2016, section 3.4",
    setup="DCGAN of width 16 on digits of 16x16 pixels, the target of real images 1 or 0.9. Four "
    "turns of the discriminator to one of the generator: with one each, it was certain of no "
    "image, with or without smoothing. Averages over the training, on 256 test images and 256 "
    "codes. A first run, on seeds 0 to 2, had averaged over its second half, when the "
    "discriminator is certain of nothing any more, and could not tell; so the window became the "
    "whole training, and the numbers are of new seeds.",
    criteria=(
        Criterion(
            f"With smoothing the discriminator is certain (D > {CERTAIN}) of at most half as many "
            "real images.",
            (Bound("certain_ratio", at_most=0.5, unit="of the share without smoothing"),),
        ),
        Criterion(
            "Its logits of real images are smaller.",
            (Bound("logit_ratio", at_most=0.8, unit="of the size without smoothing"),),
        ),
        Criterion(
            "The samples are no worse for it.",
            (Bound("fid_ratio", at_most=1.1, unit="of the FID without smoothing"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=4, latent=4, steps=4, measure_every=1, samples=100),
    size=(10.0, 3.4),
    seeds=(3, 4, 5),
)

if __name__ == "__main__":
    CLAIM.main()
