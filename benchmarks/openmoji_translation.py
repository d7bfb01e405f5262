"""Line art to colour on OpenMoji: pix2pix against L1 alone, or CycleGAN without pairs, in one run.

    python benchmarks/openmoji_translation.py pix2pix --minutes 60 --out runs/openmoji
    python benchmarks/openmoji_translation.py cyclegan --minutes 60 --out runs/openmoji-cycle
    python benchmarks/openmoji_translation.py pix2pix --quick --out /tmp/quick

Needs the extra `emoji`. The pictures of the test split share no base drawing with those of the
training split. pix2pix has three quarters of the minutes, L1 alone (the same U-Net) the rest; a run
that was stopped goes on exactly where it stood when the command is given again. Written are the
runs, a grid of test pictures (input | L1 alone | pix2pix | target, or both directions of a cycle
with the way back) and scores.json: L1, FID and KID (of shipped features), sharpness beside
that of the targets, cycle error; for CycleGAN also those of the untrained model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

import genarium
from genarium import recipes
from genarium.contract import to_uint8
from genarium.drawing.images import grid, save_png
from genarium.evaluation.evaluate import evaluate_model
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.scores.registry import choose
from genarium.report.translations import of_split, sheet
from genarium.runs.building import build
from genarium.runs.trained import Trained
from genarium.training import allocator

METRICS = "fid,kid,sharpness"
PIX2PIX = {"width": 48, "disc_width": 48, "patch": 34, "lr": 4e-4, "batch": 8, "ema": 0.995}
CYCLEGAN = {"width": 32, "disc_width": 48, "patch": 34, "blocks": 6, "batch": 2, "ema": 0.995}
QUICK = {"width": 4, "disc_width": 4}
SHOWN = 18


def trained(recipe: str, data: Any, out: Path, minutes: float, quick: bool, **more: Any) -> Trained:
    """A run of so many minutes, or the rest of one that was stopped."""
    if (out / "run.json").is_file():
        return genarium.resume(out, data=data, minutes=minutes, progress=True)
    settings = {
        **(PIX2PIX if recipe == "pix2pix" else CYCLEGAN),
        **(QUICK if quick else {}),
        **more,
    }
    return genarium.train(
        recipe,
        data,
        out=out,
        minutes=minutes,
        flip=True,
        progress=True,
        checkpoint_every=2 if quick else 200,
        **settings,
    )


def scores_of(model: Any, data: Any) -> dict[str, Any]:
    """Every score of a model on the test split, by name."""
    rows = evaluate_model(
        model,
        reference=data.test.images,
        second=data.test.domain("b"),
        paired=data.spec.paired,
        extractor=extractor("fashion-proxy"),
        metrics=choose(METRICS),
    ).rows
    return {
        row.name: {"value": row.value, "interval": row.interval, "reference": row.reference}
        for row in rows
    }


def shown(data: Any) -> torch.Tensor:
    """Rows of the test split at even steps, nothing chosen by hand."""
    return torch.linspace(0, len(data.test) - 1, SHOWN).round().long()


def pix2pix(data: Any, out: Path, minutes: float, quick: bool) -> dict[str, Any]:
    runs = {
        "pix2pix": trained("pix2pix", data, out / "pix2pix", 0.75 * minutes, quick),
        "l1": trained("pix2pix", data, out / "l1", 0.25 * minutes, quick, gan=0.0),
    }
    rows = shown(data)
    a, b = data.test.images[rows], data.test.domain("b")[rows]
    made = {name: to_uint8(run.translate(a)) for name, run in runs.items()}
    cells = torch.stack([a, made["l1"], made["pix2pix"], b], 1).flatten(0, 1)
    save_png(out / "grid.png", grid(cells, columns=12))
    result = {name: scores_of(run.model, data) for name, run in runs.items()}
    sharp = {name: rows["a2b sharpness"]["value"] for name, rows in result.items()}
    result["sharpness of pix2pix over that of L1 alone"] = sharp["pix2pix"] / sharp["l1"]
    return result


def cyclegan(data: Any, out: Path, minutes: float, quick: bool) -> dict[str, Any]:
    run = trained("cyclegan", data, out / "cyclegan", minutes, quick)
    save_png(out / "grid.png", sheet(of_split(run.model, data.test, shown(data))))
    arguments = run.config["arguments"]
    untrained = build(recipes.get("cyclegan"), data.spec, arguments, seed=0).eval()
    return {"cyclegan": scores_of(run.model, data), "untrained": scores_of(untrained, data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=("pix2pix", "cyclegan"))
    parser.add_argument("--minutes", type=float, default=60.0, help="of training (default: 60)")
    parser.add_argument("--size", type=int, default=64, help="pixels a side (default: 64)")
    parser.add_argument("--out", type=Path, required=True, help="folder of all that is written")
    parser.add_argument("--quick", action="store_true", help="seconds, to see that it runs")
    args = parser.parse_args()
    allocator.keep_memory()
    kind = "pairs" if args.recipe == "pix2pix" else "unpaired"
    size = 32 if args.quick else args.size
    data = genarium.data.load(f"openmoji:kind={kind}", genarium.data.DataOptions(size=str(size)))
    args.out.mkdir(parents=True, exist_ok=True)
    minutes = 0.1 if args.quick else args.minutes
    work = pix2pix if args.recipe == "pix2pix" else cyclegan
    scores = work(data, args.out, minutes, args.quick)
    text = json.dumps(scores, indent=1, ensure_ascii=False)
    (args.out / "scores.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
