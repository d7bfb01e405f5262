"""Under minimax the generator's gradient vanishes while the discriminator is winning."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import load, make, sample, score, sheet, train, trainer_of

from genarium.models.gan.objectives import Minimax, NonSaturating

LOSSES = {"minimax": Minimax(), "non-saturating": NonSaturating()}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    width: int = 16
    latent: int = 16
    lr: float = 2e-3
    batch: int = 64
    discriminator_steps: int = 100  # with the generator at its start
    measure_every: int = 5
    steps: int = 300  # of both players
    samples: int = 2000


def gradients(model: Any, z: torch.Tensor) -> dict[str, float]:
    """‖dL_G/dθ_G‖ for either loss, at the same weights and codes, and D's mean output."""
    parameters = list(model.generator.parameters())
    logits = model.discriminator(model.generator(z))
    results = {}
    for name, objective in LOSSES.items():
        loss = objective.generator_loss(None, logits)
        grads = torch.autograd.grad(loss, parameters, retain_graph=True)
        results[name] = torch.cat([g.flatten() for g in grads]).norm().item()
    return results | {"d_fake": logits.sigmoid().mean().item()}


def measure(seed: int, s: Settings) -> Measured:
    spec = load("digits").spec
    settings = {"width": s.width, "latent": s.latent, "lr": s.lr, "beta1": 0.0}
    # 1. The generator stays as it was drawn, only the discriminator learns.
    model = make("gan", spec, seed, architecture="dcgan", **settings)
    trainer = trainer_of(model, "digits", seed, steps=s.discriminator_steps, batch=s.batch)
    trainer.players = trainer.players[:1]
    z = torch.randn(256, s.latent, generator=torch.Generator().manual_seed(seed))
    curves: dict[str, list[float]] = {"step": []}
    model.train()
    for step in itertools.chain([0], train(trainer)):
        if step % s.measure_every:
            continue
        curves["step"].append(step)
        for name, value in gradients(model, z).items():
            curves.setdefault(name, []).append(value)
    numbers = {
        "minimax_left": curves["minimax"][-1] / max(curves["minimax"]),
        "non_saturating_left": curves["non-saturating"][-1] / max(curves["non-saturating"]),
    }
    # 2. Both learn, from the same start, with either loss.
    images = {}
    for name in LOSSES:
        model = make("gan", spec, seed, architecture="dcgan", objective=name, **settings)
        trainer = trainer_of(model, "digits", seed, steps=s.steps, batch=s.batch)
        for _ in train(trainer):
            pass
        drawn = sample(model, s.samples, seed)
        images[name] = drawn[:24]
        key = name.replace("-", "_")
        numbers |= {f"{key}_{k}": v for k, v in score(drawn).items()}
    numbers["fid_ratio"] = numbers["minimax_fid"] / numbers["non_saturating_fid"]
    return Measured(numbers, curves, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    axes = left.subplots()
    for name, colour in zip(LOSSES, ("C3", "C0")):
        for number, result in enumerate(measured.values()):
            label = name if number == 0 else None
            axes.semilogy(result.curves["step"], result.curves[name], colour, label=label, lw=1.2)
    axes.set(
        xlabel="steps of the discriminator alone (generator as it was drawn)",
        ylabel="norm of the generator's gradient",
        title="one line a seed",
    )
    axes.legend()
    first = next(iter(measured.values()))
    for panel, name in zip(right.subplots(2, 1), LOSSES):
        panel.imshow(sheet(first.images[name], 8), cmap="gray", vmin=0, vmax=255)
        fid = first.numbers[f"{name.replace('-', '_')}_fid"]
        panel.set_title(f"{name}, {s.steps} steps of both: FID {fid:.1f}")
        panel.axis("off")


CLAIM = Claim(
    name="minimax_gradients",
    title="The minimax generator's gradient vanishes early",
    paper="Goodfellow et al. 2014, section 3",
    setup="DCGAN of width 16 on the digits. First only the discriminator learns, against a "
    "generator as it was drawn; then both learn from that start, with either generator loss.",
    criteria=(
        Criterion(
            "As the discriminator learns, the minimax generator's gradient falls below a tenth "
            "of its largest value.",
            (Bound("minimax_left", at_most=0.1, unit="of the largest"),),
        ),
        Criterion(
            "The non-saturating generator's gradient, at the same weights, does not.",
            (Bound("non_saturating_left", at_least=0.1, unit="of the largest"),),
        ),
        Criterion(
            "So after the same number of steps the minimax objective has the worse samples.",
            (Bound("fid_ratio", at_least=1.25, unit="times the FID of non-saturating"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(4, 4, discriminator_steps=4, measure_every=2, steps=2, samples=100),
)

if __name__ == "__main__":
    CLAIM.main()
