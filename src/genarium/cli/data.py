"""`genarium data list|show|prepare`: what can be trained on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.cli.parser import add_settings, given
from genarium.errors import UserError
from genarium.runs import configuration as config

if TYPE_CHECKING:
    from genarium.data import Dataset


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the built-in data sets")
    listing.add_argument("--json", action="store_true", help="print as JSON")
    for name, text in (
        ("show", "what a data set holds: shape, splits, classes, what was left out"),
        ("prepare", "download and cache a data set, so that training starts at once"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:])
        action.add_argument("source", metavar="DATA", help="a built-in data set or a folder")
        action.add_argument("--json", action="store_true", help="print as JSON")
        if name == "show":
            action.add_argument(
                "--out",
                metavar="FILE.png",
                help="also draw some of the training images (points of the plane: a plot)",
            )
        from genarium.data import DataOptions

        settings = config.dataclass_fields("data", DataOptions)
        add_settings(action, "how the images are read", settings)
        action.set_defaults(settings=settings)


def run(found: Any) -> int:
    from genarium import data
    from genarium.cli import show

    if found.action == "list":
        rows = data.list_sources()
        if found.json:
            show.as_json([row._asdict() for row in rows])
            return 0
        for row in rows:
            print(f"{row.name:<14} {row.summary}")
            print(f"{'':<14} {row.licence}")
        return 0
    out = getattr(found, "out", None)
    if out and Path(out).suffix.lower() != ".png":
        raise UserError(f"--out {out}: the picture is a PNG file, end it in .png")
    values = {
        setting.name: config.check(setting, value)
        for setting in found.settings
        for value in given(found, [setting]).get("data", {}).values()
    }
    action = data.prepare if found.action == "prepare" else data.describe
    options = data.DataOptions(**values)
    facts = action(found.source, options, progress=True)
    if out:
        _draw(data.load(found.source, options), Path(out))
    if found.json:
        show.as_json(facts)
    else:
        show.facts(facts)
    return 0


def _draw(found: Dataset, out: Path) -> None:
    """A grid of training images, the same ones each time; points as a plot."""
    import torch

    from genarium.drawing.points import SHOWN
    from genarium.drawing.write import write_images

    images = found.train.images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    some = images[order[: SHOWN if found.spec.planar else 64]]
    write_images(some, out, mixture=found.info.get("mixture"))
