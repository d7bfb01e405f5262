"""Features of a denoising autoencoder against those of a plain one, by a linear probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, train, trainer_of

from genarium.features import balanced, probe

KINDS = ("plain", "masking", "gaussian")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    hidden: int = 500
    steps: int = 2000
    batch: int = 100
    masking: float = 0.25
    gaussian: float = 0.3
    labels: int = 2000


def measure(seed: int, s: Settings) -> Measured:
    digits = load("digits", s.side)
    rows = balanced(digits.train.labels, s.labels, seed)
    parts = [
        (digits.train.images[rows], digits.train.labels[rows]),
        (digits.validation.images, digits.validation.labels),
        (digits.test.images, digits.test.labels),
    ]
    pixels = probe(*((x.flatten(1).float(), y) for x, y in parts))
    numbers = {"pixels_linear": pixels.linear, "pixels_knn": pixels.knn}
    for kind in KINDS:
        damage = (
            {"amount": 0.0} if kind == "plain" else {"corruption": kind, "amount": getattr(s, kind)}
        )
        model = make("stacked-autoencoder", digits.spec, seed, hidden=s.hidden, layers=1, **damage)
        options = {"size": s.side, "steps": s.steps, "batch": s.batch}
        for _ in train(trainer_of(model, "digits", seed, **options)):
            pass
        with evaluating(model):
            result = probe(*((model.encode(x), y) for x, y in parts))
        numbers[f"{kind}_linear"], numbers[f"{kind}_knn"] = result.linear, result.knn
    for kind in KINDS[1:]:
        numbers[f"{kind}_gain"] = numbers[f"{kind}_linear"] - numbers["plain_linear"]
    return Measured(numbers)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    names = ("pixels", *KINDS)
    for number, name in enumerate(names):
        errors = [100 * (1 - m.numbers[f"{name}_linear"]) for m in measured.values()]
        axes.bar(number, sum(errors) / len(errors), color="C7" if name == "pixels" else "C0")
        axes.plot([number] * len(errors), errors, "k.", ms=4)
    axes.set(
        xticks=range(len(names)),
        xticklabels=names,
        ylabel=f"test error of the linear probe (%), {s.labels:,} labels",
        title="bars: mean; dots: seeds",
    )


CLAIM = Claim(
    name="denoising_features",
    title="Denoising makes better features",
    paper="Vincent et al. 2010",
    setup="One tied logistic layer of 500 units, more than there are pixels, on digits of 16x16 "
    "pixels, trained to rebuild images as they are (plain), with a quarter of the pixels masked, "
    "or under gaussian noise of standard deviation 0.3. A linear probe on the frozen "
    "codes, 2,000 labels.",
    criteria=(
        Criterion(
            "The probe on masking features is right at least half a point more often than on plain "
            "ones.",
            (Bound("masking_gain", at_least=0.005, unit="of the test images"),),
        ),
        Criterion(
            "So it is on those of gaussian noise.",
            (Bound("gaussian_gain", at_least=0.005, unit="of the test images"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(hidden=40, steps=2, labels=50),
    size=(6.0, 4.0),
)

if __name__ == "__main__":
    CLAIM.main()
