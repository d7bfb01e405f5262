"""The best checkpoint of a run by a score on validation images, and when to stop waiting for one.

The score is handed in: training knows that lower is better and nothing else of it. It is taken at
each checkpoint and at the end; what it found lies in the checkpoint's state, so a run that goes on
knows its best, and how long it has waited for a better one.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from genarium.contract import Model
from genarium.errors import UserError
from genarium.training import checkpoint as checkpoints
from genarium.training.checkpoint import Checkpoint
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions


@dataclass(frozen=True)
class Scored:
    """A score of a model in training: lower is better; None where it has no value.

    name: what it is, as "bits/dim". images: validation images it is of. note: what was found
    beside it (copies), or why there is no value.
    """

    name: str
    value: float | None
    images: int
    note: str = ""


class Scorer(Protocol):
    """Scores a model in evaluation mode. prepare: what is needed once, done before the first."""

    def prepare(self) -> None: ...
    def __call__(self, model: Model) -> Scored: ...


class Best:
    """The best step so far. Every process asks; the first scores, and the others are told."""

    def __init__(self, options: TrainOptions, engine: Engine, scorer: Scorer | None = None):
        assert scorer is not None or not options.keep_best, "keep_best needs a scorer"
        self.options, self.engine, self.scorer = options, engine, scorer
        self.state: dict[str, Any] = {}

    @property
    def on(self) -> bool:
        return self.options.keep_best

    @property
    def step(self) -> int | None:
        """The step of the best checkpoint, None before there is one."""
        return self.state.get("step")

    @property
    def over(self) -> bool:
        """Whether so many scores in a row were no better that the run ends."""
        return 0 < self.options.patience <= self.state.get("waited", 0)

    def prepare(self) -> None:
        """Let the scorer do what it needs once."""
        if self.engine.main:
            assert self.scorer is not None
            self.scorer.prepare()

    def score(self, model: Model) -> Scored:
        """The model's score, in the first process only."""
        assert self.scorer is not None
        return self.scorer(model)

    def judge(self, model: Model, step: int) -> dict[str, Any]:
        """Score the model, in evaluation mode, at `step`: the row for the log."""
        text = ""
        if self.engine.main:
            text = json.dumps(asdict(self.score(model)))
        record = json.loads(self.engine.broadcast(text))
        value, before = record["value"], self.state.get("value")
        if value is not None and (before is None or value < before):
            self.state = {**record, "step": step, "waited": 0}
        elif self.state:
            self.state = {**self.state, "waited": self.state["waited"] + 1}
        else:
            self.state = {**record, "step": None, "waited": 1}
        return {"step": step, "event": "score", **record, "best": self.step}

    def load(self, state: dict[str, Any] | None) -> None:
        """Take back what a checkpoint holds."""
        self.state = dict(state or {})


def describe(row: dict[str, Any], patience: int, waited: int) -> str:
    """What a row of `judge` says, as a line."""
    value = "no value" if row["value"] is None else f"{row['value']:.4g}"
    where = f" (best: step {row['best']})" if row["best"] not in (None, row["step"]) else ""
    if row["best"] == row["step"]:
        where = " (the best so far)"
    left = f", {waited} of {patience} without a better one" if patience and waited else ""
    note = f"; {row['note']}" if row["note"] else ""
    return f"step {row['step']}: validation {row['name']} {value}{where}{left}{note}"


def load(folder: Path, step: int | str | None = None) -> Checkpoint:
    """The weights of a checkpoint: of a step, "best", "last", or for None the best if there is one.

    Raises UserError where it is not there. Where None was asked and the best is damaged, the newest
    is taken, with a warning.
    """
    if isinstance(step, int):
        return checkpoints.load(folder, step, weights_only=True)
    newest = checkpoints.load(folder, weights_only=True)
    best = (newest.state.get("best") or {}).get("step")
    if step == "best" and best is None:
        raise UserError(
            f"--step best: {folder.parent} keeps no best checkpoint, as it would with --keep-best: "
            "name another step, or none for the newest"
        )
    if step == "last" or best is None or best == newest.step:
        return newest
    try:
        return checkpoints.load(folder, int(best), weights_only=True)
    except UserError as error:
        if step == "best":
            raise
        warnings.warn(f"{error}: the newest is taken, step {newest.step}", stacklevel=2)
        return newest
