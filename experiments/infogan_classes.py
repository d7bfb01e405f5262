"""InfoGAN's category finds the classes of digits without their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, score, sheet, trainer_of
from torch import Tensor

from genarium.contract import to_uint8
from genarium.evaluation.model_scores import cluster_errors, group_information
from genarium.training.trainer import Trainer


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; tried: steps of each start before one is chosen."""

    size: int = 16  # pixels
    width: int = 16
    latent: int = 16
    continuous: int = 2
    continuous_weight: float = 1.0
    hidden: int = 512
    lr: float = 1e-3
    generator_lr: float = 2e-3
    ema: float = 0.99
    batch: int = 64
    starts: int = 3
    tried: int = 6000
    steps: int = 20_000
    samples: int = 2000


def trained(trainer: Trainer, steps: int) -> Trainer:
    """The trainer, trained on until it has done so many steps."""
    trainer.model.train()
    while trainer.step < steps:
        trainer.one_step()
    return trainer


def start(seed: int, s: Settings) -> Trainer:
    model = make(
        "infogan",
        load("digits", s.size).spec,
        seed,
        width=s.width,
        latent=s.latent,
        continuous=s.continuous,
        continuous_weight=s.continuous_weight,
        hidden=s.hidden,
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
        schedule="linear",
    )
    return trained(trainer, s.tried)


def memberships(trainer: Trainer, images: Tensor) -> Tensor:
    """q(c|x) of the category, [N,K]."""
    with trainer.sampling_weights(), evaluating(trainer.model):
        return torch.cat([trainer.model.memberships(part) for part in images.split(1000)])  # type: ignore[operator]


def told(trainer: Trainer, images: Tensor) -> float:
    """Nats that the category tells of the images."""
    return group_information(memberships(trainer, images)).mean().item()


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits", s.size)
    starts = [start(s.starts * seed + number, s) for number in range(s.starts)]
    information = [told(trainer, data.train.images) for trainer in starts]
    trials = {
        "information": information,
        "cluster_error": [
            cluster_errors(memberships(t, data.test.images).argmax(1), data.test.labels)
            .mean()
            .item()
            for t in starts
        ],
    }
    trainer = trained(starts[information.index(max(information))], s.steps)
    model = trainer.model
    categories = model.conditioning.categories[0]
    code = torch.full((80, model.codes), float("nan"))
    code[:, 0] = torch.arange(80) % categories
    generator = torch.Generator().manual_seed(seed)
    groups = memberships(trainer, data.test.images).argmax(1)
    with trainer.sampling_weights(), evaluating(model):
        drawn = to_uint8(model.sample(s.samples, generator=generator))
        shown = to_uint8(model.sample(80, condition=code, generator=generator))
    wrong = cluster_errors(groups, data.test.labels)
    votes = torch.zeros(categories, 10, dtype=torch.int64)
    one = torch.ones((), dtype=torch.int64)
    votes.index_put_((groups, data.test.labels), one, accumulate=True)
    numbers = {
        "cluster_error": wrong.mean().item(),
        "information": told(trainer, data.train.images),
        "first_start_error": trials["cluster_error"][0],
        "chosen_start_error": trials["cluster_error"][information.index(max(information))],
        **score(drawn),
    }
    return Measured(numbers, {"votes": votes.tolist(), **trials}, {"shown": shown})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2)
    seed, first = next(iter(measured.items()))
    left.imshow(sheet(first.images["shown"], 10), cmap="gray")
    left.set_axis_off()
    left.set_title(f"seed {seed}: a column a value of the category")
    shown = right.imshow(first.curves["votes"], cmap="Blues", aspect="auto")
    right.set_xlabel("true class of the test image")
    right.set_ylabel("category that InfoGAN reads")
    right.set_xticks(range(10))
    figure.colorbar(shown, ax=right, label="test images")


CLAIM = Claim(
    name="infogan_classes",
    title="InfoGAN's category finds the classes",
    paper="Chen et al. 2016 (MNIST: 5 % error)",
    setup="`infogan` on digits without labels (12,000 images, 16x16), a category of 10 values and "
    "two numbers, beside noise of only 16 numbers: what noise can say, the code need not. Of three "
    "starts the one whose category tells most of the training images after 6,000 steps is trained "
    "on to 20,000: that needs no label. The "
    "categories are read off the 2,000 real test images; a category speaks for the class most "
    "common in it, named by one half of the images and scored on the other.",
    criteria=(
        Criterion(
            "At most 8 % of held-out real digits are in a category of another class",
            (Bound("cluster_error", at_most=0.08),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=2, hidden=8, starts=2, tried=1, steps=2, batch=8, samples=100),
)

if __name__ == "__main__":
    CLAIM.main()
