"""`genarium resume RUN`: go on exactly where a run stopped."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli import processes
from genarium.cli.parser import add_settings, given
from genarium.runs import configuration as config
from genarium.training import world
from genarium.training.options import CHANGEABLE


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
        help="go on although the data, the number of processes or config.yaml changed",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    processes.add_arguments(parser, ["resume", *rest])
    settings = [f for f in config.common_fields() if f.name in CHANGEABLE]
    add_settings(parser, "training settings that may change", settings)
    parser.set_defaults(settings=settings)


def run(found: Any) -> int:
    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.runs.folder import RunFolder

    RunFolder.open(found.run)  # one mistake is told once
    status = processes.several(found.processes, found.command)
    if status is not None:
        return status
    first = world.rank() == 0
    trained = api.resume(
        found.run,
        data=found.place,
        accept_changes=found.accept_changes,
        progress=first and not found.quiet,
        **given(found, found.settings).get("training", {}),
    )
    if first:
        show.trained(trained, as_json=found.json)
    return 0
