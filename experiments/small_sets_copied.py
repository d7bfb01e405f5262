"""A diffusion model copies a small training set, and copies less of a larger one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import drawn_rows, load, sample, score, sheet, trained
from _path import Training
from torch import Tensor

from genarium.evaluation.diagnostics.copying import copying
from genarium.evaluation.diagnostics.lookalikes import Pool
from genarium.evaluation.diagnostics.thumbnails import Thumbs, thumbnails

SHOWN = 8  # samples of a set in the picture, each with the training image most alike


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment. training: the same for every size: the number of steps is fixed, so
    small sets are seen more often."""

    side: int = 16
    counts: tuple[int, ...] = (140, 500, 2000)
    training: Training = field(default_factory=Training)
    width: int = 32  # of the dense network, which has eight times as many features
    lr: float = 2e-3
    samples: int = 300
    heldout: int = 1000


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits", s.side)
    heldout = data.test.images[: s.heldout]
    numbers: dict[str, float] = {}
    curves: dict[str, Any] = {"passes": [], "closeness": {}}
    images: dict[str, Any] = {}
    for count in s.counts:
        model = trained(
            "flow-matching",
            "digits",
            seed,
            asdict(s.training),
            size=s.side,
            images=count,
            network="dense",
            prediction="image",  # of the velocity a dense network makes noise
            width=s.width,
            lr=s.lr,
        )
        known = data.train.images[drawn_rows("digits", seed, s.side, count)]
        made = sample(model, s.samples, seed=seed)
        result, pool = verdict(made, known, heldout, seed)
        numbers[f"detected_{count}"] = float(result.detected)
        numbers[f"share_{count}"] = result.share if result.detected else 0.0
        numbers[f"recognised_{count}"] = score(made)["recognised"]
        numbers[f"training_side_{count}"] = result.trained.float().mean().item()
        curves["passes"].append(s.training.steps * s.training.batch / count)
        curves["closeness"][count] = sorted(result.ratio.tolist())
        shown = result.ratio.argsort()[:: max(1, s.samples // SHOWN)][:SHOWN]
        images[str(count)] = torch.cat([made[shown], pool[result.nearest[shown]]])
    fewest, most = s.counts[0], s.counts[-1]
    numbers["share_falls"] = numbers[f"share_{fewest}"] - numbers[f"share_{most}"]
    return Measured(numbers, curves, images)


def verdict(made: Tensor, known: Tensor, heldout: Tensor, seed: int) -> Any:
    """What the package's test of copying says, and the pool that it searched."""
    pool = torch.cat([known, heldout])
    search = Pool(Thumbs(thumbnails(pool)))
    own = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[: len(made)]
    is_known = torch.arange(len(pool)) < len(known)
    samples, real = search.nearest(made), search.nearest(pool[own], own=own)
    return copying(samples, real, is_known, seed=seed), pool


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots(1, 1 + len(s.counts), width_ratios=(1.6, *(1 for _ in s.counts)))
    for number, result in enumerate(measured.values()):
        shares = [100 * result.numbers[f"share_{count}"] for count in s.counts]
        label = "copies by the verdict" if number == 0 else None
        axes[0].semilogx(s.counts, shares, "C3-o", lw=1, ms=4, label=label)
        sides = [100 * result.numbers[f"training_side_{count}"] for count in s.counts]
        label = "nearest is a training image" if number == 0 else None
        axes[0].semilogx(s.counts, sides, "C0-s", lw=1, ms=3, label=label)
    chance = [100 * count / (count + s.heldout) for count in s.counts]
    axes[0].semilogx(s.counts, chance, "0.6", ls="--", lw=1, label="the same by chance")
    axes[0].set(xlabel="training images", ylabel="samples (%)", ylim=(-3, 103))
    axes[0].set_xticks(s.counts, [str(count) for count in s.counts], minor=False)
    axes[0].tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes[0].legend(fontsize=7)
    seed, first = next(iter(measured.items()))
    for count, passes, place in zip(s.counts, first.curves["passes"], axes[1:]):
        place.set_axis_off()
        place.set_title(f"{count} images, {passes:.0f} passes", fontsize=8)
        if str(count) not in first.images:
            continue
        pairs = first.images[str(count)]
        half = len(pairs) // 2
        pairs = torch.stack([pairs[:half], pairs[half:]], 1).flatten(0, 1)
        place.imshow(sheet(pairs, 4), cmap="gray", vmin=0, vmax=255)
    figure.supxlabel(
        f"pairs: a sample (closest first) and what is most alike in the pool; seed {seed}",
        fontsize=8,
        x=0.68,
    )


CLAIM = Claim(
    name="small_sets_copied",
    title="A diffusion model copies small training sets",
    paper="after Somepalli et al. 2023; Kadkhodaie et al. 2024",
    setup="Flow matching (a dense network that predicts the image) on 140, 500 and 2,000 digits "
    "of 16x16 pixels, 800 steps of 64 each; the package's test of copying looks for the nearest "
    "of 300 samples among the training images and 1,000 held-out ones.",
    criteria=(
        Criterion(
            "Of 140 training images a model is found to copy",
            (Bound("detected_140", at_least=1),),
        ),
        Criterion(
            "Of 2,000 there is no sign of copying",
            (Bound("detected_2000", at_most=0),),
        ),
        Criterion(
            "The share of copies falls by 10 points or more as the set grows from 140 to 2,000",
            (Bound("share_falls", at_least=0.1, unit="of the samples"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(training=Training(steps=2, batch=4), width=4, samples=16, heldout=40),
    size=(10.0, 3.4),
)

if __name__ == "__main__":
    CLAIM.main()
