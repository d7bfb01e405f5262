"""What `--shift` and the number of steps make of the samples of one flow-matching model.

    python benchmarks/shifted_steps.py RUN DATA [--size S] [--from DIR] [--shifts 1,1.7,2.5,3.5,5]
                                       [--plans dpm++2m:5,heun:10] [--images 2000]

RUN: a run folder, or a model of the package (zoo:flow-matching-mnist). Each solver and number of
steps is tried with each shift, from the same noise, and scored against the validation pictures of
DATA (all pictures where those are fewer than a thousand): Fréchet distance, precision, recall, and
the share recognised where the features are a classifier's. A line of JSON each. On validation
pictures, since it is there to choose a setting; `genarium evaluate RUN --shift S` tests it.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch

import genarium
from genarium import data
from genarium.contract import to_uint8
from genarium.data import DataOptions
from genarium.data.splits import SPLITS
from genarium.evaluation.extractors.by_name import default_for, extractor
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.evaluation.metrics.manifold import manifold
from genarium.evaluation.scores.measured import RECOGNISED

FEWEST, MOST = 1000, 4000
"""Real pictures that samples are held against."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--size")
    parser.add_argument("--from", dest="from_dir")
    parser.add_argument("--shifts", default="1,1.7,2.5,3.5,5")
    parser.add_argument("--plans", default="dpm++2m:5,dpm++2m:9,heun:5,heun:10")
    parser.add_argument("--images", type=int, default=2000)
    given = parser.parse_args()
    run = genarium.load(given.run)
    dataset = data.load(given.data, DataOptions(size=given.size, from_dir=given.from_dir))
    real = dataset.split("validation").images[:MOST]
    if len(real) < FEWEST:
        real = torch.cat([dataset.split(name).images for name in SPLITS])
    looks = extractor(default_for(dataset.name, dataset.spec))
    of_real = looks(real).pool
    for plan in given.plans.split(","):
        solver, steps = plan.split(":")
        for shift in map(float, given.shifts.split(",")):
            settings: dict[str, Any] = {"solver": solver, "steps": int(steps), "shift": shift}
            seen = looks(to_uint8(run.sample(given.images, seed=0, settings=settings)))
            overlap = manifold(of_real, seen.pool)
            row = {
                **settings,
                "frechet": frechet_distance_of_features(seen.pool, of_real),
                "precision": float(overlap.precise.double().mean()),
                "recall": float(overlap.recalled.double().mean()),
            }
            if looks.classes:
                sure = seen.logits.softmax(1).amax(1) >= RECOGNISED
                row["recognised"] = float(sure.double().mean())
            print(json.dumps({k: v if k in settings else round(v, 4) for k, v in row.items()}))


if __name__ == "__main__":
    main()
