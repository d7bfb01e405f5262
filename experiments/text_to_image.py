"""A text-conditional GAN draws what a caption says, also compositions that it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _factors import PARTS, SOURCE, agreement, judge, said
from _lab import evaluating, generator_of, load, make, sheet, trainer_on
from torch import Tensor

from genarium.contract import to_uint8
from genarium.data.sources.shapes import COLOURS
from genarium.training.trainer import TrainingData


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; judge_steps: of the judge's own training."""

    size: int = 16  # pixels
    images: int = 60_000  # to train on
    architecture: str = "fusion"
    encoder: str = "subwords"
    width: int = 32
    latent: int = 8
    interpolation: float = 0.0
    candidates: int = 4
    contrast: float = 1.0
    generator_contrast: float = 0.3
    lr: float = 2e-3
    generator_lr: float = 1e-3
    beta1: float = 0.0
    ema: float = 0.995
    batch: int = 64
    steps: int = 6_000
    captions: int = 1000
    judge_steps: int = 1500


def unseen(factors: Tensor) -> Tensor:
    """Which rows [N,7] show a composition that is kept out of the training, bool [N]: each shape
    in a colour of its own."""
    shape, colour, _, _ = said(factors)
    return colour == (3 * shape + 1) % len(COLOURS)


def measure(seed: int, s: Settings) -> Measured:
    data = load(f"{SOURCE}:n={s.images}", s.size)
    train, test = data.train, data.test
    rows = (~unseen(train.extra["factors"])).nonzero()[:, 0]
    model = make(
        "text-to-image",
        data.spec,
        seed,
        architecture=s.architecture,
        encoder=s.encoder,
        width=s.width,
        latent=s.latent,
        interpolation=s.interpolation,
        candidates=s.candidates,
        contrast=s.contrast,
        generator_contrast=s.generator_contrast,
        lr=s.lr,
        generator_lr=s.generator_lr,
        beta1=s.beta1,
    )
    known = TrainingData(train.images[rows], None, {"captions": train.extra["captions"][rows]})
    trainer = trainer_on(
        model, known, seed, batch=s.batch, steps=s.steps, ema=s.ema, schedule="linear"
    )
    trainer.fit()
    new = unseen(test.extra["factors"])
    asked = {
        "known": (~new).nonzero()[: s.captions, 0],
        "unseen": new.nonzero()[: s.captions, 0],
    }
    referee = judge(s.judge_steps, size=s.size)
    numbers, images = {}, {}
    for name, chosen in asked.items():
        condition, factors = test.extra["captions"][chosen, 0], test.extra["factors"][chosen]
        with trainer.sampling_weights(), evaluating(model):
            drawn = to_uint8(
                model.sample(
                    len(chosen), condition=condition, generator=generator_of(seed, "samples")
                )
            )
        prefix = "" if name == "known" else "unseen_"
        result = agreement(drawn, factors, referee)
        numbers |= {f"{prefix}{part}": value for part, value in result.items()}
        images[name] = torch.stack([test.images[chosen[:18]], drawn[:18]], 1).flatten(0, 1)
    real = asked["known"]
    limit = agreement(test.images[real], test.extra["factors"][real], referee)
    numbers |= {f"judge_{part}": value for part, value in limit.items()}
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right, bars = figure.subplots(1, 3, width_ratios=(1, 1, 1))
    seed, first = next(iter(measured.items()))
    shown = f"test images, right of each what\nits caption gives (seed {seed})"
    never = "the same for compositions\nnever seen in training"
    for axes, name, title in ((left, "known", shown), (right, "unseen", never)):
        axes.imshow(sheet(first.images[name], 6))
        axes.set_axis_off()
        axes.set_title(title)
    places = range(len(PARTS))
    for shift, (prefix, label) in enumerate(
        (("judge_", "real images"), ("", "samples"), ("unseen_", "samples, never seen"))
    ):
        mean = [
            sum(m.numbers[f"{prefix}{part}"] for m in measured.values()) / len(measured)
            for part in PARTS
        ]
        bars.bar([p + 0.27 * (shift - 1) for p in places], mean, 0.25, label=label)
    bars.set_xticks([*places], PARTS)
    bars.set_ylabel("share that agrees with the caption")
    bars.set_ylim(0, 1.25)
    bars.legend(ncols=1, loc="upper center")


CLAIM = Claim(
    name="text_to_image",
    title="A picture agrees with its caption",
    paper="Reed et al. 2016",
    setup="`text-to-image` with the fusion networks on shapes (60,000 images of 16×16, their "
    "captions read as subwords) without six of the 48 compositions of shape and "
    "colour; a network trained on true factors judges samples for captions of the test split.",
    criteria=(
        Criterion(
            "Of 1,000 held-out captions at least 90 % get the shape and the colour they name, "
            "80 % the size and the position",
            (
                Bound("shape", at_least=0.9),
                Bound("colour", at_least=0.9),
                Bound("size", at_least=0.8),
                Bound("position", at_least=0.8),
            ),
        ),
        Criterion(
            "Compositions of shape and colour that were never seen in training: 80 % of each",
            (Bound("unseen_shape", at_least=0.8), Bound("unseen_colour", at_least=0.8)),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(images=600, width=2, latent=2, steps=2, batch=8, captions=40, judge_steps=2),
    size=(12.0, 4.2),
)

if __name__ == "__main__":
    CLAIM.main()
