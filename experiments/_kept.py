"""Work that outlasts the process: with `--keep DIR` a training goes on where it was stopped, seeds
that are done are not measured again, and experiments that train the same model share it.

Without a folder nothing is kept. What is kept is named by all that it follows from, so that other
settings, another seed or another model find nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genarium.training import checkpoint
from genarium.training.trainer import Trainer

OFTEN = 15.0  # processor seconds between two checkpoints

folder: Path | None = None
earlier = 0.0
"""Processor seconds that others spent on what was found here, since it was last set to 0."""


def place(name: str, follows_from: dict[str, Any]) -> Path | None:
    """Where something of this name is kept that follows from all this; None where nothing is."""
    if folder is None:
        return None
    text = json.dumps(follows_from, sort_keys=True, default=str)
    return folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def fit(trainer: Trainer, kept: Path | None) -> None:
    """Train until the steps of the trainer's options are done; from the checkpoint in `kept`."""
    global earlier
    steps = trainer.options.steps
    assert steps
    if kept is not None and checkpoint.steps(kept):
        trainer.restore(checkpoint.load(kept))
        earlier += trainer.seconds
    trainer.model.train()
    since = time.process_time()
    while trainer.step < steps:
        trainer.one_step()
        spent = time.process_time() - since
        if kept is not None and (spent > OFTEN or trainer.step == steps):
            trainer.seconds += spent
            since = time.process_time()
            checkpoint.save(kept, trainer.snapshot(), 1)


def once(kept: Path | None, make: Callable[[], tuple[dict[str, Any], dict[str, Any]]]) -> Any:
    """(what JSON can hold, tensors by name) of `make`, or as they were kept."""
    global earlier
    if kept is None:
        return make()
    done = kept.with_suffix(".json")
    if done.exists():
        found = json.loads(done.read_text(encoding="utf-8"))
        with np.load(kept.with_suffix(".npz")) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        earlier += found["seconds"]
        return found["values"], tensors
    before, since = earlier, time.process_time()
    values, tensors = make()
    seconds = time.process_time() - since + earlier - before
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept.with_suffix(".npz"), **{name: t.numpy() for name, t in tensors.items()})
    done.write_text(json.dumps({"seconds": seconds, "values": values}), encoding="utf-8")
    return values, tensors
