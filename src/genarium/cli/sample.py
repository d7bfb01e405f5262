"""`genarium sample RUN`: new images as a grid, as single files, or as an array."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from genarium.cli.parser import positive
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder; the data are not needed")
    parser.add_argument("-n", type=positive("-n"), default=64, help="how many (default: 64)")
    parser.add_argument(
        "--seed", type=positive("--seed", 0), default=0, help="same seed, same images"
    )
    parser.add_argument("--class", dest="condition", help="draw this class (name or number)")
    parser.add_argument(
        "--code",
        help="draw this learned code: 3,0.5,* is category 3, number 0.5, the rest left to chance",
    )
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="FILE.png: one grid (points of the plane: a plot); FILE.npz: uint8 [N,H,W,C]; "
        "a folder: single PNG files (default: RUN/samples.png)",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(found: Any) -> int:
    from genarium import api
    from genarium.cli import show

    trained = api.load(found.run, found.step)
    if found.code is not None and found.condition is not None:
        raise UserError("--class and --code: give one of the two")
    condition = found.condition if found.code is None else trained.code(found.code, found.n)
    images = trained.sample(found.n, found.seed, condition)
    out = Path(found.out) if found.out else trained.path / "samples.png"
    api.write_images(images, out, mixture=trained.mixture)
    if found.json:
        show.as_json({"run": str(trained.path), "n": found.n, "seed": found.seed, "out": str(out)})
    else:
        print(f"{found.n} samples of {trained.name} (seed {found.seed}): {out}")
    return 0
