"""What may change in a run that goes on, and whether there is anything left to train."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genarium.errors import UserError
from genarium.recipes import Recipe
from genarium.runs.configuration import Config, resolve
from genarium.training.checkpoint import Checkpoint
from genarium.training.options import BUDGET, CHANGEABLE
from genarium.training.trainer import Trainer


def changed(before: Config, recipe: Recipe, training: Mapping[str, Any]) -> Config:
    """A run's configuration with new training settings; a new budget replaces the old one.

    Raises UserError for a setting that would make another run of it.
    """
    given = {n: v for n, v in training.items() if v is not None or n not in BUDGET}
    for name in given:
        if name in before.training and name not in CHANGEABLE:
            raise UserError(
                f"resume: {name} cannot change in a run that goes on (what can: "
                f"{', '.join(CHANGEABLE)}): leave it out, or train anew"
            )
    emptied = dict.fromkeys(BUDGET) if set(BUDGET) & set(given) else {}
    return resolve(
        recipe,
        {"arguments": before.arguments, "data": before.data, "training": before.training},
        {"training": {**emptied, **given}},
    )


def used(
    trainer: Trainer, saved: Checkpoint, before: Config, training: Mapping[str, Any], path: Path
) -> bool:
    """Whether the run's budget is used, with a warning that nothing is trained.

    Raises UserError where that is so of a new budget: it asked for what cannot be done.
    """
    seconds = float(saved.state["seconds"])
    trainer.best.load(saved.state.get("best"))
    if trainer.best.over:
        result = trainer.best.state
        what = (
            f"{path} stopped at step {saved.step}, {result['waited']} checkpoints after its best, "
            f"step {result['step']}"
        )
        if set(training) & {*BUDGET, "patience"}:
            raise UserError(f"{what}: give a larger patience to go on")
        warnings.warn(f"{what}: nothing is trained; a larger patience goes on", stacklevel=3)
        return True
    if trainer.budget.used(saved.step, seconds) < 1:
        return False
    budget = {name: getattr(trainer.options, name) for name in BUDGET}
    words = " or ".join(f"{value:g} {name}" for name, value in budget.items() if value)
    if any(budget[name] != before.training[name] for name in BUDGET):
        reached = [f"step {saved.step}"]
        if budget["epochs"]:
            reached.append(f"epoch {trainer.budget.epochs(saved.step):.4g}")
        if budget["minutes"]:
            reached.append(f"minute {seconds / 60:.4g}")
        raise UserError(
            f"a budget of {words} is used already: {path} is at {', '.join(reached)}: give more "
            "steps, epochs or minutes"
        )
    idle = [name for name in training if name not in BUDGET]
    nothing = f" and {', '.join(idle)} changes nothing" if idle else ""
    warnings.warn(
        f"{path}: its budget of {words} is used: nothing is trained{nothing}; give more with "
        "steps, epochs or minutes",
        stacklevel=3,
    )
    return True
