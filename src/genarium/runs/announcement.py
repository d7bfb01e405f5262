"""What a training says of itself at its start: what it will do, and how long that takes.

Neither is said of a training that ends within seconds. The estimate also stands in metrics.jsonl,
as a row with the event "estimate", and `Trained.estimate` gives it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from genarium.contract import Model, Spec
from genarium.training.pace import LONG, SHORT, TEN_MINUTES, Estimate
from genarium.training.trainer import Trainer

if TYPE_CHECKING:
    from genarium.data import Dataset

SLOW = 3.0  # seconds of the first step from which on nobody waits in silence
NAMES = {
    "samples": "sample grids",
    "checkpoint": "checkpoints",
    "preparation": "what scores need once",
    "score": "scores",
}
KEPT = 3  # times the weights that a checkpoint holds: Adam keeps two numbers for each
DISK = 200e6  # bytes a second, written and summed, until a checkpoint has been timed
OFF = 0.25  # share by which a later estimate must differ to be said again


class Announcement:
    """A watcher of a trainer: says what it will do, and then how long that takes.

    arguments: of the recipe, for the flags that make it shorter.
    """

    def __init__(self, recipe: str, dataset: Dataset, arguments: Mapping[str, Any]):
        self.recipe, self.dataset, self.arguments = recipe, dataset, arguments
        self._planned = False
        self._told: Estimate | None = None
        self._known: frozenset[str] = frozenset()

    def __call__(self, trainer: Trainer) -> None:
        pace = trainer.intervals.pace
        known = frozenset(pace.costs)
        if self._told is None:
            if pace.elapsed > SLOW and trainer.step == pace.start + 1:
                used = trainer.budget.used(trainer.step, trainer.seconds)
                if pace.elapsed >= SHORT * used:  # as slow as this, it takes that long
                    self._plan(trainer)
            if not pace.ready or (_grid_is_near(trainer) and pace.elapsed < LONG):
                return
            result = self._estimate(trainer)
            if result.seconds >= SHORT and trainer.best.on:
                trainer.intervals.try_score()
                result, known = self._estimate(trainer), frozenset(pace.costs)
            if result.seconds >= SHORT:
                self._plan(trainer)
                self._tell(trainer, result)
        elif known > self._known:  # the first checkpoint, the first score: a cost nobody knew
            result = self._estimate(trainer)
            much = abs(result.seconds - self._told.seconds) > OFF * self._told.seconds
            if much and result.seconds >= SHORT:
                self._plan(trainer)
                self._tell(trainer, result)
        self._known = known

    def _estimate(self, trainer: Trainer) -> Estimate:
        weights = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
        guesses = {"checkpoint": KEPT * weights / DISK}
        result = trainer.intervals.pace.estimate(trainer.step, trainer.seconds, guesses)
        if self._told is None:
            self._told = result  # said or not: a short one is not looked at again
        return result

    def _plan(self, trainer: Trainer) -> None:
        if not self._planned:
            self._planned = True
            for line in plan(self.recipe, self.dataset, trainer):
                trainer.progress.note(line)

    def _tell(self, trainer: Trainer, result: Estimate) -> None:
        self._told = result
        trainer.log.write({"step": result.step, "event": "estimate", **result.to_dict()})
        trainer.progress.note(foretold(result, trainer, self.arguments))


def _grid_is_near(trainer: Trainer) -> bool:
    """Whether the first sample grid comes at once, so that its cost is known soon."""
    intervals = trainer.intervals
    if intervals.on_sample is None or "samples" in intervals.pace.costs:
        return False
    return not trainer.options.sample_every and trainer.step < intervals.pace.start + 10


def plan(recipe: str, dataset: Dataset, trainer: Trainer) -> list[str]:
    """What a training will do, as lines."""
    options, budget = trainer.options, trainer.budget
    until = []
    if options.steps:
        until.append(f"{options.steps:,} steps ({budget.epochs(options.steps):,.1f} epochs)")
    if options.epochs:
        until.append(f"{options.epochs:g} epochs")
    if options.minutes:
        until.append(f"{options.minutes:g} minutes")
    ends = " or ".join(until) + (", whichever is first" if len(until) > 1 else "")
    engine = trainer.engine
    where = str(engine.device)
    if engine.device.type == "cpu":
        threads, cpus = torch.get_num_threads(), os.cpu_count() or 1
        where += f", {threads}{f' of {cpus}' * (threads < cpus)} thread{'s' * (cpus > 1)}"
    where += f", {'bf16' if engine.bf16 else 'fp32'}"
    where += f", {engine.world} processes" if engine.world > 1 else ""
    pictures = f"{len(trainer.data):,} training images of {shape(dataset.spec)}"
    return [
        f"training {recipe} on {dataset.name}: {pictures}; {networks(trainer.model)}",
        f"{ends}, {budget.images:,} images a step; {where}",
    ]


def shape(spec: Spec) -> str:
    """Height, width, channels, and values that are not of 8 bits on 0 to 255, in words."""
    colours = {1: "grey", 3: "RGB"}.get(spec.channels, f"{spec.channels} channels")
    if spec.planar:
        return "points of the plane"
    stored = spec.in_words()
    return f"{spec.height}x{spec.width}, {colours}" + (f", {stored}" if stored else "")


def networks(model: Model) -> str:
    """The numbers that training adjusts, of the whole model and of each of its networks."""
    parts = {name: size(child) for name, child in model.named_children()}
    parts = {name: count for name, count in parts.items() if count}
    each = ", ".join(f"{name} {short(count)}" for name, count in parts.items())
    of = f" ({each})" if len(parts) > 1 else ""
    return f"{short(size(model))} parameters{of}"


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def short(count: int) -> str:
    """A count in three digits: 6.34 M, 12.1 k, 950."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)


def foretold(result: Estimate, trainer: Trainer, arguments: Mapping[str, Any]) -> str:
    """How long it takes, and how to make that another time."""
    options = trainer.options
    step = f"{result.step_seconds:.2g} s a step"
    aside = {kind: seconds for kind, seconds in result.pauses.items() if seconds >= 0.5}
    more = "".join(f", {duration(s)} for {NAMES[kind]}" for kind, s in aside.items())
    text = f"this takes about {duration(result.seconds)} ({step}{more})"
    if options.minutes and result.training >= 60 * options.minutes * 0.9:
        return f"{text}, about {result.steps:,} steps; --minutes and --steps set another end"
    flags = f"--minutes 10 or --steps {rounded(result.ten_minutes)}"
    text += f"; ten minutes are about {rounded(result.ten_minutes):,} steps ({flags})"
    if result.seconds > 2 * TEN_MINUTES:
        width = arguments.get("width")
        narrower = f"--width {max(1, width // 2)} or " if isinstance(width, int) else ""
        text += f"; {narrower}--preset quick makes it smaller"
    return text


def rounded(count: int) -> int:
    """A count to two digits."""
    digits = max(0, len(str(count)) - 2)
    return round(count / 10**digits) * 10**digits


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 12 min, 8 h 5 min, 3 days."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours / 24:.0f} days"
