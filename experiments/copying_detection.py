"""A sampler that copies training images is detected, and a control is no false positive."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of
from _planted import CHANGES, blurred, changed, digits
from torch import Tensor

from genarium.evaluation.diagnostics.copying import copying
from genarium.evaluation.diagnostics.lookalikes import Lookalikes, Pool
from genarium.evaluation.diagnostics.thumbnails import Thumbs, thumbnails

PERCENT = (1, 5, 20, 50, 100)


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    trials: int = 34  # for each of three seeds
    samples: int = 1000
    heldout: int = 1000
    sources: int = 3000  # images that copies are made of
    noise: float = 20.0  # grey levels, standard deviation
    images: int = 14_000  # of all splits together


@lru_cache
def searched(s: Settings) -> tuple[Lookalikes, dict[str, Lookalikes], Tensor]:
    """What every real image, and every changed copy of some, finds among all of them.

    The candidates are more than a single search proposes, for each trial leaves some images out.
    Also the places of the images that copies are made of.
    """
    images, _ = digits(s.images)
    sources = torch.randperm(len(images), generator=generator_of(0, "sources"))[: s.sources]
    pool = Pool(Thumbs(thumbnails(images)))
    real = pool.nearest(images, 14, proposed=14, own=torch.arange(len(images)))
    copies = {
        how: pool.nearest(changed(images[sources], how, s.noise), 14, proposed=14)
        for how in CHANGES
    }
    # no copies, but smoother than real images; what one is a blurred version of is not in the pool
    own = torch.arange(len(images))
    copies["smooth"] = pool.nearest(blurred(images, 3), 14, proposed=14, own=own)
    return real, copies, sources


def among(result: Lookalikes, rows: Tensor, there: Tensor) -> Lookalikes:
    """Some rows of `result`, with the images that are not `there` left out."""
    distance = result.distance[rows].masked_fill(~there[result.index[rows]], torch.inf)
    distance, order = distance.sort(dim=1, stable=True)
    return Lookalikes(distance[:, :5], result.index[rows].gather(1, order)[:, :5])


def together(a: Lookalikes, b: Lookalikes) -> Lookalikes:
    return Lookalikes(torch.cat([a.distance, b.distance]), torch.cat([a.index, b.index]))


def measure(seed: int, s: Settings) -> Measured:
    real, copies, sources = searched(s)
    alarms: dict[str, list[float]] = {}
    shares: dict[str, list[float]] = {}

    def note(key: str, samples: Lookalikes, own: Lookalikes, trained: Tensor, trial: int) -> None:
        result = copying(samples, own, trained, seed=trial)
        alarms.setdefault(key, []).append(float(result.detected))
        shares.setdefault(key, []).append(result.share if result.detected else 0.0)

    for trial in range(s.trials):
        generator = generator_of(seed, f"trial {trial}")
        # who is trained on, held out and sampled is drawn anew each time
        order = torch.randperm(s.images, generator=generator)
        control, rest = order[: s.samples], order[s.samples :]
        there = torch.ones(s.images, dtype=torch.bool)
        there[control] = False
        trained = there.clone()
        trained[rest[: s.heldout]] = False
        # the pool is that of the trial, numbered as all images are: those left out have no part
        number = torch.cumsum(there, 0) - 1
        own = among(real, rest[torch.randperm(len(rest), generator=generator)[: s.samples]], there)

        def numbered(outcome: Lookalikes, number: Tensor = number) -> Lookalikes:
            return Lookalikes(outcome.distance, number[outcome.index])

        own, labels = numbered(own), trained[there]
        truth = among(real, control, there)
        note("control", numbered(truth), own, labels, trial)
        smooth = among(copies["smooth"], control, there)
        note("smooth", numbered(smooth), own, labels, trial)
        usable = trained[sources].nonzero().flatten()
        for how in CHANGES:
            for percent in PERCENT:
                count = s.samples * percent // 100
                drawn = usable[torch.randint(len(usable), (count,), generator=generator)]
                copied = among(copies[how], drawn, there)
                kept = Lookalikes(truth.distance[count:], truth.index[count:])
                mixed = together(copied, kept)
                note(f"{how}_{percent}", numbered(mixed), own, labels, trial)
    rate = {key: sum(result) / len(result) for key, result in alarms.items()}
    light = [rate[f"{how}_{p}"] for how in CHANGES for p in PERCENT if p >= 20]
    numbers = {
        "worst_detection": min(light),
        "false_alarms": rate["control"],
        "false_alarms_smooth": rate["smooth"],
        "exact_5": rate["exact_5"],
        "exact_1": rate["exact_1"],
        "blurred_5": rate["blurred_5"],
        "blurred_1": rate["blurred_1"],
        "share_exact_20": sum(shares["exact_20"]) / s.trials,
        "share_blurred_20": sum(shares["blurred_20"]) / s.trials,
    }
    curves = {"detected": rate, "share": {k: sum(v) / len(v) for k, v in shares.items()}}
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots(1, 2, width_ratios=(1.25, 1))
    rows = ("control", "smooth", *CHANGES)
    table = torch.full((len(rows), len(PERCENT)), torch.nan)
    for i, row in enumerate(rows):
        for j, percent in enumerate(PERCENT):
            key = row if i < 2 and j == 0 else f"{row}_{percent}"
            values = [m.curves["detected"].get(key) for m in measured.values()]
            if None not in values:
                table[i, j] = sum(values) / len(values)
                axes[0].text(
                    j,
                    i,
                    f"{100 * table[i, j]:.0f} %",
                    ha="center",
                    va="center",
                    color="white" if table[i, j] < 0.6 else "black",
                )
    axes[0].imshow(table.nan_to_num(-0.2), cmap="viridis", vmin=-0.2, vmax=1, aspect="auto")
    axes[0].set_yticks(range(len(rows)), ["no copies", "no copies, smooth", *CHANGES])
    axes[0].set_xticks(range(len(PERCENT)), [f"{p} %" for p in PERCENT])
    axes[0].set_xlabel("samples that are copies (first two rows: none)")
    axes[0].set_title(f"trials that say copying, {s.trials * len(measured)} each")
    for how in CHANGES:
        results = [
            sum(m.curves["share"][f"{how}_{p}"] for m in measured.values()) / len(measured)
            for p in PERCENT
        ]
        axes[1].plot(PERCENT, [100 * f for f in results], "o-", ms=4, label=how)
    axes[1].plot(PERCENT, PERCENT, color="0.7", lw=1, ls="--")
    axes[1].set(xscale="log", yscale="log", xlabel="copies among the samples, %")
    axes[1].set_ylabel("verdict, % (mean)")
    axes[1].legend()


CLAIM = Claim(
    name="copying_detection",
    title="Copies of training images are detected, with few false positives",
    paper="after Meehan, Chaudhuri & Dasgupta 2020",
    setup="14,000 digits, in each of 34 trials a seed divided anew: 12,000 trained on, 1,000 held "
    "out, 1,000 control samples, of which a part is replaced by training images as they are, moved "
    "by a pixel, with noise of 20 grey levels, of less contrast, or blurred by a 3x3 mean. Smooth: "
    "control samples, all blurred.",
    criteria=(
        Criterion(
            "Of samplers that copy 20 % or more, changed or not, at least 95 % are detected",
            (Bound("worst_detection", at_least=0.95, each=False),),
        ),
        Criterion(
            "At most 5 % of control samplers are false positives",
            (
                Bound("false_alarms", at_most=0.05, each=False),
                Bound("false_alarms_smooth", at_most=0.05, each=False),
            ),
        ),
        Criterion(
            "Even 1 % of exact copies is found in at least 95 %",
            (Bound("exact_1", at_least=0.95, each=False),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(trials=1, samples=100, heldout=100, sources=100, images=600),
    size=(10.0, 3.8),
)

if __name__ == "__main__":
    CLAIM.main()
