"""Predicting the clean image against predicting the velocity, as patches outgrow the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import sheet, trained
from _path import SIDE, Training, drawn, quality

PREDICTIONS = {"velocity": "C3", "image": "C0"}


@dataclass(frozen=True)
class Network:
    """A transformer of 4·width features a token and so many layers."""

    width: int = 8
    blocks: int = 3
    lr: float = 2e-3


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; each patch trains for the same number of images."""

    training: Training = field(default_factory=lambda: Training(steps=300))
    network: Network = Network()
    patches: tuple[int, ...] = (4, 8, 16)
    steps: int = 10  # of Heun's method
    samples: int = 400


def measure(seed: int, s: Settings) -> Measured:
    curves: dict[str, Any] = {name: [] for name in PREDICTIONS}
    numbers: dict[str, float] = {}
    images: dict[str, Any] = {}
    for patch in s.patches:
        for prediction in PREDICTIONS:
            model = trained(
                "flow-matching",
                "digits",
                seed,
                asdict(s.training),
                size=SIDE,
                network="transformer",
                patch=patch,
                prediction=prediction,
                **asdict(s.network),
            )
            made = drawn(model, s.samples, seed, steps=s.steps, solver="heun")
            fid = quality(made)["fid"]
            curves[prediction].append(fid)
            numbers[f"{prediction}_{patch}"] = fid
            images[f"{prediction}_{patch}"] = made[:12]
        numbers[f"gain_{patch}"] = numbers[f"velocity_{patch}"] / numbers[f"image_{patch}"]
    numbers["gain_grows"] = numbers[f"gain_{s.patches[-1]}"] / numbers[f"gain_{s.patches[0]}"]
    return Measured(numbers, curves, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    for name, colour in PREDICTIONS.items():
        for number, result in enumerate(measured.values()):
            label = f"predicts the {name}" if number == 0 else None
            left.loglog(s.patches, result.curves[name], f"{colour}-o", lw=1, ms=4, label=label)
    left.set_xticks(s.patches, [f"{p} px\n{p * p} numbers" for p in s.patches])
    left.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    features = 4 * s.network.width
    left.set(
        xlabel=f"side of a patch; a token has {features} features",
        ylabel="FID (digits-cnn)",
        title="one line a seed",
    )
    left.legend()
    seed, first = next(iter(measured.items()))
    rows = [first.images[f"{name}_{patch}"] for patch in s.patches for name in PREDICTIONS]
    right.imshow(sheet(torch.cat(rows), 12), cmap="gray", vmin=0, vmax=255)
    right.set_axis_off()
    pairs = ", ".join(f"{patch} px" for patch in s.patches)
    right.set_title(f"seed {seed}; velocity, then image, for {pairs}", fontsize=8)


CLAIM = Claim(
    name="image_prediction",
    title="The clean image is the easier thing to predict for large patches",
    paper="Li & He 2025",
    setup="Flow matching with a transformer of three layers and 32 features a token on digits of "
    "16x16 pixels, in patches of 4, 8 and 16 pixels (16, 64 and 256 numbers a token); the network "
    "predicts the velocity or the clean image, the loss is that of the velocity for both.",
    criteria=(
        Criterion(
            "With patches of 16 pixels the image is the better prediction",
            (Bound("gain_16", at_least=1.5, unit="times the image's FID"),),
        ),
        Criterion(
            "With patches of 4 pixels it is not",
            (Bound("gain_4", at_most=1.1, unit="times the image's FID"),),
        ),
        Criterion(
            "Its advantage grows by a quarter or more from 4 to 16 pixels",
            (Bound("gain_grows", at_least=1.25, unit="times"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        training=Training(steps=2, batch=4),
        network=Network(width=4, blocks=1),
        patches=(4, 16),
        steps=2,
        samples=16,
    ),
    size=(9.5, 3.8),
)

if __name__ == "__main__":
    CLAIM.main()
