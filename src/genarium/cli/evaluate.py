"""`genarium evaluate RUN` and `genarium evaluate FOLDER --against FOLDER`: scores and intervals."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive, seed


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="a run folder; with --against also a folder or .npz of images"
    )
    parser.add_argument(
        "--against",
        metavar="IMAGES",
        help="reference: a folder or .npz of images, or a data set (default: the run's test split)",
    )
    parser.add_argument(
        "-n",
        type=positive("-n", 2),
        help="images drawn, and reference images taken (default: 1000; all of a folder)",
    )
    parser.add_argument(
        "--metrics",
        metavar="NAMES",
        help="all, or some: fid, kid, precision, recall, density, coverage, fid-infinity, fld ...",
    )
    parser.add_argument(
        "--train",
        metavar="IMAGES",
        help="with --against: training images, for fld (a run knows its own)",
    )
    parser.add_argument(
        "--size",
        metavar="N",
        help="with --against: bring images to NxN or HxW (default: as the run's data; else as is)",
    )
    parser.add_argument(
        "--fit",
        choices=("crop", "pad", "stretch"),
        help="how (default: as the run's data; else crop)",
    )
    add_data(parser)
    parser.add_argument("--seed", type=seed, default=0, help="seed of the samples")
    parser.add_argument(
        "--extractor",
        help="whose features FID uses: digits, fashion, pixels, inception, dinov2, or your own",
    )
    parser.add_argument(
        "--weights",
        metavar="PATH",
        help="weights of inception or dinov2: a file, or an address with #sha256=DIGEST",
    )
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(found: Any) -> int:
    from pathlib import Path

    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.data import DataOptions
    from genarium.errors import UserError

    settings = {
        "n": found.n,
        "seed": found.seed,
        "extractor": found.extractor,
        "weights": found.weights,
        "metrics": found.metrics,
    }
    if found.against is not None and (found.place or found.accept_changes):
        flag = f"--data {found.place}" if found.place else "--accept-changes"
        raise UserError(f"{flag}: with --against the run's own data are not read: leave it out")
    is_run = (Path(found.run) / "run.json").is_file()
    if found.against is None:
        for flag in ("train", "size", "fit"):
            if getattr(found, flag) is not None:
                raise UserError(f"--{flag} {getattr(found, flag)}: goes with --against only")
        if not is_run and Path(found.run).exists():
            raise UserError(
                f"{found.run} is no run folder: to score images, say --against REFERENCE"
            )
    about: dict[str, Any]
    if is_run or found.against is None:
        trained = open_run(found)
        about = {"run": str(trained.path), "recipe": trained.recipe.name}
        given: Any = trained
        title = f"{trained.name}: {trained.recipe.name} at step {trained.step}"
    else:
        if found.step is not None:
            raise UserError(f"--step {found.step}: {found.run} is no run folder")
        about, given, title = {"images": found.run}, found.run, found.run
    if found.against is not None:
        asked = {name: getattr(found, name) for name in ("size", "fit") if getattr(found, name)}
        options = None
        if asked:
            options = trained.data_options(**asked) if is_run else DataOptions(**asked)
        settings |= {"against": found.against, "train": found.train, "options": options}
        about["against"] = found.against
        title += f" against {found.against}"
    scores = api.evaluate(given, **settings)
    if found.json:
        show.as_json({**about, **scores.to_dict()})
    else:
        print(f"{title}\n")
        print(scores.table())
    return 0
