"""InfoGAN's category finds the classes of digits without their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, score, sheet, trainer_of
from torch import Tensor

from genarium.contract import to_uint8
from genarium.evaluation.scores.model import cluster_errors, group_information
from genarium.training.trainer import Trainer


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; the two compositions share all but the invariance."""

    size: int = 16  # pixels
    width: int = 16
    latent: int = 16
    continuous: int = 2
    continuous_weight: float = 1.0
    hidden: int = 512
    invariance: float = 1.0
    lr: float = 1e-3
    generator_lr: float = 2e-3
    ema: float = 0.99
    schedule: str = "constant-linear"
    batch: int = 64
    steps: int = 5000
    samples: int = 2000


def trained(seed: int, invariance: float, s: Settings) -> Trainer:
    model = make(
        "infogan",
        load("digits", s.size).spec,
        seed,
        width=s.width,
        latent=s.latent,
        continuous=s.continuous,
        continuous_weight=s.continuous_weight,
        hidden=s.hidden,
        invariance=invariance,
        lr=s.lr,
        generator_lr=s.generator_lr,
        beta1=0.0,
    )
    trainer = trainer_of(
        model,
        "digits",
        seed,
        size=s.size,
        steps=s.steps,
        batch=s.batch,
        ema=s.ema,
        schedule=s.schedule,
    )
    trainer.fit()
    return trainer


def memberships(trainer: Trainer, images: Tensor) -> Tensor:
    """q(c|x) of the category, [N,K]."""
    with trainer.sampling_weights(), evaluating(trainer.model):
        return torch.cat([trainer.model.memberships(part) for part in images.split(1000)])  # type: ignore[operator]


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits", s.size)
    numbers, curves, images = {}, {}, {}
    for name, invariance in (("", s.invariance), ("plain_", 0.0)):
        trainer = trained(seed, invariance, s)
        model = trainer.model
        categories = model.conditioning.categories[0]
        code = torch.full((80, model.latent_codes), float("nan"))
        code[:, 0] = torch.arange(80) % categories
        generator = torch.Generator().manual_seed(seed)
        groups = memberships(trainer, data.test.images).argmax(1)
        with trainer.sampling_weights(), evaluating(model):
            drawn = to_uint8(model.sample(s.samples, generator=generator))
            images[f"{name}shown"] = to_uint8(model.sample(80, condition=code, generator=generator))
        votes = torch.zeros(categories, 10, dtype=torch.int64)
        one = torch.ones((), dtype=torch.int64)
        votes.index_put_((groups, data.test.labels), one, accumulate=True)
        curves[f"{name}votes"] = votes.tolist()
        numbers[f"{name}cluster_error"] = cluster_errors(groups, data.test.labels).mean().item()
        information = group_information(memberships(trainer, data.train.images)).mean().item()
        numbers[f"{name}information"] = information
        numbers |= {f"{name}{key}": value for key, value in score(drawn).items()}
    numbers["error_ratio"] = numbers["cluster_error"] / numbers["plain_cluster_error"]
    return Measured(numbers, curves, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    panels = figure.subplots(1, 4, width_ratios=(1, 1.1, 1, 1.1))
    for number, (name, title) in enumerate((("", "with invariance"), ("plain_", "plain"))):
        pictures, table = panels[2 * number : 2 * number + 2]
        pictures.imshow(sheet(first.images[f"{name}shown"], 10), cmap="gray")
        pictures.set_axis_off()
        pictures.set_title(f"{title}, seed {seed}:\na column a value of the category")
        table.imshow(first.curves[f"{name}votes"], cmap="Blues", aspect="auto")
        table.set_xlabel("true class of the test image")
        table.set_ylabel("category that is read")
        table.set_xticks(range(10))
        error = first.numbers[f"{name}cluster_error"]
        table.set_title(f"{error:.1%} in a category\nof another class")


CLAIM = Claim(
    name="infogan_classes",
    title="InfoGAN's category finds the classes",
    paper="Chen et al. 2016 (MNIST: 5 % error)",
    setup="`infogan` on digits without labels (12,000 images, 16x16), a category of 10 values and "
    "two numbers, beside noise of only 16 numbers: what noise can say, the code need not. With "
    "and without `--invariance 1` (a real image and its moved copy are to be read alike), all else "
    "equal. The categories are read off the 2,000 real test images; a category speaks for the "
    "class most common in it, named by one half of the images and scored on the other.",
    criteria=(
        Criterion(
            "At most 8 % of held-out real digits are in a category of another class",
            (Bound("cluster_error", at_most=0.08),),
        ),
        Criterion(
            "The plain InfoGAN errs at least twice as often after as many steps",
            (Bound("error_ratio", at_most=0.5), Bound("plain_cluster_error")),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=2, hidden=8, steps=2, batch=8, samples=100),
    size=(13.0, 3.6),
)

if __name__ == "__main__":
    CLAIM.main()
