"""An epoch of PixelCNN against one of Row LSTM and Diagonal BiLSTM: time, and what it teaches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, train, trainer_of

RECIPES = {"pixelcnn": "PixelCNN", "row-lstm": "Row LSTM", "diagonal-bilstm": "Diagonal BiLSTM"}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment: as many residual blocks as LSTM layers, of the same width."""

    depth: int = 7
    width: int = 32
    batch: int = 16
    steps: int = 100
    every: int = 25
    images: int = 200


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits")
    epoch = len(data.train) / s.batch
    heldout = data.test.images[: s.images]
    numbers: dict[str, float] = {}
    curves: dict[str, Any] = {}
    for recipe in RECIPES:
        depth = "blocks" if recipe == "pixelcnn" else "layers"
        sizes = {depth: s.depth, "width": s.width, "head": s.width, "levels": 2}
        model = make(recipe, data.spec, seed, **sizes)
        trainer = trainer_of(
            model, "digits", seed, steps=s.steps, batch=s.batch, clip=1.0, channels_last=False
        )
        spent, seconds, nats = 0.0, [], []
        start = time.process_time()
        for step in train(trainer):
            spent += time.process_time() - start
            if step % s.every == 0:
                with evaluating(model):
                    total = sum(model.log_prob(part).sum().item() for part in heldout.split(100))
                seconds.append(spent)
                nats.append(-total / len(heldout))
            start = time.process_time()
        name = recipe.split("-")[0]
        numbers[f"{name}_minutes"] = spent / s.steps * epoch / 60
        numbers[f"{name}_nats"] = nats[-1]
        curves[recipe] = {"seconds": seconds, "nats": nats}
    for name in ("row", "diagonal"):
        numbers[f"{name}_times"] = numbers[f"{name}_minutes"] / numbers["pixelcnn_minutes"]
        numbers[f"{name}_lead"] = numbers["pixelcnn_nats"] - numbers[f"{name}_nats"]
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    by_step, by_time = figure.subplots(1, 2, sharey=True)
    for (recipe, name), colour in zip(RECIPES.items(), ("C0", "C1", "C3")):
        for number, result in enumerate(measured.values()):
            curve = result.curves[recipe]
            steps = [s.every * (i + 1) for i in range(len(curve["nats"]))]
            label = name if number == 0 else None
            by_step.plot(steps, curve["nats"], "o-", color=colour, label=label, lw=1, ms=3)
            by_time.plot(curve["seconds"], curve["nats"], "o-", color=colour, lw=1, ms=3)
    by_step.set(xlabel=f"steps of {s.batch} images", ylabel="held-out nats an image")
    by_time.set(xlabel="processor seconds of training")
    by_step.legend()
    figure.suptitle("the same training by images seen, and by time; one line a seed")


CLAIM = Claim(
    name="pixelcnn_epoch",
    title="An epoch of PixelCNN is cheaper than one of PixelRNN",
    paper="van den Oord et al. 2016, Pixel Recurrent Neural Networks",
    setup="Binary digits of 28x28 pixels; seven residual blocks against seven LSTM layers, 32 "
    "channels each, batches of 16. minutes: processor minutes of an epoch of 11,000 images; times: "
    "of PixelCNN's. nats: held-out, an image, after 100 steps; lead: how many fewer than "
    "PixelCNN's after as many images.",
    criteria=(
        Criterion(
            "An epoch of the Row LSTM takes longer than one of PixelCNN.",
            (Bound("row_times", at_least=1.2, unit="times as long"),),
        ),
        Criterion(
            "An epoch of the Diagonal BiLSTM takes longer still.",
            (Bound("diagonal_times", at_least=1.5, unit="times as long"),),
        ),
        Criterion(
            "Image for image, the recurrent nets learn faster.",
            (
                Bound("row_lead", at_least=0, unit="nats"),
                Bound("diagonal_lead", at_least=0, unit="nats"),
            ),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(depth=1, width=6, steps=2, every=1, images=20),
    size=(8.5, 3.8),
)

if __name__ == "__main__":
    CLAIM.main()
