"""A conditional GAN draws the class that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, score, sheet, trainer_of

from genarium.contract import to_uint8
from genarium.evaluation.extractors.by_name import extractor


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    width: int = 16
    latent: int = 16
    lr: float = 2e-3
    ema: float = 0.99
    batch: int = 64
    steps: int = 3500
    samples: int = 2000


def measure(seed: int, s: Settings) -> Measured:
    spec = load("digits").spec
    model = make("cgan", spec, seed, width=s.width, latent=s.latent, lr=s.lr, beta1=0.0)
    trainer = trainer_of(
        model, "digits", seed, steps=s.steps, batch=s.batch, ema=s.ema, schedule="linear"
    )
    trainer.fit()
    asked = torch.arange(s.samples) % len(spec.classes)
    generator = torch.Generator().manual_seed(seed)
    with trainer.sampling_weights(), evaluating(model):
        drawn = to_uint8(model.sample(s.samples, condition=asked, generator=generator))
    guessed = extractor("digits")(drawn).logits.argmax(1)
    right = (guessed == asked).float()
    curves = {"by_class": [right[asked == k].mean().item() for k in range(len(spec.classes))]}
    numbers = {"asked_class": right.mean().item(), **score(drawn)}
    return Measured(numbers, curves, {"drawn": drawn[:80]})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    left.imshow(sheet(next(iter(measured.values())).images["drawn"], 10), cmap="gray")
    left.set_axis_off()
    left.set_title("asked for 0 to 9, a column a class")
    for seed, measurement in measured.items():
        right.plot(measurement.curves["by_class"], "o-", ms=4, label=f"seed {seed}")
    right.set_xticks(range(10))
    right.set_xlabel("class asked for")
    right.set_ylabel("share that the classifier confirms")
    right.axhline(0.97, color="0.6", lw=1, ls="--")
    right.legend()


CLAIM = Claim(
    name="cgan_classes",
    title="Asked for a class, a conditional GAN draws it",
    paper="Mirza & Osindero 2014",
    setup="`cgan` on digits (12,000 images); 2,000 samples, 200 a class, judged by the shipped "
    "classifier, which is right about 99.4 % of real digits.",
    criteria=(
        Criterion(
            "At least 97 % of the samples have the class that was asked for",
            (Bound("asked_class", at_least=0.97),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=2, steps=2, batch=8, samples=100),
)

if __name__ == "__main__":
    CLAIM.main()
