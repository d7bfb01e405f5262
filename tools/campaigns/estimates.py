"""How good is the estimate at the start of a training? Foretold against measured, recipe by recipe.

    python tools/campaigns/estimates.py [RECIPE ...] [--scale X] [--data DATA] [--out DIR] [--cpu]

Each recipe is trained for about a minute (times --scale) with sample grids and checkpoints as they
are by default, some with averaged weights or with `keep_best`, and what it said of its duration in
its first seconds is held against what it took: all of `Trainer.fit`, pictures, checkpoints and
scores included. Prints a row a recipe; exit status 1 if one is off by more than a quarter.

On a machine that others use too, what they do meanwhile is an error that no estimate can foresee.
So an untrained copy of the model plays a step now and then, which is timed by itself: "machine" is
how much longer that took over the whole run than before the estimate, "corrected" the error without
it, and the one that counts. --cpu measures in this process's own processor seconds instead of the
clock.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import genarium
from genarium.training import trainer as training
from genarium.training.intervals import Intervals
from genarium.training.trainer import Trainer

BOUND = 0.25
EVERY = 0.3  # seconds between two steps of the copy
RECIPES: dict[str, dict[str, Any]] = {
    "vae": {"steps": 2200, "checkpoint_every": 250, "keep_best": True},
    "autoencoder": {"steps": 1600, "ema": 0.99},
    "dcgan": {"width": 16, "batch": 64, "steps": 1000, "checkpoint_every": 200, "keep_best": True},
    "wgan-gp": {"width": 16, "steps": 240, "checkpoint_every": 50},
    "infogan": {"width": 16, "hidden": 256, "batch": 64, "steps": 1600},
    "pixelcnn": {"levels": 4, "blocks": 4, "width": 16, "head": 16, "batch": 16, "steps": 1600},
    "pix2pix": {"data": "shape-masks:n=300", "width": 16, "disc_width": 16, "steps": 1600},
}


class Yardstick:
    """A copy of what is trained, which plays a step now and then; its time is no one's."""

    def __init__(self, trained: Trainer):
        options = replace(trained.options, keep_best=False, patience=0)
        model = copy.deepcopy(trained.model).train()
        self.copy = Trainer(model, trained.data, options, engine=trained.engine)
        for _ in range(3):
            self.copy.one_step()
        self.found: list[tuple[int, float]] = []  # (step, seconds)
        self.seconds = 0.0
        self.last = training.time.monotonic()

    def look(self, step: int) -> None:
        """Play a step, if it is time; step: of what is trained."""
        now = training.time.monotonic()
        if now - self.last < EVERY:
            return
        self.copy.one_step()
        self.last = training.time.monotonic()
        self.found.append((step, self.last - now))
        self.seconds += self.last - now

    def ratio(self, step: int) -> float:
        """How much longer a step took over the whole run than up to `step`."""
        before = [seconds for at, seconds in self.found if at <= step]
        every = [seconds for _, seconds in self.found]
        return (sum(every) / len(every)) / (sum(before) / len(before)) if before else 1.0


def measured(recipe: str, settings: dict[str, Any], data: str | None, out: Path) -> dict[str, Any]:
    """Train a recipe: what it foretold, the seconds it took, and the yardstick."""
    seconds: list[float] = []
    yardsticks: list[Yardstick] = []
    fit, after_step = Trainer.fit, Intervals.after_step

    def timed(self: Trainer) -> None:
        yardsticks.append(Yardstick(self))
        begin = training.time.monotonic()
        fit(self)
        seconds.append(training.time.monotonic() - begin - yardsticks[0].seconds)

    def looking(self: Intervals) -> None:
        after_step(self)
        self.pace.elapsed += self.trainer.lap()
        yardsticks[0].look(self.trainer.step)
        self.trainer.lap()

    settings = dict(settings)
    source = settings.pop("data", data or "digits")
    Trainer.fit, Intervals.after_step = timed, looking  # type: ignore[method-assign]
    try:
        run = genarium.train(recipe, source, out=out / recipe, device="cpu", **settings)
    finally:
        Trainer.fit, Intervals.after_step = fit, after_step  # type: ignore[method-assign]
    rows = [row for row in run.history() if row.get("event") == "estimate"]
    return {"rows": rows, "seconds": seconds[0], "yardstick": yardsticks[0]}


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
        training.time = types.SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
    off = 0
    print("recipe       foretold (step)   taken  error  machine  corrected  said later", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in asked.recipes:
            settings = dict(RECIPES[recipe])
            settings["steps"] = max(20, round(settings["steps"] * asked.scale))
            result = measured(recipe, settings, asked.data, Path(asked.out or scratch))
            if not result["rows"]:
                print(f"{recipe:12} said nothing of its {result['seconds']:.0f} s", flush=True)
                off += 1
                continue
            first, *later = result["rows"]
            error = first["seconds"] / result["seconds"] - 1
            ratio = result["yardstick"].ratio(first["step"])
            # of the time before the estimate the machine was as it was
            before = min(result["seconds"], first["step"] * first["step_seconds"])
            rest = (result["seconds"] - before) / ratio
            corrected = first["seconds"] / (before + rest) - 1
            off += abs(corrected) > BOUND
            more = ", ".join(f"{row['seconds']:.0f} s at step {row['step']}" for row in later)
            print(
                f"{recipe:12} {first['seconds']:6.1f} s ({first['step']:4}) "
                f"{result['seconds']:6.1f} s"
                f" {100 * error:+4.0f} %  x {ratio:.2f}  {100 * corrected:+7.0f} %  {more}",
                flush=True,
            )
    load = os.getloadavg()[0]
    print(f"{off} of {len(asked.recipes)} off by more than {BOUND:.0%}; load {load:.1f}")
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
