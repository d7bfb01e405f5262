"""Classifier-free guidance trades recall for precision."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import load, sheet, trained
from _path import SIDE, Training, drawn, quality

from genarium.evaluation.extractors.by_name import extractor

NAMES = {"precision": "C0", "recall": "C3", "asked_class": "C2", "recognised": "0.6"}


@dataclass(frozen=True)
class Network:
    """A dense network of 8·width units, its output read as the image, and its learning rate."""

    network: str = "dense"
    prediction: str = "image"
    width: int = 32
    lr: float = 2e-3


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    training: Training = field(default_factory=lambda: Training(steps=500))
    network: Network = Network()
    guidance: tuple[float, ...] = (1.0, 1.5, 2.0, 4.0)
    steps: int = 8  # of DPM-Solver++(2M)
    samples: int = 400


def measure(seed: int, s: Settings) -> Measured:
    network = {**asdict(s.network), "condition": "class"}
    training = asdict(s.training)
    model = trained("flow-matching", "digits", seed, training, size=SIDE, **network)
    asked = torch.arange(s.samples) % len(load("digits", SIDE).spec.classes)
    curves: dict[str, Any] = {name: [] for name in (*NAMES, "fid")}
    images: dict[str, Any] = {}
    for weight in s.guidance:
        made = drawn(
            model, s.samples, seed, asked, steps=s.steps, solver="dpm++2m", guidance=weight
        )
        guessed = extractor("digits")(made).logits.argmax(1)
        scores = quality(made) | {"asked_class": (guessed == asked).float().mean().item()}
        for name, values in curves.items():
            values.append(scores[name])
        images[f"{weight:g}"] = made[:20]
    at = s.guidance.index(2.0)
    numbers = {
        "precision_gain": curves["precision"][at] - curves["precision"][0],
        "recall_loss": curves["recall"][0] - curves["recall"][at],
        "recall_loss_most": curves["recall"][0] - curves["recall"][-1],
        "class_gain": curves["asked_class"][at] - curves["asked_class"][0],
        "asked_class_1": curves["asked_class"][0],
        "asked_class_2": curves["asked_class"][at],
        "fid_1": curves["fid"][0],
        "fid_2": curves["fid"][at],
        "fid_most_to_1": curves["fid"][-1] / curves["fid"][0],
    }
    return Measured(numbers, curves, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 0.9, 1.3))
    for name, colour in NAMES.items():
        for number, result in enumerate(measured.values()):
            label = name.replace("_", " ") if number == 0 else None
            left.plot(s.guidance, result.curves[name], "-o", color=colour, lw=1, ms=3, label=label)
    left.set(xlabel="guidance", ylabel="share", ylim=(0, 1.02))
    left.legend(fontsize=7)
    for result in measured.values():
        middle.plot(s.guidance, result.curves["fid"], "C4-o", lw=1, ms=3)
    middle.set(xlabel="guidance", ylabel="FID (digits-cnn)", ylim=(0, None))
    seed, first = next(iter(measured.items()))
    right.imshow(sheet(torch.cat(list(first.images.values())), 10), cmap="gray", vmin=0, vmax=255)
    right.set_axis_off()
    right.set_title(f"seed {seed}; two rows each of guidance {', '.join(first.images)}", fontsize=8)


CLAIM = Claim(
    name="guidance",
    title="Guidance trades recall for precision",
    paper="Ho & Salimans 2022",
    setup="Flow matching (a dense network that predicts the image) on digits of 16x16 pixels, told "
    "the class, a tenth of the classes hidden; 400 samples, all classes alike, with 8 steps of "
    "DPM-Solver++(2M).",
    criteria=(
        Criterion(
            "Guidance 2 raises precision by 0.03 or more",
            (Bound("precision_gain", at_least=0.03),),
        ),
        Criterion(
            "It lowers recall by 0.05 or more",
            (Bound("recall_loss", at_least=0.05),),
        ),
        Criterion(
            "More of its samples have the class that was asked for",
            (Bound("class_gain", at_least=0.01, unit="of the samples"),),
        ),
        Criterion(
            "Guidance 4 has at least one and a half times the FID of none",
            (Bound("fid_most_to_1", at_least=1.5, unit="times"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        training=Training(steps=2, batch=4),
        network=Network(width=4),
        guidance=(1.0, 2.0),
        steps=2,
        samples=16,
    ),
    size=(10.0, 3.4),
)

if __name__ == "__main__":
    CLAIM.main()
