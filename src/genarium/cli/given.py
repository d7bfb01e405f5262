"""What every verb on a run asks for: which run, and where the data are that it was trained on.

`genarium.runs.selection` reads the images that a verb is given by name.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genarium.runs.trained import Trained


def add_data(parser: argparse.ArgumentParser, whose: str = "the run's") -> None:
    """--data and --accept-changes, for verbs that read the data of a run."""
    parser.add_argument(
        "--data",
        dest="place",
        metavar="PLACE",
        help=f"where {whose} own data are now, if they were moved (default: where they were at "
        "training); they are known by their content",
    )
    add_accept(parser, whose)


def add_accept(parser: argparse.ArgumentParser, whose: str = "the run's") -> None:
    """--accept-changes alone."""
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help=f"go on although {whose} data changed since training",
    )


def open_run(found: Any) -> Trained:
    """The run that a verb names, at its --step, with its own data where --data says."""
    from genarium.runs import loading

    return loading.load(
        found.run, found.step, data=found.place, accept_changes=found.accept_changes
    )
