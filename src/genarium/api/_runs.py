"""What lies in run folders, without loading a model: for pages that list and watch them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEP = re.compile(r"\d{8}")


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return (path / "run.json").is_file()


def run_folders(places: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The run folders that are named, or that lie in folders that are; in their order, by name."""
    results: dict[Path, None] = {}
    for place in map(Path, places):
        if is_run(place):
            results[place] = None
        elif place.is_dir():
            results.update(dict.fromkeys(sorted(p for p in place.iterdir() if is_run(p))))
    return [*results]


def steps_of(path: Path, folder: str) -> list[int]:
    """The steps that `checkpoints` or `samples` hold something of, rising."""
    try:
        names = [p.stem for p in (path / folder).iterdir()]
    except OSError:
        return []
    return sorted(int(name) for name in names if STEP.fullmatch(name))


@dataclass(frozen=True)
class Glance:
    """A run at a glance. budget: its steps, epochs or minutes. shape: (C, H, W) of its images.
    checkpoints, grids: their steps. changed: when its log was written last, in seconds."""

    path: Path
    recipe: str
    data: str
    taxonomy: tuple[str, ...]
    shape: tuple[int, int, int]
    budget: dict[str, Any]
    checkpoints: tuple[int, ...]
    grids: tuple[int, ...]
    changed: float


def glance(path: Path) -> Glance:
    """Raises UserError for a folder that is no run, or a damaged one."""
    from genarium.runs.folder import RunFolder

    folder = RunFolder.open(path)
    about, config = folder.about(), folder.config(accept_changes=True)
    spec = about["data"]["spec"]
    training = config.training
    try:
        changed = folder.metrics.stat().st_mtime
    except OSError:
        changed = 0.0
    return Glance(
        path,
        config.recipe,
        str(about["data"].get("name", "")),
        tuple(map(str, about["taxonomy"])),
        (int(spec["channels"]), int(spec["height"]), int(spec["width"])),
        {k: training[k] for k in ("steps", "epochs", "minutes") if training.get(k)},
        tuple(steps_of(path, "checkpoints")),
        tuple(steps_of(path, "samples")),
        changed,
    )


def history(path: Path) -> list[dict[str, Any]]:
    """The rows of the run's log, events among them; damaged ones left out."""
    import warnings

    from genarium.runs.folder import RunFolder
    from genarium.training import log

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a page that asks every other second would repeat them
        return log.read(RunFolder.open(path).metrics)
