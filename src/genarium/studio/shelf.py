"""The runs that the page lists, and the models that are loaded, once each."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import genarium
from genarium.api import _runs
from genarium.errors import UserError

KEPT = 6
"""Models in memory at a time; of more the one that was not used for longest goes."""


class Gone(UserError):
    """A run that is not there, or not any more."""


class Shelf:
    """Runs by name. places: run folders, and folders of them, which are looked through each time.

    Two runs of one name are told apart by a number: `vae`, `vae (2)`.
    """

    def __init__(self, places: Sequence[str | os.PathLike[str]], device: str = "auto"):
        self.device = device
        self.places = [Path(place) for place in places]
        self._models: OrderedDict[tuple[str, int], genarium.Trained] = OrderedDict()
        self._names: dict[Path, str] = {}
        self._chosen: dict[tuple[str, int], int] = {}  # the step that None stands for
        self._loading, self._naming = threading.Lock(), threading.Lock()

    def add(self, path: Path) -> None:
        """List this run too, once it is there, if no place holds it."""
        if path not in self.places and path.parent not in self.places:
            self.places.append(path)

    def paths(self) -> dict[str, Path]:
        """The runs that are there now, by name."""
        with self._naming:
            return {self._name(path.resolve()): path for path in _runs.run_folders(self.places)}

    def _name(self, path: Path) -> str:
        """What a run is called: the same while the server runs, whatever comes and goes."""
        taken = {name for known, name in self._names.items() if known != path}
        name, count = self._names.get(path, path.name), 2
        while name in taken:
            name, count = f"{path.name} ({count})", count + 1
        self._names[path] = name
        return name

    def path(self, name: str) -> Path:
        """Raises Gone for a run that is not there."""
        try:
            return self.paths()[name]
        except KeyError:
            raise Gone(f"the run {name} is not here any more: choose another") from None

    @staticmethod
    def _stamp(path: Path) -> int:
        """What changes when a run gets another checkpoint, or becomes another run."""
        try:
            return (path / "checkpoints").stat().st_mtime_ns
        except OSError:
            return 0

    def listed(self) -> list[dict[str, Any]]:
        """Every run at a glance; of a damaged one why it cannot be read."""
        rows: list[dict[str, Any]] = []
        for name, path in self.paths().items():
            try:
                glance = _runs.glance(path)
            except UserError as error:
                rows.append({"name": name, "problem": str(error)})
                continue
            rows.append(
                {
                    "name": name,
                    "path": str(path),
                    "recipe": glance.recipe,
                    "data": glance.data,
                    "shape": glance.shape,
                    "budget": glance.budget,
                    "steps": glance.checkpoints,
                    "grids": glance.grids,
                    "changed": glance.changed,
                }
            )
        return rows

    def model(self, name: str, step: int | None = None) -> genarium.Trained:
        """The model of a run at a step (None: the best where the run keeps it, else the newest).

        Raises Gone for a run that is not there, UserError for one that cannot be loaded.
        """
        path = self.path(name)
        stamp = self._stamp(path)
        with self._loading:
            wanted = self._chosen.get((name, stamp)) if step is None else step
            if wanted is not None and (name, wanted) in self._models:
                self._models.move_to_end((name, wanted))
                return self._models[name, wanted]
            try:
                run = genarium.load(path, step, self.device)
            except OSError:
                raise Gone(f"the run {name} is not here any more: choose another") from None
            if step is None:
                self._chosen[name, stamp] = run.step
            run = self._models.setdefault((name, run.step), run)
            while len(self._models) > KEPT:
                self._models.popitem(last=False)
            return run
