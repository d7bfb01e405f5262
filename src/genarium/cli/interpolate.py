"""`genarium interpolate RUN`: walks between codes, a row each."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli.parser import positive
from genarium.runs.groups import add_flags

ROWS = 6
NAME = "interpolate.png"


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model decodes")
    parser.add_argument("--from", dest="start", metavar="GROUP", help="where the walks begin")
    parser.add_argument(
        "--to",
        dest="end",
        metavar="GROUP",
        help=f"where they end, as many or one (default: {ROWS} walks between samples)",
    )
    parser.add_argument(
        "--steps",
        type=positive("--steps", 2),
        default=10,
        help="images a walk, ends included (default: 10)",
    )
    parser.add_argument(
        "--linear",
        action="store_true",
        help="straight lines (default: spherical where the codes have a prior)",
    )
    add_flags(parser, NAME)


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.drawing.images import as_uint8
    from genarium.errors import UserError
    from genarium.latent import interpolate
    from genarium.report.pictures import walks
    from genarium.report.records import Interpolations
    from genarium.runs import groups

    trained = groups.open_run(found)
    if (found.start is None) != (found.end is None):
        given, missing = ("--from", "--to") if found.end is None else ("--to", "--from")
        raise UserError(f"{given} {found.start or found.end}: give {missing} as well")
    named = groups.Groups(trained, found)
    if found.start is None:
        if found.n < 2:
            raise UserError(f"-n {found.n}: a walk needs two samples")
        rows = min(ROWS, found.n // 2)
        found.start, found.end = named.first(0, rows), named.first(rows, rows)
    start, end = named("--from", found.start), named("--to", found.end)
    a, b = start.rows, end.rows
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise UserError(
            f"--from {found.start} has {len(a)} codes, --to {found.end} has {len(b)}: "
            "name as many, or one"
        )
    rows = max(len(a), len(b))
    kind = "spherical" if named.samples and not found.linear else "linear"
    codes = interpolate(
        a.expand(rows, -1),
        b.expand(rows, -1),
        found.steps,
        "linear" if kind == "linear" else "spherical",
        noise=trained.noise,
    )
    images = as_uint8(trained.decode(codes.flatten(0, 1))).unflatten(0, (rows, found.steps))
    ends = None
    if not (start.average or end.average or start.originals is None or end.originals is None):
        import torch

        both = (x.expand(rows, -1, -1, -1) for x in (start.originals, end.originals))
        ends = torch.stack([*both], 1)
    out = groups.picture(found, trained, walks(Interpolations(images, kind, ends)), NAME)
    if found.json:
        facts = {"run": str(trained.path), "from": found.start, "to": found.end, "kind": kind}
        show.as_json({**facts, "rows": rows, "steps": found.steps, "out": str(out)})
    else:
        print(f"{rows} {kind} walks of {found.steps} steps, {found.start} to {found.end}: {out}")
    return 0
