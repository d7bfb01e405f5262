"""`genarium manifold RUN`: what two numbers of the code do together, as one square picture."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.parser import positive
from genarium.errors import UserError
from genarium.runs.groups import add_flags

NAME = "manifold.png"


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model decodes")
    parser.add_argument(
        "--dimensions",
        nargs=2,
        type=positive("--dimensions", 0),
        metavar=("ACROSS", "UP"),
        help="two numbers of the code (default: 0 1)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="GROUP",
        help="the code whose other numbers stay (default: the first sample, or test image)",
    )
    parser.add_argument(
        "--side", type=positive("--side", 2), default=20, help="images a side (default: 20)"
    )
    add_flags(parser, NAME)


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.drawing.images import as_uint8, grid
    from genarium.latent import quantiles
    from genarium.runs import groups

    trained = groups.open_run(found)
    named = groups.Groups(trained, found)
    start = named("--from", found.start or named.first(0, 1)).rows[:1]
    size = start.shape[1]
    across, up = found.dimensions or (0, 1)
    if size < 2 or max(across, up) >= size or across == up:
        raise UserError(
            f"--dimensions {across} {up}: name two different numbers of a code of {size} (0 to "
            f"{size - 1})"
        )
    middle, unit = named.scale(size)
    z = quantiles(found.side)
    codes = start.repeat(found.side**2, 1)
    # the first row is the top: large values of the second number
    codes[:, across] = middle[across] + unit[across] * z.repeat(found.side)
    codes[:, up] = middle[up] + unit[up] * z.flip(0).repeat_interleave(found.side)
    images = as_uint8(trained.decode(codes))
    out = groups.picture(found, trained, grid(images, columns=found.side, pad=0), NAME)
    if found.json:
        facts = {"run": str(trained.path), "dimensions": [across, up], "side": found.side}
        show.as_json({**facts, "values": z.tolist(), "out": str(out)})
    else:
        print(
            f"{found.side}x{found.side} codes over numbers {across} (across) and {up} (up): {out}"
        )
    return 0
