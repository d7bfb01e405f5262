"""Layerwise pretraining against a start from scratch, by the number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import load, make, train, trainer_of

from genarium.features import finetune


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    hidden: int = 400
    layers: int = 3
    layer_steps: int = 1000
    amount: float = 0.25
    batch: int = 100
    labels: tuple[int, ...] = (100, 1000, 8000)
    tune_steps: int = 400
    tune_lr: float = 1e-3


def measure(seed: int, s: Settings) -> Measured:
    digits = load("digits", s.side)
    sizes = {
        "hidden": s.hidden,
        "layers": s.layers,
        "layer_steps": s.layer_steps,
        "amount": s.amount,
    }

    def fresh(seed: int) -> Any:
        return make("stacked-autoencoder", digits.spec, seed, **sizes)

    model = fresh(seed)
    steps = s.layers * s.layer_steps
    for _ in train(trainer_of(model, "digits", seed, size=s.side, steps=steps, batch=s.batch)):
        pass
    numbers: dict[str, float] = {}
    for count in s.labels:
        result = finetune(
            model,
            fresh,
            (digits.train.images, digits.train.labels),
            (digits.test.images, digits.test.labels),
            labels=min(count, len(digits.train)),
            seeds=(seed,),
            steps=s.tune_steps,
            batch=s.batch,
            lr=s.tune_lr,
        )
        numbers[f"pretrained_{count}"] = result.pretrained[0]
        numbers[f"scratch_{count}"] = result.scratch[0]
        numbers[f"gain_{count}"] = result.gain
    fewest, most = s.labels[0], s.labels[-1]
    numbers["gain_falls"] = numbers[f"gain_{fewest}"] - numbers[f"gain_{most}"]
    return Measured(numbers)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    for arm, colour, name in (
        ("scratch", "C3", "from scratch"),
        ("pretrained", "C0", "pretrained"),
    ):
        for number, result in enumerate(measured.values()):
            errors = [100 * result.numbers[f"{arm}_{count}"] for count in s.labels]
            label = name if number == 0 else None
            axes.semilogx(s.labels, errors, f"{colour}-o", lw=1, ms=4, label=label)
    axes.set(
        xlabel="labelled images",
        ylabel="test error (%)",
        ylim=(0, None),
        title="the same network, labels and steps; one line a seed",
    )
    axes.legend()


CLAIM = Claim(
    name="pretraining",
    title="Pretraining without labels helps where labels are few",
    paper="Erhan et al. 2010",
    setup="Three tied logistic layers of 400 units on digits of 16x16 pixels, pretrained layer by "
    "layer on all training images (25 % of the values masked), then fine-tuned on 100, 1,000 and "
    "8,000 labels; the same network from scratch gets the same labels, order and steps.",
    criteria=(
        Criterion(
            "With 100 labels the pretrained classifier's test error is at least 2 points lower.",
            (Bound("gain_100", at_least=0.02, unit="of the test images"),),
        ),
        Criterion(
            "The gain is smaller with 8,000 labels than with 100.",
            (Bound("gain_falls", at_least=0.01, unit="of the test images"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(hidden=8, layers=2, layer_steps=2, tune_steps=2),
    size=(6.0, 4.0),
    seeds=(0, 1, 2, 3, 4),
)

if __name__ == "__main__":
    CLAIM.main()
