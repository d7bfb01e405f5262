"""The monitor of a training: takes readings at intervals, and notes what is wrong.

It is a watcher: called after each step, it changes nothing of the run. A reading is taken at a step
that is a multiple of `log_every`, when what it costs has been saved up: `SHARES` of the processor
time of the steps so far. Costs are measured and stand in the readings, and a run that goes on
reads them there, so it goes on saving where it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from genarium.contract import Model
from genarium.training import log
from genarium.training.batches import TrainingData
from genarium.training.monitors import course as courses
from genarium.training.monitors import rules
from genarium.training.monitors.course import Course, Reading
from genarium.training.monitors.diagnosis import Diagnosis, said
from genarium.training.monitors.probes import Probes, flat

if TYPE_CHECKING:
    from genarium.training.trainer import Trainer

Draw = Callable[[Model], Tensor]
"""Samples of a model in evaluation mode, [n,C,H,W] on [-1, 1], always of the same noise."""
Copies = Callable[[Model], dict[str, float]]
"""What the test for copies says of a model's samples: copying/evidence and copying/share."""

SHARES = {"numbers": 0.012, "samples": 0.009, "copying": 0.004}
"""Of the processor time of the steps, what each part of a reading may cost: 2.5 % in all."""
GUESS = {"numbers": 2.0, "copying": 60.0}
"""Steps that a part is taken to cost at least before it was measured."""
COPYING = 8.0
"""Times the cost of a sample grid that the test for copies is taken to cost at first."""


class Monitor:
    """Watches one training. heldout: images that are not trained on. draw: None for a model that
    does not sample. copies: None where copies cannot be told. shares: what each part may cost;
    with more readings are taken more often. clock: seconds of processor time.
    """

    def __init__(
        self,
        heldout: TrainingData | None = None,
        draw: Draw | None = None,
        copies: Copies | None = None,
        *,
        shares: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.process_time,
    ):
        self.heldout, self.draw, self.copies = heldout, draw, copies
        self.shares, self.clock = shares or SHARES, clock
        self.readings: list[Reading] = []
        self.losses: list[tuple[int, float]] = []
        self.rates: list[float] = []
        self.diagnoses: list[Diagnosis] = []
        self.trained = 0.0  # seconds of the steps
        self.spent = dict.fromkeys(SHARES, 0.0)  # seconds of each part so far
        self.since = dict.fromkeys(SHARES, 0.0)  # `trained` when it was taken last
        self.costs: dict[str, float] = {}  # of a part, the last time; "look" is samples of a grid
        self._probes: Probes | None = None
        self._before: list[Tensor] = []
        self._start: list[float] = []  # norms of the players' weights at the start
        self._step, self._mark, self._paused = -1, 0.0, 0.0

    def __call__(self, trainer: Trainer) -> None:
        """After each step."""
        if self._probes is None or trainer.step <= self._step:
            self._begin(trainer)
        paused = trainer.intervals.paused_seconds
        self.trained += max(0.0, self.clock() - self._mark - (paused - self._paused))
        row = trainer.log.last
        if row.get("step") == trainer.step and row.get("losses"):
            self.losses.append((trainer.step, courses.total(row["losses"])))
            self.rates.append(courses.rate(row["learning_rate"]))
        ends = trainer.budget.used(trainer.step, trainer.seconds) >= 1.0 or trainer.best.over
        at_interval = trainer.step % trainer.options.log_every == 0
        due = self._due(trainer) if at_interval or ends else []
        if due:
            with trainer.intervals.aside():
                self._read(trainer, due)
        if due or ends:
            self._tell(trainer, ends)
        self._before = []
        before_interval = (trainer.step + 1) % trainer.options.log_every == 0
        if before_interval and self._affords(trainer, "numbers"):
            start = self.clock()
            self._before = [flat(player) for player in trainer.players]
            self.spent["numbers"] += self.clock() - start
        self._step = trainer.step
        self._mark, self._paused = self.clock(), trainer.intervals.paused_seconds

    def _begin(self, trainer: Trainer) -> None:
        """Start, or go on: what the log knows of the run up to here."""
        if self._probes is None:
            self._probes = Probes(
                trainer.model, trainer.data, self.heldout, trainer.engine, trainer.options.seed
            )
            rows = log.read(trainer.log.path) if trainer.log.path is not None else []
            course = courses.of_rows(rows)
            self.readings = [*course.readings]
            self.losses, self.rates = [*course.losses], [*course.rates]
            self.diagnoses = said(rows)
            if trainer.step == 1:
                self._start = [flat(player).norm().item() for player in trainer.players]
            for row in rows:
                if row.get("event") == courses.EVENT:
                    self._start = row["start"]
                    self.trained = row["trained"]
                    self.spent |= row["spent"]
                    self.since |= row["since"]
        self.readings = [r for r in self.readings if r.step < trainer.step]
        self.losses = [(s, v) for s, v in self.losses if s < trainer.step]
        self.rates = self.rates[: len(self.losses)]
        self.diagnoses = [each for each in self.diagnoses if each.step < trainer.step]
        self._before, self._mark = [], self.clock()
        self._paused = trainer.intervals.paused_seconds

    # ------------------------------------------------------------------------ when

    def _affords(self, trainer: Trainer, part: str, cost: float | None = None) -> bool:
        """Whether so much has been saved up as the part is likely to cost; cost: if not as the last
        time."""
        if cost is None:
            steps = max(1, trainer.step)
            cost = self.costs.get(part, GUESS[part] * self.trained / steps)
        share = self.shares[part]
        # evenly: what was not spent for long is not spent at once later
        saved = min(
            share * (self.trained - self.since[part]), share * self.trained - self.spent[part]
        )
        return self.trained > 0 and saved >= cost

    def _due(self, trainer: Trainer) -> list[str]:
        """The parts of the reading of this step."""
        due = ["numbers"] if self._affords(trainer, "numbers") else []
        drawing = trainer.intervals.pace.costs.get("samples")
        if self._shown(trainer) is not None:
            look = self.costs.get("look", self.trained / max(1, trainer.step))
            due += ["samples"] * self._affords(trainer, "samples", look)
        elif self.draw is not None and drawing is not None:  # a grid has shown what it costs
            cost = self.costs.get("samples", drawing)
            due += ["samples"] * self._affords(trainer, "samples", cost)
        if self.copies is not None and drawing is not None:
            first = max(COPYING * drawing, GUESS["copying"] * self.trained / max(1, trainer.step))
            cost = self.costs.get("copying", first)
            due += ["copying"] * self._affords(trainer, "copying", cost)
        return due

    def _shown(self, trainer: Trainer) -> Tensor | None:
        """The samples of a grid that was drawn at this step."""
        step, images = trainer.intervals.drawn
        return images if step == trainer.step else None

    # ------------------------------------------------------------------------ what

    def _read(self, trainer: Trainer, due: list[str]) -> None:
        """Take a reading of these parts and write it."""
        values: dict[str, float] = {}
        parts = {"numbers": self._numbers, "samples": self._samples, "copying": self._copying}
        for part in due:
            start, looked = self.clock(), self._shown(trainer) is not None
            values |= parts[part](trainer)
            cost = self.clock() - start
            self.costs["look" if part == "samples" and looked else part] = cost
            self.spent[part] += cost
            self.since[part] = self.trained
        values = {name: _short(value) for name, value in values.items() if math.isfinite(value)}
        used = round(trainer.budget.used(trainer.step, trainer.seconds), 4)
        self.readings.append(Reading(trainer.step, used, values))
        trainer.log.write(
            {
                "step": trainer.step,
                "event": courses.EVENT,
                "used": used,
                "values": values,
                "trained": round(self.trained, 4),
                "spent": {part: round(seconds, 4) for part, seconds in self.spent.items()},
                "start": self._start,
                "since": {part: round(seconds, 4) for part, seconds in self.since.items()},
            }
        )

    def _numbers(self, trainer: Trainer) -> dict[str, float]:
        probes = self._probes
        assert probes is not None
        result = probes.players(trainer.players, self._before, self._start)
        pictures = min(trainer.model.spec.shape[1:]) > 2
        if pictures and not any("data/range" in reading.values for reading in self.readings):
            result |= probes.data()
        if trainer.engine.world > 1:  # a forward pass may need the other processes
            return result
        with probes.looking():
            result |= probes.losses(trainer.step - 1)
            result |= probes.judgement(len(self.readings))
        with trainer.sampling_weights(), probes.looking():
            result |= probes.codes()
            result |= probes.norms()
        return result

    def _samples(self, trainer: Trainer) -> dict[str, float]:
        images, probes = self._shown(trainer), self._probes
        assert probes is not None
        if images is None:
            assert self.draw is not None
            with trainer.sampling_weights(), probes.looking():
                images = self.draw(trainer.model)
        return probes.samples(images)

    def _copying(self, trainer: Trainer) -> dict[str, float]:
        assert self._probes is not None
        assert self.copies is not None
        with trainer.sampling_weights(), self._probes.looking():
            return self.copies(trainer.model)

    def course(self, trainer: Trainer, ended: bool = False) -> Course:
        """What the rules go by."""
        return Course(self.readings, self.losses, trainer.rollbacks, ended, self.rates)

    def _tell(self, trainer: Trainer, ended: bool) -> None:
        """Note each diagnosis the first time that it holds."""
        known = {each.name for each in self.diagnoses}
        for each in rules.diagnoses(self.course(trainer, ended)):
            if each.name not in known:
                self.diagnoses.append(each)
                trainer.log.write(each.row())
                trainer.progress.note(f"{each.severity}: {each.text()}")


def _short(value: float) -> float:
    """Six digits: a row is for reading too."""
    return float(f"{value:.6g}")
