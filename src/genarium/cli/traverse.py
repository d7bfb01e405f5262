"""`genarium traverse RUN`: codes moved along a dimension, or from one group towards another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from genarium.cli.parser import positive, real
from genarium.errors import UserError
from genarium.runs.groups import add_flags

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.groups import Groups
    from genarium.runs.trained import Trained

ROWS = 6
NAME = "traverse.png"


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model decodes")
    parser.add_argument(
        "--dimension",
        metavar="D",
        help="this number of the code, a row for each code of --from; "
        "all: each in turn, of one code (default)",
    )
    parser.add_argument(
        "--toward",
        nargs=2,
        metavar=("A", "B"),
        help="instead: along the difference between the means of two groups (a turn vector)",
    )
    parser.add_argument(
        "--classes",
        nargs="?",
        const="class",
        metavar="ATTRIBUTE",
        help="instead: every class in turn while the code stays, for a conditional model (or every "
        "value of the attribute it is told)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="GROUP",
        help="the codes to move (default: the first samples, or test images)",
    )
    parser.add_argument(
        "--range",
        nargs=2,
        type=real("--range"),
        metavar=("LOW", "HIGH"),
        help="values of the dimension (default: -3 3; without a prior in standard deviations about "
        "the mean of test codes), or multiples of the difference (default: -1 1)",
    )
    parser.add_argument(
        "--steps", type=positive("--steps", 2), default=9, help="images a row (default: 9)"
    )
    add_flags(parser, NAME)


def run(found: Any) -> int:
    import torch

    from genarium.cli import show
    from genarium.drawing.images import as_uint8, grid
    from genarium.runs import groups

    trained = groups.open_run(found)
    if found.toward and found.dimension:
        raise UserError("--dimension and --toward exclude each other: give one of them")
    if found.classes:
        if found.toward or found.dimension or found.range:
            raise UserError("--classes goes by itself: leave out --dimension, --toward, --range")
        return _classes(trained, found)
    low, high = found.range or ((-1.0, 1.0) if found.toward else (-3.0, 3.0))
    values = torch.linspace(low, high, found.steps)
    named = groups.Groups(trained, found)
    codes, what, rows = _walk(named, found, values)
    images = as_uint8(trained.decode(codes.flatten(0, 1)))
    out = groups.picture(found, trained, grid(images, columns=found.steps, pad=1), NAME)
    # How far a row's images are from their mean, pixels on [0, 1].
    pixels = images.unflatten(0, codes.shape[:2]).float() / 255
    effect = dict(zip(rows, pixels.var(1, correction=0).flatten(1).mean(1).tolist()))
    if found.json:
        facts = {"run": str(trained.path), "along": what, "range": [low, high]}
        show.as_json({**facts, "steps": found.steps, "variance": effect, "out": str(out)})
    else:
        print(f"{len(codes)} rows along {what}, {low:g} to {high:g}: {out}")
        if what == "every dimension":
            most = sorted(effect, key=lambda row: -effect[row])[:5]
            print(f"dimensions that change the image most: {', '.join(most)}")
    return 0


def _walk(named: Groups, found: Any, values: Tensor) -> tuple[Tensor, str, list[str]]:
    """Codes [R,S,D], what they run along, and the name of each row."""
    import torch

    from genarium.latent import traverse, turn_vector

    one = not found.toward and found.dimension in (None, "all")
    count = 1 if one else min(ROWS, found.n) if named.samples else ROWS
    start = named("--from", found.start or named.first(0, count))
    if found.toward:
        a, b = (named("--toward", text) for text in found.toward)
        walk = traverse(start.rows, turn_vector(a.codes, b.codes), values)
        return walk, f"{found.toward[0]} to {found.toward[1]}", _names(walk)
    size = start.codes.shape[1]
    middle, unit = named.scale(size)
    if one:
        # a category is no number: its columns are not walked
        some = getattr(named.trained.model, "numbers", range(size))
        each = [traverse(start.rows[:1], d, middle[d] + unit[d] * values) for d in some]
        return torch.cat(each), "every dimension", [str(d) for d in some]
    if not found.dimension.isdecimal() or int(found.dimension) >= size:
        raise UserError(f"--dimension {found.dimension}: say 0 to {size - 1}, or all")
    d = int(found.dimension)
    walk = traverse(start.rows, d, middle[d] + unit[d] * values)
    return walk, f"dimension {d}", _names(walk)


def _classes(trained: Trained, found: Any) -> int:
    """A row a code, a column a class: what the code says beside the class."""
    import torch

    from genarium.cli import show
    from genarium.drawing.images import as_uint8, grid
    from genarium.runs import groups

    names = trained.spec.classes if trained.model.conditional else ()
    ask = "{}"
    if trained.model.told:
        values = {column.name: column.values for column in trained.spec.attributes}
        names, ask = values.get(found.classes, ()), f"{found.classes}:{{}}"
        if not names:
            some = ", ".join(name for name, named in values.items() if named)
            raise UserError(f"--classes {found.classes}: choose {some or 'no run but another'}")
    named = groups.Groups(trained, found)
    count = min(ROWS, found.n) if named.samples else ROWS
    start = named("--from", found.start or named.first(0, count)).rows
    if not names:
        raise UserError(f"--classes: {trained.path} is not conditional: leave --classes away")
    codes = torch.stack([trained.relabelled(start, ask.format(name)) for name in names], 1)
    images = as_uint8(trained.decode(codes.flatten(0, 1)))
    out = groups.picture(found, trained, grid(images, columns=len(names), pad=1), NAME)
    if found.json:
        facts = {"run": str(trained.path), "along": found.classes, "values": list(names)}
        show.as_json({**facts, "rows": len(codes), "out": str(out)})
    else:
        print(f"{len(codes)} codes as {', '.join(names)}: {out}")
    return 0


def _names(walk: Tensor) -> list[str]:
    return [f"row {number}" for number in range(len(walk))]
