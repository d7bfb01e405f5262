"""`genarium evaluate RUN`: the scores, each with what it was measured against."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.parser import positive


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "-n",
        type=positive("-n", 2),
        default=1000,
        help="images drawn, and test images taken (default: 1000)",
    )
    parser.add_argument("--seed", type=positive("--seed", 0), default=0, help="seed of the samples")
    parser.add_argument("--extractor", help="whose features FID uses: digits, fashion, pixels ...")
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(found: Any) -> int:
    from genarium import api
    from genarium.cli import show

    trained = api.load(found.run, found.step)
    scores = api.evaluate(trained, n=found.n, seed=found.seed, extractor=found.extractor)
    if found.json:
        show.as_json({"run": str(trained.path), "recipe": trained.recipe.name, **scores.to_dict()})
    else:
        print(f"{trained.name}: {trained.recipe.name} at step {trained.step}\n")
        print(scores.table())
    return 0
