"""Sample quality against training time: every family of the package on the same data and clock.

    python benchmarks/families_over_time.py DATA --out DIR [--minutes 1,3,10,30,60] [--only NAMES]
                                            [--side NAME=RECIPE:ARGUMENT=VALUE,...]
                                            [--images 2000] [--size S] [--channels C] [--table]

The families compete with the settings in `FAMILIES`, a constant learning rate and averaged weights,
so that the first minutes of a long training are those of a short one. `--side` adds one with other
arguments, which may be training options; it samples as its recipe's family does. Time is the
process's own processor time divided by its threads: that of the clock on an idle machine, and no
less fair on one that others use too. At each of the minutes the run is scored by
`genarium.evaluate` with its sampler's settings: Fréchet distance, precision, recall, recognised
where the features are a classifier's, and how long an image takes to draw.

Every family is an ordinary run in DIR, and each score a line of DIR/scores.jsonl: the command,
given again, goes on where it was stopped, also to later minutes. Sample grids are
DIR/NAME-MINUTES.png. `--table` prints the table of what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from _sides import side

import genarium
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.training import allocator

MINUTES = (1.0, 3.0, 10.0, 30.0, 60.0)
TRIAL = 10  # steps, before the pace is known
SCORES = ("fid", "kid", "precision", "recall", "recognised")


@dataclass(frozen=True)
class Family:
    """A recipe with its arguments and training options; sampler: settings of its sampler."""

    recipe: str
    settings: dict[str, Any] = field(default_factory=dict)
    sampler: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "vae": Family("vae", {"ema": 0.999}),
    "dcgan": Family("dcgan"),
    "pixelcnn": Family("pixelcnn", {"levels": 16, "ema": 0.999}),
    "flow-matching": Family("flow-matching", {"patch": 2, "width": 32, "batch": 128, "lr": 1e-3}),
    "mean-flow": Family("mean-flow", {"patch": 2, "width": 32}),
    "spline-flow": Family("spline-flow"),
}


def clock() -> float:
    """Seconds of one core that this process has used, over its threads."""
    return time.process_time() / torch.get_num_threads()


def trained(family: Family, place: Path, data: Any, minutes: float) -> Any:
    """The run at `minutes` of training, and the minutes that it really had."""
    file = place / "clock.json"
    used = json.loads(file.read_text()) if file.exists() else {"seconds": 0.0, "steps": 0}
    while used["seconds"] < 60 * minutes * 0.97:
        pace = used["seconds"] / used["steps"] if used["steps"] else None
        left = 60 * minutes - used["seconds"]
        # the first steps are slow ones, so the pace is asked again on the way
        more = TRIAL if pace is None else max(1, round(min(left, 10 * used["seconds"]) / pace))
        steps, start = used["steps"] + more, clock()
        if used["steps"]:
            genarium.resume(place, data=data, steps=steps, progress=False)
        else:
            genarium.train(
                family.recipe,
                data,
                out=place,
                steps=steps,
                device="cpu",
                threads=torch.get_num_threads(),
                schedule="constant",
                keep=1,
                checkpoint_every=10**9,
                sample_every=10**9,
                progress=False,
                **family.settings,
            )
        used = {"seconds": used["seconds"] + clock() - start, "steps": steps}
        file.write_text(json.dumps(used))
    return used


def scored(family: Family, place: Path, images: int, picture: Path) -> dict[str, Any]:
    run = genarium.load(place)
    start = clock()
    genarium.sample(run, n=64, seed=0, **family.sampler).save(picture)
    seconds = (clock() - start) / 64
    result = genarium.evaluate(run, n=images, progress=False, **family.sampler).to_dict()
    return {"seconds_an_image": seconds, "scores": result}


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each family and minute, a column for each score."""
    lines = ["| family | minutes | steps | " + " | ".join(SCORES) + " | ms an image |"]
    lines.append("|---" * (len(SCORES) + 4) + "|")
    for row in rows:
        known = {each["name"].split(" (")[0].lower(): each for each in row["scores"]["rows"]}
        values = [known[k]["value"] if k in known else None for k in SCORES]
        shown = " | ".join("–" if v is None else f"{v:.3g}" for v in values)
        lines.append(
            f"| {row['family']} | {row['minutes']:.3g} | {row['steps']:,} | {shown} | "
            f"{1000 * row['seconds_an_image']:.3g} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", default=",".join(f"{m:g}" for m in MINUTES))
    parser.add_argument("--only", help="families and sides, separated by commas (default: all)")
    parser.add_argument("--side", action="append", default=[], metavar="NAME=RECIPE:A=V,...")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size")
    parser.add_argument("--channels", type=int)
    parser.add_argument("--from", dest="from_dir")
    parser.add_argument("--table", action="store_true", help="print what is there, train nothing")
    given = parser.parse_args()
    file = given.out / "scores.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if given.table:
        print(table(rows))
        return
    families = dict(FAMILIES)
    for text in given.side:
        name, recipe, settings = side(text)
        families[name] = Family(recipe, settings, FAMILIES.get(recipe, Family(recipe)).sampler)
    allocator.keep_memory()
    options = DataOptions(size=given.size, channels=given.channels, from_dir=given.from_dir)
    data = load_data(given.data, options)
    given.out.mkdir(parents=True, exist_ok=True)
    for minutes in map(float, given.minutes.split(",")):  # every family, before the next minute
        for name in given.only.split(",") if given.only else families:
            if any(row["family"] == name and row["asked"] == minutes for row in rows):
                continue
            family, place = families[name], given.out / name
            used = trained(family, place, data, minutes)
            row = {
                "family": name,
                "asked": minutes,
                "minutes": used["seconds"] / 60,
                "steps": used["steps"],
                "threads": torch.get_num_threads(),
                **scored(family, place, given.images, given.out / f"{name}-{minutes:g}.png"),
            }
            rows.append(row)
            with file.open("a") as out:
                out.write(json.dumps(row) + "\n")
            print(table([row]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
