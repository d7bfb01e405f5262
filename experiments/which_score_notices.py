"""Which score notices blur, noise, dropped classes and copying, and from which strength on."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of
from _planted import blurred, digits, noised, one_a_class
from torch import Tensor

from genarium.evaluation.diagnostics.data_copying import data_copying
from genarium.evaluation.diagnostics.watch import Watch
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.metrics.memorization import authenticity, nearest_gap
from genarium.evaluation.scores.registry import choose

METRICS = "fid,kid,precision,recall,density,coverage,is,recognised,class-entropy,sharpness,fld"
FAULTS = (
    ("blur, 3x3 mean", "blur", 3),
    ("blur, 5x5 mean", "blur", 5),
    ("noise of 5 levels", "noise", 5),
    ("noise of 20 levels", "noise", 20),
    ("1 class dropped", "drop", 1),
    ("3 classes dropped", "drop", 3),
    ("20 % copied", "copy", 20),
    ("100 % copied", "copy", 100),
    ("100 % copied, noised", "copy noised", 100),
    ("one image a class", "one", 0),
)
NOTICED = 4.0  # standard deviations among control samplers


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    samples: int = 500
    controls: int = 8  # control samplers: how much a score varies where nothing is wrong
    train: int = 5000
    heldout: int = 1000
    images: int = 14_000


def scores(
    samples: Tensor, test: Tensor, train: Tensor, watch: Watch, network: Extractor
) -> dict[str, float]:
    """Every score of one set of samples."""
    result = evaluate_images(
        samples,
        test,
        train=train,
        extractor=network,
        metrics=(*choose(METRICS), *watch.metrics()),
    )
    values = {row.name.split(" (")[0]: row.value for row in result.rows}
    values["missing classes"] = values.get("missing classes", 0.0)  # not judged: says nothing
    pool, real, seen = (network(images).pool for images in (samples, test, train))
    values["C_T"] = data_copying(pool, seen, real)
    values["authenticity"] = authenticity(pool, seen)
    values["nearest gap"] = nearest_gap(pool, seen, real).share
    return values


def measure(seed: int, s: Settings) -> Measured:
    images, labels = digits(s.images)
    generator = generator_of(seed, "division")
    order = torch.randperm(s.images, generator=generator)
    sizes = [s.train, s.heldout, s.samples]
    train, held, test, rest = order.split([*sizes, s.images - sum(sizes)])
    network = extractor("digits")
    watch = Watch(images[train], images[held], labels[train], labels[held])

    def take(rows: Tensor) -> Tensor:
        return rows[torch.randperm(len(rows), generator=generator)[: s.samples]]

    def score(samples: Tensor) -> dict[str, float]:
        return scores(samples, images[test], images[train], watch, network)

    def faulty(kind: str, strength: int) -> Tensor:
        result = take(rest)
        if kind == "blur":
            return blurred(images[result], strength)
        if kind == "noise":
            return noised(images[result], strength, seed)
        if kind == "drop":
            gone = torch.randperm(10, generator=generator)[:strength]
            return images[take(rest[~torch.isin(labels[rest], gone)])]
        if kind == "one":
            return images[rest[one_a_class(images[rest], labels[rest], s.samples, generator)]]
        count = s.samples * strength // 100
        copies = images[take(train)[:count]]
        if kind == "copy noised":
            copies = noised(copies, 20, seed)
        return torch.cat([copies, images[result[count:]]])

    controls = [score(images[take(rest)]) for _ in range(s.controls)]
    names = list(controls[0])
    centre = {name: statistics.fmean(h[name] for h in controls) for name in names}
    spread = {name: statistics.stdev(h[name] for h in controls) for name in names}
    shift: dict[str, dict[str, float]] = {}
    for label, kind, strength in FAULTS:
        values = score(faulty(kind, strength))
        # a verdict that never moves among control samplers has no spread: any move counts
        shift[label] = {
            name: (values[name] - centre[name]) / max(spread[name], 1e-3 + 0.01 * abs(centre[name]))
            for name in names
        }

    def noticed(name: str, *labels: str) -> float:
        return statistics.fmean(abs(shift[label][name]) >= NOTICED for label in labels)

    copied = ("20 % copied", "100 % copied", "100 % copied, noised")
    damaged = ("blur, 5x5 mean", "noise of 20 levels", "3 classes dropped")
    numbers = {
        "fid_damage": noticed("FID", *damaged),
        "fid_copying": noticed("FID", "20 % copied", "100 % copied"),
        "is_copying": noticed("IS", "20 % copied", "100 % copied"),
        "is_one_a_class": noticed("IS", "one image a class"),
        "fld_copying": noticed("FLD", "100 % copied", "100 % copied, noised"),
        "copied_copying": noticed("copied", *copied),
        "copied_damage": noticed("copied", *damaged, "blur, 3x3 mean", "noise of 5 levels"),
        "missing_dropped": noticed("missing classes", "1 class dropped", "3 classes dropped"),
        "repeated_one": noticed("repeated", "one image a class"),
        "c_t_blur": noticed("C_T", "blur, 3x3 mean", "blur, 5x5 mean"),
    }
    return Measured(numbers, {"shift": shift})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    runs = [measurement.curves["shift"] for measurement in measured.values()]
    labels = [label for label, _, _ in FAULTS]
    names = list(runs[0][labels[0]])
    size = torch.tensor(
        [
            [statistics.median(run[label][name] for run in runs) for name in names]
            for label in labels
        ]
    )
    shade = size.abs().clamp(1, 100).log10()
    axes.imshow(shade, cmap="YlOrRd", vmin=0, vmax=2, aspect="auto")
    for i in range(len(labels)):
        for j in range(len(names)):
            value = size[i, j].item()
            text = f"{value:+.1f}" if abs(value) < 9.95 else f"{value:+.0f}"
            if abs(value) >= 1000:
                text = ">+999" if value > 0 else "<-999"
            dark = abs(value) > 30
            bold = "bold" if abs(value) >= NOTICED else "normal"
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=7,
                weight=bold,
                color="white" if dark else "black" if bold == "bold" else "0.45",
            )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_title(
        f"change of each score in standard deviations of controls; bold: {NOTICED:g} or more"
    )


CLAIM = Claim(
    name="which_score_notices",
    title="Which score notices which fault",
    paper="after Xu et al. 2018 and Stein et al. 2023",
    setup="500 real digits that nobody trained on, damaged, robbed of classes or replaced by "
    "training images, scored against 500 test images and 5,000 training images. Noticed: the score "
    "is 4 standard deviations or more from the mean of 8 control samplers.",
    criteria=(
        Criterion(
            "FID notices strong blur, noise and three dropped classes",
            (Bound("fid_damage", at_least=1),),
        ),
        Criterion(
            "FID and Inception Score do not notice copying",
            (Bound("fid_copying", at_most=0), Bound("is_copying", at_most=0)),
        ),
        Criterion(
            "FLD notices samplers of nothing but copies, noised too",
            (Bound("fld_copying", at_least=1),),
        ),
        Criterion(
            "The verdict on copying notices it, noised too, and neither blur, noise nor dropping",
            (Bound("copied_copying", at_least=1), Bound("copied_damage", at_most=0)),
        ),
        Criterion(
            "Dropped classes and repeats are noticed by their verdicts",
            (Bound("missing_dropped", at_least=1), Bound("repeated_one", at_least=1)),
        ),
        Criterion(
            "C_T takes blur for a change of distance: it notices what is no copying",
            (Bound("c_t_blur", at_least=0.5),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(samples=120, controls=2, train=300, heldout=100, images=1500),
    size=(11.0, 4.4),
)

if __name__ == "__main__":
    CLAIM.main()
