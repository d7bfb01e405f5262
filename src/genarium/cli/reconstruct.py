"""`genarium reconstruct RUN [IMAGES...]`: images beside what the model's code keeps of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="image files, folders of them, test, test:NUMBERS or a data set (default: test)",
    )
    parser.add_argument("-n", type=positive("-n"), default=32, help="how many (default: 32)")
    add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="FILE.png",
        help="original | reconstruction (default: RUN/reconstructions.png)",
    )
    parser.add_argument("--json", action="store_true", help="print the errors as JSON")


def run(found: Any) -> int:
    import torch

    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.contract import from_uint8
    from genarium.runs.selection import all_given

    if found.out and Path(found.out).suffix.lower() not in (".png", ".npz"):
        raise UserError(f"--out {found.out}: the picture is a PNG file, end it in .png")
    trained = open_run(found)
    trained.can("reconstruct")
    images = all_given(trained, found.images, "test").images[: found.n]
    again = trained.reconstruct(images)
    originals = from_uint8(images)
    error = ((again - originals) / 2).square().mean().item()
    out = Path(found.out) if found.out else trained.path / "reconstructions.png"
    # points of the plane make one plot, those made over the originals
    both = again if trained.spec.planar else torch.stack([originals, again], 1).flatten(0, 1)
    api.write_images(both, out, columns=8, real=originals, mixture=trained.mixture)
    if found.json:
        show.as_json({"run": str(trained.path), "n": len(images), "mse": error, "out": str(out)})
    else:
        print(f"{len(images)} reconstructions, mean squared error {error:.5f} a pixel: {out}")
    return 0
