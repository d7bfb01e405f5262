"""Likelihood as an anomaly score: MNIST against Fashion-MNIST, in both directions.

    python benchmarks/anomaly_auroc.py --from ../shared/data --minutes 5

Trains a PixelCNN on either set for `--minutes` of processor time a core (see
`likelihood_curves.py`: the same clock, the same exact resuming), scores test images of both with
both, and prints the AUROC: the chance that an image of the model's own kind is likelier than one of
the other. A model of clothes is known to rate digits, which are simpler, as likelier than clothes.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch
from likelihood_curves import Net, train

import genarium
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.evaluation.metrics.likelihood import auroc, bits_per_dim
from genarium.training import allocator

SETS = ("mnist", "fashion-mnist")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--from", dest="from_dir", type=Path, help="folder of mnist, fashion-mnist")
    parser.add_argument("--sets", nargs=2, default=SETS, help="two other data sets (no download)")
    parser.add_argument("--minutes", type=float, default=5.0, help="each model's")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--levels", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--images", type=int, default=2000, help="test images of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    o = parser.parse_args()
    o.points = 1
    torch.set_num_threads(o.threads)
    allocator.keep_memory()
    o.out.mkdir(parents=True, exist_ok=True)
    data = {}
    for name in o.sets:
        where = None if o.from_dir is None else str(o.from_dir / name)
        data[name] = load_data(name, DataOptions(size="28", channels=1, from_dir=where))
    sizes = {"levels": o.levels, "blocks": o.blocks, "width": o.width, "head": 2 * o.width}
    result: dict[str, Any] = {"minutes": o.minutes, "threads": o.threads, "images": o.images}
    for own in o.sets:
        folder = o.out / f"anomaly-{own}"
        train(own, Net("pixelcnn", {**sizes, "lr": 5e-3}), data[own], folder, o)
        run = genarium.load(folder)
        scores = {name: run.score(split.test.images[: o.images]) for name, split in data.items()}
        (other,) = (name for name in o.sets if name != own)
        dims = run.spec.dims
        result[own] = {
            "auroc": auroc(scores[own], scores[other]),
            "bits_per_dim": {n: bits_per_dim(-s.mean().item(), dims) for n, s in scores.items()},
        }
        mean = result[own]["bits_per_dim"]
        print(
            f"trained on {own}: AUROC {result[own]['auroc']:.4f} against {other}; "
            f"bits/dim {mean[own]:.3f} of {own}, {mean[other]:.3f} of {other}",
            flush=True,
        )
    path = o.out / "anomaly_auroc.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
