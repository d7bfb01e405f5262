"""What the benchmarks against loops written by hand share: equal processor time, the same scores.

A side has `step()`, `plan(steps)`, `sample(n)` as uint8 [n,C,H,W], and `steps`, how many it made.
Each side trains with one thread until it has used so many seconds of the processor. A schedule
needs to know its end, which is planned anew every 20 steps by the pace so far. Samples are saved
as DIR/SIDE-SIZE-SEED.npy, their grid as PNG. Scored: the Fréchet distance of the samples to all
real pictures in the features of an extractor (beside the same of the training pictures against
those held out), the power at the frequencies of strides over that of the real pictures (1: no
checkerboard), and the mean distance of two samples in pixels over that of two real pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _sides import side
from torch import Tensor

from genarium import data, recipes
from genarium.contract import to_uint8
from genarium.data import DataOptions
from genarium.data.splits import SPLITS
from genarium.drawing.images import grid, save_png
from genarium.evaluation.extractors.by_name import default_for, extractor
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.evaluation.metrics.spectrum import stride_power
from genarium.runs import configuration
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

SAMPLES, CHUNK = 1000, 100


class Ours:
    """A recipe under the trainer, as the command runs it."""

    def __init__(self, dataset: Any, name: str, given: dict[str, Any], seed: int):
        allocator.keep_memory()
        recipe = recipes.get(name)
        routed = configuration.route(recipe, {"seed": seed, "device": "cpu", **given})
        config = configuration.resolve(recipe, routed)
        self.training = {**config.training, "steps": 10**9, "epochs": None, "minutes": None}
        model = build(recipe, dataset.spec, config.arguments, seed)
        train = dataset.train
        self.trainer = Trainer(
            model, TrainingData(train.images, train.labels), TrainOptions(**self.training)
        )
        self.trainer.model.train()

    @property
    def steps(self) -> int:
        return self.trainer.step

    def step(self) -> None:
        self.trainer.one_step()

    def plan(self, steps: int) -> None:
        """Let the schedule end after so many steps in all."""
        self.trainer.options = TrainOptions(**{**self.training, "steps": steps})
        images = self.trainer.batch * self.trainer.batches.a_step
        self.trainer.budget = type(self.trainer.budget)(
            self.trainer.options, images, len(self.trainer.data)
        )

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        model: Any = self.trainer.model.eval()
        generator = torch.Generator().manual_seed(0)
        with self.trainer.sampling_weights():
            counts = [min(CHUNK, n - start) for start in range(0, n, CHUNK)]
            return to_uint8(torch.cat([model.sample(k, generator=generator) for k in counts]))


def trained(side: Any, seconds: float, every: int = 20) -> float:
    """Train for so many seconds of the processor; the seconds that it took."""
    start = time.process_time()
    while (used := time.process_time() - start) < seconds:
        if side.steps and side.steps % every == 0:  # a schedule's end, as the pace so far has it
            side.plan(max(side.steps + 1, round(side.steps * seconds / used)))
        side.step()
    return used


def spread(images: Tensor) -> float:
    """The mean distance of two pictures, root mean square over pixels, of 0 to 255."""
    half = len(images) // 2
    x = images.float()
    return float((x[:half] - x[half : 2 * half]).square().mean((1, 2, 3)).sqrt().mean())


def scored(samples: Tensor, dataset: Any, looks: Any) -> dict[str, float]:
    """The scores of samples, uint8 [N,C,H,W]."""

    def features(images: Tensor) -> Tensor:
        return looks(images).pool

    parts = [dataset.split(name).images for name in SPLITS]
    train, held, real = parts[0], torch.cat(parts[1:]), torch.cat(parts)
    shuffled = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    frechet = frechet_distance_of_features
    return {
        "frechet": frechet(features(samples), features(real)),
        "frechet_held_out": frechet(features(train), features(held)),
        "strides": stride_power(samples) / stride_power(real),
        "spread": spread(samples) / spread(shuffled),
    }


def compete(
    described: str, sides: Callable[[Any, int], Mapping[str, Callable[[], Any]]], out: str
) -> None:
    """Read the command, train and score every side, and print a line of JSON each.

    described: the program's own description. sides: (dataset, seed) -> what makes each, by name.
    out: the folder where none is given.
    """
    parser = argparse.ArgumentParser(description=described.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--size", default="64")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--only", help="sides, separated by commas (default: all)")
    parser.add_argument("--side", action="append", default=[], metavar="NAME=RECIPE:A=V,...")
    parser.add_argument("--extractor", help="default: the one for such data")
    parser.add_argument("--score", action="store_true", help="score saved samples, train nothing")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    dataset = data.load(given.data, DataOptions(size=given.size))
    given.out.mkdir(parents=True, exist_ok=True)
    looks = extractor(given.extractor or default_for(dataset.name, dataset.spec))
    for seed in range(given.seeds):
        makers = {**sides(dataset, seed)}
        for text in given.side:
            name, recipe, settings = side(text)
            makers[name] = partial(Ours, dataset, recipe, settings, seed)
        for name in given.only.split(",") if given.only else makers:
            place = given.out / f"{name}-{given.size}-{seed}"
            row: dict[str, Any] = {"side": name, "size": given.size, "seed": seed}
            if not given.score:
                one = makers[name]()
                row |= {"seconds": round(trained(one, given.seconds), 1), "steps": one.steps}
                samples = one.sample(SAMPLES)
                np.save(place.with_suffix(".npy"), samples.numpy())
                save_png(place.with_suffix(".png"), grid(samples[:64]))
            elif not place.with_suffix(".npy").exists():
                continue
            samples = torch.from_numpy(np.load(place.with_suffix(".npy")))
            result = scored(samples, dataset, looks)
            row |= {key: round(value, 4) for key, value in result.items()}
            row["extractor"] = looks.name
            print(json.dumps(row), flush=True)
