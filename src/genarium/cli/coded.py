"""What the verbs on codes share: whose images they take, and the codes of each split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from genarium.cli import given
from genarium.cli.parser import positive, seed
from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.trained import Trained


class Labelled(NamedTuple):
    """Data with labels. train, validation, test: (uint8 [N,C,H,W], labels [N] int64) each."""

    name: str
    classes: tuple[str, ...]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def add_source(parser: argparse.ArgumentParser) -> None:
    """RUN, DATA and --step: whose codes."""
    parser.add_argument("run", metavar="RUN", help="a run folder whose model encodes")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a folder of images or a data set, resized as the run's were (default: the run's own)",
    )
    given.add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")


def add_flags(parser: argparse.ArgumentParser, result: str) -> None:
    """RUN, DATA, --step, --seed and --json; `result`: the file that the verb leaves in the run."""
    add_source(parser)
    parser.add_argument("--seed", type=seed, default=0, help="of all that is drawn")
    parser.add_argument("--out", metavar="FILE", help=f"default: RUN/{result}")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def open_run(found: Any, suffix: str) -> tuple[Trained, Path | None]:
    """The run, and --out. UserError if the model does not encode, or for another suffix."""
    out = Path(found.out) if found.out else None
    if out is not None and out.suffix.lower() != suffix:
        raise UserError(f"--out {found.out}: end it in {suffix}")
    trained = one_source(found)
    trained.can("encode")
    return trained, out


def one_source(found: Any) -> Trained:
    """The run. UserError for DATA beside --data."""
    if found.data and (found.place or found.accept_changes):
        flag = f"--data {found.place}" if found.place else "--accept-changes"
        raise UserError(
            f"{flag} is of the run's own data, and {found.data} was given instead of them: leave "
            "one of the two out"
        )
    return given.open_run(found)


def labelled(trained: Trained, source: str | None) -> Labelled:
    """The data, which must have labels of at least two classes."""
    from genarium.runs.selection import dataset_for

    dataset = dataset_for(trained, source)
    splits = (dataset.train, dataset.validation, dataset.test)
    parts = [(split.images, split.labels) for split in splits if split.labels is not None]
    if len(parts) < len(splits) or len(dataset.spec.classes) < 2:
        raise UserError(
            f"{source or trained.path}: the data have no labels: put the images into one "
            "sub-folder a class"
        )
    return Labelled(dataset.name, dataset.spec.classes, *parts)


def count_of(flag: str, text: str) -> int | None:
    """ "100", or None for "all"."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{flag} {text}: give a number of labelled images, or all")
    return int(text)


def chosen(flag: str, count: int | None, labels: Tensor, seed: int) -> Tensor:
    """Rows of `count` labelled images, balanced by class; all of them for None."""
    import torch

    from genarium.features import balanced

    if count is None:
        return torch.arange(len(labels))
    if count > len(labels):
        raise UserError(f"{flag} {count}: there are {len(labels)} training images with labels")
    return balanced(labels, count, seed)


def keep(path: Path, facts: dict[str, Any]) -> Path:
    """Write figures as JSON, whole or not at all."""
    from genarium.drawing.files import write

    return write(path, (json.dumps(facts, indent=1) + "\n").encode())
