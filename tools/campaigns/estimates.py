"""How good is the estimate at the start of a training? Foretold against measured, recipe by recipe.

    python tools/campaigns/estimates.py [RECIPE ...] [--scale X] [--data DATA] [--out DIR] [--cpu]

Each recipe is trained for about a minute (times --scale) with sample grids and checkpoints as they
are by default, some with averaged weights or with `keep_best`, and what it said of its duration in
its first seconds is held against what it took, on the clock: all of `Trainer.fit`, pictures,
checkpoints and scores included. Prints a row a recipe; exit status 1 if one is off by more than a
quarter.

On a machine that others use too, what they do meanwhile is part of the error. --cpu measures in
this process's own seconds of the processor instead: with one thread (OMP_NUM_THREADS=1), that is
the clock of a machine that is free, but for what the disk takes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import genarium
from genarium.training import trainer
from genarium.training.trainer import Trainer

BOUND = 0.25
RECIPES: dict[str, dict[str, Any]] = {
    "vae": {"steps": 1500, "checkpoint_every": 250, "keep_best": True},
    "autoencoder": {"steps": 1200, "ema": 0.99},
    "dcgan": {"width": 16, "batch": 64, "steps": 800, "checkpoint_every": 200, "keep_best": True},
    "wgan-gp": {"width": 16, "steps": 120, "checkpoint_every": 50},
    "infogan": {"width": 16, "hidden": 256, "batch": 64, "steps": 700},
    "pixelcnn": {"levels": 4, "blocks": 4, "width": 16, "head": 16, "batch": 16, "steps": 900},
    "pix2pix": {"data": "shape-masks:n=300", "width": 16, "disc_width": 16, "steps": 900},
}


def measured(recipe: str, settings: dict[str, Any], data: str | None, out: Path) -> dict[str, Any]:
    """Train a recipe: seconds foretold, seconds taken, and what was said."""
    seconds: list[float] = []
    fit = Trainer.fit

    def timed(self: Trainer) -> None:
        begin = trainer.time.monotonic()
        fit(self)
        seconds.append(trainer.time.monotonic() - begin)

    settings = dict(settings)
    source = data if data and "data" not in settings else settings.pop("data", "digits")
    settings.pop("data", None)
    Trainer.fit = timed  # type: ignore[method-assign]
    try:
        run = genarium.train(recipe, source, out=out / recipe, device="cpu", **settings)
    finally:
        Trainer.fit = fit  # type: ignore[method-assign]
    rows = [row for row in run.history() if row.get("event") == "estimate"]
    return {"rows": rows, "seconds": seconds[0]}


def main() -> int:
    about, _, details = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, epilog=details, formatter_class=raw)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many steps")
    parser.add_argument("--data", help="a picture set for the recipes that need no pairs")
    parser.add_argument("--cpu", action="store_true", help="processor seconds, not the clock")
    parser.add_argument("--out", help="keep the runs here (default: they are removed)")
    asked = parser.parse_args()
    if asked.cpu:
        trainer.time = types.SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    off = 0
    print("recipe        foretold  at step   after  taken  error  (said later)", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in asked.recipes:
            settings = dict(RECIPES[recipe])
            settings["steps"] = max(20, round(settings["steps"] * asked.scale))
            found = measured(recipe, settings, asked.data, Path(asked.out or scratch))
            if not found["rows"]:
                print(f"{recipe:12}  nothing: {found['seconds']:.0f} s", flush=True)
                off += 1
                continue
            first, *later = found["rows"]
            error = first["seconds"] / found["seconds"] - 1
            off += abs(error) > BOUND
            after = first["step"] * first["step_seconds"]
            more = ", ".join(f"{row['seconds']:.0f} s at step {row['step']}" for row in later)
            print(
                f"{recipe:12} {first['seconds']:8.1f} s {first['step']:7} {after:6.1f} s "
                f"{found['seconds']:5.1f} {100 * error:+5.0f} %  {more}",
                flush=True,
            )
    print(
        f"{off} of {len(asked.recipes)} off by more than {BOUND:.0%}; load {os.getloadavg()[0]:.1f}"
    )
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
