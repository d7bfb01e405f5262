"""Likelihood as an anomaly score: what it separates, and where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, generator_of, load, make, sheet, train, trainer_of
from torch import Tensor

from genarium import data
from genarium.data.dataset import Dataset
from genarium.evaluation.metrics.likelihood import auroc

FOREIGN = ("shapes", "noise", "inverted", "blank")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    levels: int = 16
    blocks: int = 4
    width: int = 16
    batch: int = 32
    steps: int = 500
    images: int = 500


def shapes(side: int) -> Dataset:
    return data.load("shapes", data.DataOptions(size=str(side), channels=1))


def nats(model: Any, images: Tensor) -> Tensor:
    """ln p(x), [N]."""
    with evaluating(model):
        return torch.cat([model.log_prob(part) for part in images.split(100)])


def trained(source: Dataset, name: str, seed: int, s: Settings) -> Any:
    sizes = {"levels": s.levels, "blocks": s.blocks, "width": s.width, "head": s.width}
    model = make("pixelcnn", source.spec, seed, **sizes)
    trainer = trainer_of(
        model, name, seed, size=s.side, steps=s.steps, batch=s.batch, schedule="linear", clip=1.0
    )
    trainer.data.images = source.train.images  # at one channel
    for _ in train(trainer):
        pass
    return model


def measure(seed: int, s: Settings) -> Measured:
    digits, others = load("digits", s.side), shapes(s.side)
    usual = digits.test.images[: s.images]
    foreign = {
        "shapes": others.test.images[: s.images],
        "noise": torch.randint(
            256, usual.shape, generator=generator_of(seed, "noise"), dtype=torch.uint8
        ),
        "inverted": 255 - usual,
        "blank": torch.zeros_like(usual[:1]),
    }
    model = trained(digits, "digits", seed, s)
    of_digits = nats(model, usual)
    scores = {name: nats(model, images) for name, images in foreign.items()}
    numbers = {f"{name}_auroc": auroc(of_digits, result) for name, result in scores.items()}
    back = trained(others, "shapes", seed, s)
    numbers["from_shapes_auroc"] = auroc(nats(back, foreign["shapes"]), nats(back, usual))
    dims = digits.spec.dims * 0.6931471805599453
    curves = {
        name: (-result / dims).tolist() for name, result in {"digits": of_digits, **scores}.items()
    }
    images = torch.cat([usual[:8], *(foreign[name][:8].expand(8, -1, -1, -1) for name in FOREIGN)])
    return Measured(numbers, curves, {"sheet": images})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    import numpy as np

    pictures, axes = figure.subplots(1, 2, width_ratios=(1, 2))
    result = next(iter(measured.values()))
    pictures.imshow(sheet(result.images["sheet"], 8), cmap="gray", vmin=0, vmax=255)
    names = ("digits", *FOREIGN)
    ticks = [s.side * (i + 0.5) for i in range(len(names))]
    pictures.set_yticks(ticks, names)
    pictures.set_xticks([])
    highest = max(max(result.curves[name]) for name in names)
    edges = np.linspace(0, highest, 60)
    for number, name in enumerate(names):
        values = result.curves[name]
        score = "" if name == "digits" else f", AUROC {result.numbers[f'{name}_auroc']:.3f}"
        if len(values) == 1:
            axes.axvline(values[0], color=f"C{number}", label=name + score)
        else:
            weights = np.full(len(values), 1 / len(values))
            axes.hist(
                values, edges, weights=weights, color=f"C{number}", alpha=0.6, label=name + score
            )
    axes.set(
        xlabel="bits per dimension under the model of digits; strange images to the right",
        ylabel="share of the images",
    )
    axes.legend()


CLAIM = Claim(
    name="anomaly",
    title="A likelihood finds foreign images, but simple ones look too likely",
    paper="Nalisnick et al. 2019, Do Deep Generative Models Know What They Don't Know?",
    setup="PixelCNN of 16 grey levels trained on digits of 16x16 pixels, scoring its own test "
    "split against shapes, uniform noise, inverted digits and one black image. AUROC: the chance "
    "that a digit is likelier than a foreign image. from_shapes: the same with a model of shapes, "
    "and digits as the foreign images.",
    criteria=(
        Criterion(
            "Shapes, noise and inverted digits are less likely than digits.",
            (
                Bound("shapes_auroc", at_least=0.95),
                Bound("noise_auroc", at_least=0.99),
                Bound("inverted_auroc", at_least=0.95),
            ),
        ),
        Criterion(
            "A black image is likelier than nearly every digit that the model was trained on.",
            (Bound("blank_auroc", at_most=0.05),),
        ),
        Criterion(
            "It works in the other direction too: a model of shapes finds digits.",
            (Bound("from_shapes_auroc", at_least=0.95),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(levels=4, blocks=1, width=4, steps=2, images=20),
    size=(9.0, 3.8),
)

if __name__ == "__main__":
    CLAIM.main()
