"""Objective × regularizer × architecture on pictures: what learns, what is slow, what dies.

    python tools/campaigns/gan_matrix.py DATA --out DIR [--size 32] [--seconds 15] [--only WORDS]
    python tools/campaigns/gan_matrix.py --out DIR --table

Every combination that `gan` takes is trained for the same seconds of one core (width 16, batch 32,
Adam 1e-3 with β1 .5, averaged weights), one after the other, and a row is added to
DIR/cells.jsonl; a second call goes on where the first was stopped. Combinations that are refused
are rows too, with the reason. A cell's numbers:

    frechet   of 200 samples to 600 pictures in the extractor's features, over that of the same
              networks untrained: 1 has learned nothing
    spread    mean distance of two samples over that of two pictures: near 0 is one picture again
              and again
    tells     the chance that a picture held out of the training has a higher logit than a sample:
              .5 is a discriminator at chance, 1 one that is never wrong

and its verdict: *dies* if a loss is not finite, frechet is above .9 or spread below .3; *learns* if
frechet is below .5; else *slow*. Samples are kept as DIR/CELL.png and .npy.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genarium import data, recipes
from genarium.contract import from_uint8, to_uint8
from genarium.data import DataOptions
from genarium.data.splits import SPLITS
from genarium.drawing.images import grid, save_png
from genarium.errors import UserError
from genarium.evaluation.extractors.by_name import default_for, extractor
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.models.gan.objectives import OBJECTIVES
from genarium.runs import configuration
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.options import TrainOptions
from genarium.training.trainer import NonFinite, Trainer, TrainingData

ARCHITECTURES = ("resize", "dcgan", "residual", "dense")
REGULARIZERS: tuple[tuple[str, ...], ...] = (
    (),
    ("r1",),
    ("diffaugment",),
    ("r1", "diffaugment"),
    ("diffaugment:color+translation+cutout:adaptive",),
    ("gradient-penalty",),
    ("spectral-norm",),
    ("weight-clipping",),
    ("feature-matching",),
    ("minibatch-discrimination",),
)
WIDTHS = {"resize": 16, "dcgan": 16, "residual": 8, "dense": 256}
SAMPLES, REFERENCE = 200, 600
COMMON = {"lr": 1e-3, "beta1": 0.5, "batch": 32, "ema": 0.99, "device": "cpu", "seed": 0}


class Judge:
    """The pictures and what samples are compared with."""

    def __init__(self, source: str, size: str):
        self.dataset = data.load(source, DataOptions(size=size))
        parts = [self.dataset.split(name).images for name in SPLITS]
        self.held = torch.cat(parts[1:])
        real = torch.cat(parts)
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
        real = real[order[:REFERENCE]]
        self.looks = extractor(
            default_for(self.dataset.name, self.dataset.spec), shape=self.dataset.spec.shape
        )
        self.features = self.looks(real).pool
        self.spread = spread(real)
        self.untrained: dict[str, float] = {}

    def frechet(self, samples: Tensor) -> float:
        return frechet_distance_of_features(self.looks(samples).pool, self.features)


def spread(images: Tensor) -> float:
    """The mean distance of two pictures, root mean square over pixels, of 0 to 255."""
    half = len(images) // 2
    x = images.float()
    return float((x[:half] - x[half : 2 * half]).square().mean((1, 2, 3)).sqrt().mean())


@torch.no_grad()
def samples_of(trainer: Trainer) -> Tensor:
    model: Any = trainer.model.eval()
    with trainer.sampling_weights():
        return to_uint8(model.sample(SAMPLES, generator=torch.Generator().manual_seed(0)))


@torch.no_grad()
def tells(trainer: Trainer, held: Tensor, samples: Tensor) -> float:
    """P(a held-out picture's logit is above a sample's), ties counting half. Batch norm sees real
    pictures and samples apart, as in training."""
    model: Any = trainer.model.train()
    few = min(len(held), len(samples)) // 32 * 32
    logits = [
        torch.cat([model.discriminator(from_uint8(part)) for part in images[:few].split(32)])
        for images in (held, samples)
    ]
    ahead = (logits[0][:, None] - logits[1][None]).sign()
    return float((ahead.mean() + 1) / 2)


def cell(judge: Judge, arguments: dict[str, Any], seconds: float, place: Path) -> dict[str, Any]:
    """Train one combination and give its row."""
    recipe = recipes.get("gan")
    routed = configuration.route(recipe, {**COMMON, **arguments})
    try:
        config = configuration.resolve(recipe, routed)
        model = build(recipe, judge.dataset.spec, config.arguments, 0)
    except UserError as refused:
        return {"verdict": "refused", "reason": str(refused)}
    training = {**config.training, "steps": 10**9, "epochs": None, "minutes": None}
    train = judge.dataset.train
    trainer = Trainer(model, TrainingData(train.images, train.labels), TrainOptions(**training))
    kind = arguments["architecture"]
    if kind not in judge.untrained:
        judge.untrained[kind] = judge.frechet(samples_of(trainer))
    trainer.model.train()
    start, finite = time.process_time(), True
    try:
        while time.process_time() - start < seconds:
            trainer.one_step()
    except NonFinite:
        finite = False
    samples = samples_of(trainer)
    np.save(place.with_suffix(".npy"), samples.numpy())
    save_png(place.with_suffix(".png"), grid(samples[:64]))
    row: dict[str, Any] = {
        "steps": trainer.step,
        "finite": finite,
        "frechet": judge.frechet(samples) / judge.untrained[kind],
        "spread": spread(samples) / judge.spread,
        "tells": tells(trainer, judge.held, samples),
    }
    dead = not finite or row["frechet"] > 0.9 or row["spread"] < 0.3
    row["verdict"] = "dies" if dead else "learns" if row["frechet"] < 0.5 else "slow"
    return {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Regularizers down, objectives across, a table an architecture."""
    lines = []
    for architecture in dict.fromkeys(row["architecture"] for row in rows):
        mine = {
            (row["regularizers"], row["objective"]): row
            for row in rows
            if row["architecture"] == architecture
        }
        objectives = list(dict.fromkeys(objective for _, objective in mine))
        lines += ["", f"| {architecture} | {' | '.join(objectives)} |"]
        lines.append("|---" * (len(objectives) + 1) + "|")
        for regularizers in dict.fromkeys(regularizers for regularizers, _ in mine):
            cells = [shown(mine.get((regularizers, objective))) for objective in objectives]
            lines.append(f"| {regularizers or 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["verdict"] == "refused":
        return "refused"
    return f"{row['verdict']} {row['frechet']:.2f}, {row['spread']:.2f}, {row['tells']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="32")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", default="", help="cells with this in their name")
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    given = parser.parse_args()
    log = given.out / "cells.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if given.table:
        print(table(rows))
        return
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    allocator.keep_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    judge = Judge(given.data, given.size)
    done = {row["cell"] for row in rows}
    for architecture, regularizers, objective in itertools.product(
        ARCHITECTURES, REGULARIZERS, OBJECTIVES
    ):
        joined = ",".join(regularizers)
        name = f"{architecture} {objective} {joined or 'none'}"
        if name in done or given.only not in name:
            continue
        arguments = {
            "architecture": architecture,
            "objective": objective,
            "regularizers": regularizers,
        }
        place = given.out / name.replace(" ", "_").replace(":", "-").replace(",", "-")
        result = cell(judge, {**arguments, "width": WIDTHS[architecture]}, given.seconds, place)
        row = {"cell": name, **arguments, "regularizers": joined, "size": given.size, **result}
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
