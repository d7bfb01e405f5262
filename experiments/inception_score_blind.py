"""The Inception Score rewards a copier and a sampler of one image a class; the verdicts do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of, sheet
from _planted import digits, features

from genarium.evaluation.diagnostics.findings import Originals
from genarium.evaluation.metrics.inception_score import inception_score

SAMPLERS = ("control", "copier", "one a class")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    samples: int = 1000
    heldout: int = 1000
    images: int = 14_000


def measure(seed: int, s: Settings) -> Measured:
    images, _ = digits(s.images)
    logits = features(s.images).logits
    generator = generator_of(seed, "division")
    order = torch.randperm(s.images, generator=generator)
    control, held = order[: s.samples], order[s.samples : s.samples + s.heldout]
    train = order[s.samples + s.heldout :]
    # of each class the image that the classifier is surest of, as a generator trained to please
    # it would find
    sure = logits[train].softmax(1)
    best = train[sure.argmax(0)]
    rows = {
        "control": control,
        "copier": train[torch.randperm(len(train), generator=generator)[: s.samples]],
        "one a class": best[torch.arange(s.samples) % 10],
    }
    originals = Originals(images[train], images[held])
    numbers, verdicts = {}, {}
    for name, chosen in rows.items():
        key = name.replace(" ", "_")
        numbers[f"is_{key}"] = inception_score(logits[chosen])[0]
        copying, _ = originals.copying(images[chosen])
        repeats = originals.repeats(images[chosen])
        numbers[f"copying_{key}"] = float(copying.detected)
        numbers[f"repeats_{key}"] = float(repeats.detected)
        verdicts[name] = [copying.text, repeats.text]
    numbers["copier_gain"] = numbers["is_copier"] - numbers["is_control"]
    numbers["one_gain"] = numbers["is_one_a_class"] - numbers["is_control"]
    shown = {name: images[chosen[:30]] for name, chosen in rows.items()}
    return Measured(numbers, {"verdicts": verdicts}, shown)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    first = next(iter(measured.values()))
    for axes, name in zip(figure.subplots(1, 3), SAMPLERS):
        axes.imshow(sheet(first.images[name], 10), cmap="gray")
        axes.set_axis_off()
        values = [m.numbers[f"is_{name.replace(' ', '_')}"] for m in measured.values()]
        axes.set_title(f"{name}: IS {sum(values) / len(values):.2f}")
        verdicts = "\n".join(t.replace(": ", ":\n") for t in first.curves["verdicts"][name])
        axes.text(0, -0.08, verdicts, transform=axes.transAxes, va="top", fontsize=8)


CLAIM = Claim(
    name="inception_score_blind",
    title="The Inception Score is blind to copying and to repeats",
    paper="Barratt & Sharma 2018",
    setup="1,000 samples each of a control sampler (real digits that nobody trained on), of one "
    "that copies 1,000 of 12,000 training images, and of one that knows the training image a "
    "class that the classifier is surest of.",
    criteria=(
        Criterion(
            "A copier has at least the control sampler's Inception Score, less .2",
            (Bound("copier_gain", at_least=-0.2),),
        ),
        Criterion(
            "One image a class scores higher than real digits do",
            (Bound("one_gain", at_least=0.1),),
        ),
        Criterion(
            "The verdicts detect both and have no false positive",
            (
                Bound("copying_copier", at_least=1),
                Bound("repeats_one_a_class", at_least=1),
                Bound("copying_control", at_most=0),
                Bound("repeats_control", at_most=0),
            ),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(samples=100, heldout=100, images=1000),
    size=(9.0, 2.6),
)

if __name__ == "__main__":
    CLAIM.main()
