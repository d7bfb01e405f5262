"""What is wrong with a run: what its training noted."""

from __future__ import annotations

import os
from typing import Any

from genarium.runs import inputs
from genarium.runs.folder import RunFolder
from genarium.runs.trained import Trained
from genarium.training import log

Run = Trained | str | os.PathLike[str]


def folder_of(run: Run) -> RunFolder:
    """The folder of a run, which may be in training and have no checkpoint yet."""
    return run.folder if isinstance(run, Trained) else RunFolder.open(inputs.path(run, "run"))


def rows_of(folder: RunFolder) -> list[dict[str, Any]]:
    """The rows of its metrics.jsonl."""
    return log.read(folder.metrics)
