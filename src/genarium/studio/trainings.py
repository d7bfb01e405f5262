"""Trainings that were started from the page: each the ordinary command, in a process of its own.

A training is stopped by SIGINT, as by Ctrl-C: it saves a checkpoint, and `genarium resume` goes on.
Those that still run when the studio ends are stopped so.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genarium.api import train as training
from genarium.errors import UserError
from genarium.studio.controls import controls

TAIL = 4000
"""Characters of what a training said that the page shows."""
WAIT = 30.0
"""Seconds that a training has to save its checkpoint when the studio ends."""


class Training:
    """One of them: the run folder, the command, the process."""

    def __init__(self, out: Path, words: list[str], log: Path):
        self.out, self.log = out, log
        self.command = shlex.join(["genarium", *words])
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "genarium", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # a Ctrl-C in the studio's terminal comes to the studio, which stops them all
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.stopped = False

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """Ask for an end with a checkpoint; asking twice is asking once."""
        if self.runs and not self.stopped:
            self.stopped = True
            self.process.send_signal(signal.SIGINT)

    def to_dict(self) -> dict[str, Any]:
        code = self.process.poll()
        state = "runs" if code is None else "done" if code == 0 else "failed"
        if code == 130 or (code is not None and self.stopped):
            state = "stopped"
        if code is None and self.stopped:
            state = "stopping"
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL))
            said = file.read().decode(errors="replace")
        return {"state": state, "command": self.command, "said": said.strip()}


class Trainings:
    """All of them, by their run folder. home: where new runs go. logs: where what they say goes."""

    MOST = 4
    """Trainings at a time."""

    def __init__(self, home: Path, logs: Path):
        self.home, self.logs = home, logs
        self._all: dict[Path, Training] = {}
        self._lock = threading.Lock()

    def start(
        self, recipe: str, data: str, out: str, preset: str | None, settings: Mapping[str, Any]
    ) -> Training:
        """Start one. Raises UserError for what `genarium train` would refuse by its flags, and
        while `MOST` run."""
        training.resolved(recipe, data, preset=preset, **settings)
        with self._lock:
            if sum(each.runs for each in self._all.values()) >= self.MOST:
                raise UserError(f"{self.MOST} trainings run already: stop one of them first")
            path = self._place(recipe, data, out)
            words = ["train", recipe, f"--data={data}", "--out", str(path)]
            words += [f"--preset={preset}"] if preset else []
            words += [word for name, value in settings.items() for word in _flag(name, value)]
            made = Training(path, words, self.logs / f"training-{len(self._all)}.log")
            self._all[path] = made
            return made

    def _place(self, recipe: str, data: str, out: str) -> Path:
        if out and not re.fullmatch(r"[\w.()+ -]{1,80}", out):
            raise UserError(f"name {out}: use letters, digits, dots and dashes")
        if out in (".", ".."):
            raise UserError(f"name {out}: choose another")
        if out:
            path = self.home / out
            if path in self._all or (path.exists() and any(path.iterdir())):
                raise UserError(f"name {out}: there is a run of this name, choose another")
            return path
        kind = re.sub(r"\W+", "-", Path(data).name.partition(":")[0]).strip("-")[:40] or "data"
        names = (f"{recipe}-{kind}-{number}" for number in itertools.count(1))
        paths = (self.home / name for name in names)
        return next(path for path in paths if path not in self._all and not path.exists())

    def of(self, path: Path) -> Training | None:
        """The training of a run folder, None where it was not started here."""
        resolved = path.resolve()
        each = (one for folder, one in self._all.items() if folder.resolve() == resolved)
        return next(each, None)

    def listed(self) -> list[Training]:
        return [*self._all.values()]

    def close(self) -> None:
        """Stop all, and wait until they have saved their checkpoints."""
        for each in self._all.values():
            each.stop()
        for each in self._all.values():
            try:
                each.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                each.process.kill()


def form(recipe: str) -> list[dict[str, Any]]:
    """The settings of a recipe, of its data and of training, as groups of controls."""
    groups = training.settings_of([recipe])
    return [
        {"title": title.partition("\n")[0], "about": title.partition("\n")[2], "controls": made}
        for title, fields in groups.items()
        if (made := controls(fields))
    ]


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    flag = {"--from-dir": "--from"}.get(flag, flag)
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, list):
        return [f"{flag}={','.join(map(str, value)) or 'none'}"]
    return [f"{flag}={value}"]
