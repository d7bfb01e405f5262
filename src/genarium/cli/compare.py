"""`genarium compare RUN...`: one self-contained page."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.given import add_data
from genarium.cli.parser import positive, seed
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="run folders, trained on the same data"
    )
    parser.add_argument(
        "--out", metavar="FILE.html", default="comparison.html", help="default: comparison.html"
    )
    parser.add_argument(
        "-n",
        type=positive("-n", 2),
        default=1000,
        help="images drawn a model for the scores (default: 1000)",
    )
    add_data(parser, "the runs'")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the samples")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(found: Any) -> int:
    from genarium.api import _old as api
    from genarium.cli import show

    if not found.out.endswith((".html", ".htm")):
        raise UserError(f"--out {found.out}: name a file that ends in .html")
    comparison = api.compare(
        found.runs,
        out=found.out,
        n=found.n,
        seed=found.seed,
        data=found.place,
        accept_changes=found.accept_changes,
    )
    if found.json:
        show.as_json(comparison.to_dict())
    else:
        print(comparison.table())
        print(f"\nreport: {comparison.path}")
    return 0
