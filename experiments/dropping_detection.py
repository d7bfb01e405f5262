"""A sampler that leaves classes out or repeats itself is detected, and a control is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of
from _planted import digits, features, noised, one_a_class

from genarium.evaluation.diagnostics.dropping import dropping
from genarium.evaluation.diagnostics.findings import Originals

NAMES = tuple("0123456789")
DROPPED = (0, 1, 3, 5)


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    trials: int = 34  # for each of three seeds
    samples: int = 1000
    heldout: int = 1000
    repeat_trials: int = 11
    repeat_samples: int = 500
    noise: float = 5.0  # grey levels on repeated images
    images: int = 14_000


def measure(seed: int, s: Settings) -> Measured:
    images, labels = digits(s.images)
    named = features(s.images).logits.argmax(1)
    exact: dict[int, list[float]] = {count: [] for count in DROPPED}
    alarm: dict[int, list[float]] = {count: [] for count in DROPPED}
    for trial in range(s.trials):
        generator = generator_of(seed, f"classes {trial}")
        order = torch.randperm(s.images, generator=generator)
        held, rest = order[: s.heldout], order[s.heldout :]
        pairs = labels[held] * 10 + named[held]
        confusion = pairs.bincount(minlength=100).view(10, 10)
        expected = labels[rest].bincount(minlength=10)
        for count in DROPPED:
            gone = torch.randperm(10, generator=generator)[:count]
            kept = rest[~torch.isin(labels[rest], gone)]
            samples = kept[torch.randperm(len(kept), generator=generator)[: s.samples]]
            counts = named[samples].bincount(minlength=10)
            result = dropping(counts, expected, confusion, NAMES)
            exact[count].append(float(set(result.missing) == set(gone.tolist())))
            alarm[count].append(float(result.detected))
    repeated: dict[str, list[float]] = {"control": [], "one a class": [], "one a class, noised": []}
    for trial in range(s.repeat_trials):
        generator = generator_of(seed, f"repeats {trial}")
        order = torch.randperm(s.images, generator=generator)
        originals = Originals(images[order[:1000]], images[order[1000:1200]])
        control = images[order[-s.repeat_samples :]]
        rows = one_a_class(images, labels, s.repeat_samples, generator)
        for name, samples in (
            ("control", control),
            ("one a class", images[rows]),
            ("one a class, noised", noised(images[rows], s.noise, trial)),
        ):
            repeated[name].append(float(originals.repeats(samples).detected))
    numbers = {f"right_{count}": sum(exact[count]) / s.trials for count in DROPPED}
    numbers |= {
        "false_alarms": sum(alarm[0]) / s.trials,
        "one_dropped": sum(alarm[1]) / s.trials,
        "repeats_found": min(sum(repeated[k]) for k in list(repeated)[1:]) / s.repeat_trials,
        "repeats_false": sum(repeated["control"]) / s.repeat_trials,
    }
    result = {k: sum(v) / len(v) for k, v in repeated.items()}
    return Measured(numbers, {"exact": numbers["right_1"], "repeats": result})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2)
    mean = {
        k: sum(m.numbers[k] for m in measured.values()) / len(measured)
        for k in next(iter(measured.values())).numbers
    }
    rates = [100 * mean[f"right_{count}"] for count in DROPPED]
    bars = left.bar([str(count) for count in DROPPED], rates, color="C0")
    left.bar_label(bars, fmt="%.0f %%")
    left.set(xlabel="classes left out", ylabel="trials that name exactly these, %", ylim=(0, 112))
    left.set_title(f"{s.trials * len(measured)} trials each, {s.samples:,} samples")
    names = list(next(iter(measured.values())).curves["repeats"])
    rates = [
        100 * sum(m.curves["repeats"][k] for m in measured.values()) / len(measured) for k in names
    ]
    bars = right.bar(["control", "one image\na class", "the same,\nnoised"], rates, color="C1")
    right.bar_label(bars, fmt="%.0f %%")
    right.set(ylabel='trials that say "repeats itself", %', ylim=(0, 112))
    right.set_title(f"{s.repeat_trials * len(measured)} trials each, {s.repeat_samples:,} samples")


CLAIM = Claim(
    name="dropping_detection",
    title="Missing classes are named and repeats are found",
    paper="Arora & Zhang 2017 for the repeats",
    setup="Real digits with 0, 1, 3 or 5 of the ten classes left out, 1,000 a trial, judged by the "
    "shipped classifier, whose errors 1,000 held-out digits show; and 500 samples of one image a "
    "class, as they are and with noise of 5 grey levels.",
    criteria=(
        Criterion(
            "One dropped class of ten is found in at least 95 % of the trials",
            (Bound("one_dropped", at_least=0.95), Bound("right_1", at_least=0.95)),
        ),
        Criterion(
            "At most 5 % of samplers of all classes are false positives",
            (Bound("false_alarms", at_most=0.05, each=False),),
        ),
        Criterion(
            "Exactly the missing ones are named where 3 or 5 are missing, in at least 95 %",
            (Bound("right_3", at_least=0.95), Bound("right_5", at_least=0.95)),
        ),
        Criterion(
            "One image a class is called repeating in at least 95 %, real digits in at most 5 %",
            (Bound("repeats_found", at_least=0.95), Bound("repeats_false", at_most=0.05)),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        trials=1, samples=200, heldout=200, repeat_trials=1, repeat_samples=60, images=1500
    ),
)

if __name__ == "__main__":
    CLAIM.main()
