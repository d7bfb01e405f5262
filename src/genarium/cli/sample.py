"""`genarium sample RUN`: new images as a grid, as single files, or as an array."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from genarium.cli.parser import positive, seed
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder; the data are not needed")
    parser.add_argument("-n", type=positive("-n"), help="how many (default: 64; of each --text 8)")
    parser.add_argument("--seed", type=seed, default=0, help="same seed, same images")
    parser.add_argument("--class", dest="condition", help="draw this class (name or number)")
    parser.add_argument(
        "--code",
        help="draw this learned code: 3,0.5,* is category 3, number 0.5, the rest left to chance",
    )
    parser.add_argument(
        "--text",
        action="append",
        metavar="CAPTION",
        help="draw what this says, -n images of it; once or several times, a row each",
    )
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="FILE.png: one grid (points of the plane: a plot); FILE.npz: uint8 [N,H,W,C]; "
        "a folder: single PNG files (default: RUN/samples.png)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the pictures that an earlier call wrote into the folder --out",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(found: Any) -> int:
    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.drawing import folder

    trained = api.load(found.run, found.step)
    out = Path(found.out) if found.out else trained.path / "samples.png"
    folder.check(out, found.overwrite)
    asked = {"--class": found.condition, "--code": found.code, "--text": found.text}
    given = [flag for flag, value in asked.items() if value is not None]
    if len(given) > 1:
        count = "two" if len(given) == 2 else "three"
        raise UserError(f"{' and '.join(given)}: give one of the {count}")
    n = found.n or (8 if found.text else 64)
    condition = found.condition if found.code is None else trained.code(found.code, n)
    images = trained.sample(n, found.seed, condition, text=found.text)
    columns = n if found.text else None
    api.write_images(images, out, columns, mixture=trained.mixture, overwrite=found.overwrite)
    if found.json:
        facts = {"n": len(images), "seed": found.seed, "text": found.text, "out": str(out)}
        show.as_json({"run": str(trained.path), **facts})
    else:
        print(f"{len(images)} samples of {trained.name} (seed {found.seed}): {out}")
        for number, caption in enumerate(found.text or ()):
            print(f"row {number + 1}: {caption}")
    return 0
