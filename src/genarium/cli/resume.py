"""`genarium resume RUN`: go on exactly where a run stopped."""

from __future__ import annotations

import argparse
from typing import Any

from genarium import config
from genarium.cli.parser import add_settings, given

CHANGEABLE = (
    "steps",
    "epochs",
    "minutes",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "tensorboard",
    "device",
)


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "--data",
        dest="place",
        metavar="PLACE",
        help="where the run's own data are now, if they were moved; known by their content",
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on although the data or the number of processes changed",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    settings = [f for f in config.common_fields() if f.name in CHANGEABLE]
    add_settings(parser, "training settings that may change", settings)
    parser.set_defaults(settings=settings)


def run(found: Any) -> int:
    from genarium import api
    from genarium.cli import show

    trained = api.resume(
        found.run,
        data=found.place,
        accept_changes=found.accept_changes,
        progress=not found.quiet,
        **given(found, found.settings).get("training", {}),
    )
    show.trained(trained, as_json=found.json)
    return 0
