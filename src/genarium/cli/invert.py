"""`genarium invert RUN IMAGES...`: the codes whose images are nearest to given ones."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.parser import positive, real, seed
from genarium.runs.groups import EPILOG, add_place

NAME = "invert.png"


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="a run folder whose model decodes")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="image files, folders of them, or test:NUMBERS (default: test:0-15)",
    )
    parser.add_argument(
        "--steps", type=positive("--steps"), default=200, help="of Adam (default: 200)"
    )
    parser.add_argument(
        "--restarts",
        type=positive("--restarts"),
        default=4,
        help="starts an image, the best is kept (default: 4)",
    )
    parser.add_argument(
        "--lr", type=real("--lr", above=0), default=0.2, help="Adam's first step (default: 0.2)"
    )
    parser.add_argument(
        "--prior-weight",
        type=real("--prior-weight", least=0),
        default=1e-3,
        help="of |z|²/D beside the squared error (default: 0.001)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the draws to start from")
    add_place(parser, NAME)


def run(found: Any) -> int:
    from pathlib import Path

    import numpy as np
    import torch

    from genarium.cli import show
    from genarium.contract import from_uint8
    from genarium.drawing.images import grid
    from genarium.errors import UserError
    from genarium.runs import groups

    trained = groups.open_run(found)
    named = groups.Groups(trained, found)
    images = torch.cat([named.images(text, text) for text in found.images or ["test:0-15"]])
    result = trained.invert(
        images,
        steps=found.steps,
        restarts=found.restarts,
        lr=found.lr,
        prior_weight=found.prior_weight,
        seed=found.seed,
    )
    again = trained.decode(result.codes)
    pairs = torch.stack([from_uint8(images), again], 1).flatten(0, 1)
    columns = min(8, 2 * len(images))
    out = groups.picture(found, trained, grid(pairs, columns=columns), NAME)
    codes = Path(out).with_suffix(".npz")
    try:
        np.savez_compressed(codes, codes=result.codes.numpy(), mse=result.mse.numpy())
    except OSError as error:
        raise UserError(f"cannot write {codes} ({error.strerror}): choose another --out") from None
    mean = result.mse.mean().item()
    if found.json:
        facts = {"run": str(trained.path), "n": len(images), "mse": mean}
        show.as_json({**facts, "each": result.mse.tolist(), "out": str(out), "codes": str(codes)})
    else:
        print(f"{len(images)} inversions, mean squared error {mean:.5f} a pixel: {out}")
        print(f"their codes: {codes}")
    return 0
