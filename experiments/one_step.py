"""An image in one evaluation: mean flow, a GAN, and flow matching's twenty, at equal time."""

from __future__ import annotations

import itertools
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import sheet, trained
from _path import SCORES, SIDE, Network, Training, drawn, learnt, quality

ARMS = ("flow 21", "flow 1", "mean flow", "GAN")
COLOURS = ("C0", "C9", "C1", "C3")


@dataclass(frozen=True)
class Adversarial:
    """DCGAN's settings: its recipe's, at the size of the images."""

    architecture: str = "resize"
    width: int = 32
    lr: float = 1e-3


@dataclass(frozen=True)
class Averages:
    """Mean flow's settings: its recipe's. Of earlier versions `tangent="pair", whole=0.0,
    frequency=100.0`, with which it had nine times flow matching's FID."""

    tangent: str = "learned"
    whole: float = 0.5
    frequency: float = 8.0


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment.

    mean_flow, gan: what a step of them costs in steps of flow matching (measured once), so that all
    train for about the same time and how many steps that is does not depend on the machine.
    """

    training: Training = field(default_factory=Training)
    network: Network = field(default_factory=Network)
    adversarial: Adversarial = Adversarial()
    averages: Averages = Averages()
    gan_batch: int = 32
    mean_flow: float = 2.0
    gan: float = 0.9
    samples: int = 400


def measure(seed: int, s: Settings) -> Measured:
    seconds = [time.process_time()]
    flow = learnt("flow-matching", seed, s.training, s.network)
    seconds.append(time.process_time())
    shorter = replace(s.training, steps=max(2, round(s.training.steps / s.mean_flow)))
    mean = learnt("mean-flow", seed, shorter, s.network, **asdict(s.averages))
    seconds.append(time.process_time())
    steps = max(2, round(s.training.steps / s.gan))
    training = {"steps": steps, "batch": s.gan_batch, "ema": s.training.ema}
    gan = trained("dcgan", "digits", seed, training, size=SIDE, **asdict(s.adversarial))
    seconds.append(time.process_time())
    made = {
        "flow 21": drawn(flow, s.samples, seed, steps=11, solver="heun"),
        "flow 1": drawn(flow, s.samples, seed, steps=1, solver="euler"),
        "mean flow": drawn(mean, s.samples, seed),
        "GAN": drawn(gan, s.samples, seed),
    }
    scores = {arm: quality(images) for arm, images in made.items()}
    numbers = {
        f"{arm.replace(' ', '_').lower()}_{name}": result[name]
        for arm, result in scores.items()
        for name in SCORES
    }
    numbers["mean_to_flow"] = scores["mean flow"]["fid"] / scores["flow 21"]["fid"]
    numbers["mean_to_gan"] = scores["mean flow"]["fid"] / scores["GAN"]["fid"]
    numbers["one_step_gain"] = scores["flow 1"]["fid"] / scores["mean flow"]["fid"]
    numbers["recall_gain"] = scores["mean flow"]["recall"] - scores["GAN"]["recall"]
    spent = [b - a for a, b in itertools.pairwise(seconds)]
    curves = {"steps": [s.training.steps, shorter.steps, steps], "seconds": spent}
    return Measured(numbers, curves, {arm: images[:30] for arm, images in made.items()})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    for axes, name in zip(top.subplots(1, 4), SCORES):
        for place, (arm, colour) in enumerate(zip(ARMS, COLOURS)):
            key = f"{arm.replace(' ', '_').lower()}_{name}"
            values = [result.numbers[key] for result in measured.values()]
            axes.bar(place, sum(values) / len(values), color=colour, alpha=0.5)
            axes.plot([place] * len(values), values, "k.", ms=4)
        if name == "fid":
            axes.set_yscale("log")
        axes.set_title("FID" if name == "fid" else name, fontsize=9)
        axes.set_xticks(range(len(ARMS)), ["21", "1", "mean", "GAN"], fontsize=8)
    top.supxlabel("evaluations of flow matching; mean flow, 1; GAN. Dots: seeds", fontsize=8)
    seed, first = next(iter(measured.items()))
    for axes, arm in zip(bottom.subplots(1, 4), ARMS):
        axes.imshow(sheet(first.images[arm], 10), cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        axes.set_title(f"{arm}, seed {seed}", fontsize=8)


CLAIM = Claim(
    name="one_step",
    title="One evaluation: mean flow against a GAN and against twenty",
    paper="Geng et al. 2025; Goodfellow et al. 2014",
    setup="Flow matching, mean flow (the same U-Net of 134,000 parameters) and DCGAN (its recipe's "
    "network) on digits of 16x16 pixels, about 25 processor seconds of training each; 400 samples "
    "with 21 evaluations and one of flow matching, one of mean flow, one pass of the GAN.",
    criteria=(
        Criterion(
            "One evaluation of mean flow has at most twice the FID of flow matching's 21",
            (Bound("mean_to_flow", at_most=2, unit="times"),),
        ),
        Criterion(
            "A GAN of the same time has the lower FID than mean flow",
            (Bound("mean_to_gan", at_least=1, unit="of the GAN's FID"),),
        ),
        Criterion(
            "Mean flow's recall is above the GAN's by 0.05 or more",
            (Bound("recall_gain", at_least=0.05),),
        ),
        Criterion(
            "It must be trained for: one Euler step of flow matching has three times mean flow's "
            "FID or more",
            (Bound("one_step_gain", at_least=3, unit="times"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        training=Training(steps=2, batch=4),
        network=Network(width=4),
        adversarial=Adversarial(width=4),
        gan_batch=4,
        mean_flow=1.0,
        gan=1.0,
        samples=16,
    ),
    size=(9.5, 5.0),
)

if __name__ == "__main__":
    CLAIM.main()
