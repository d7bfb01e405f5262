"""How long a run takes: what its steps cost, what its pauses cost, and how many of each are left.

A step's cost depends on who plays in it (a regularizer each sixteenth step, one layer after the
other), so the mean is taken by the set of phases that play. The first steps warm up caches and
memory and are not counted. Pauses are what is no training: sample grids, checkpoints, scores.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from genarium.contract import Phase
from genarium.training.schedule import Budget

WARM_UP = 2  # steps that are not timed
STEPS, SECONDS = 5, 3.0  # timed, before there is an estimate
LONG = 15.0  # seconds since the start after which two timed steps will do
ENOUGH = 500  # steps that are timed at most
SHORT = 30.0  # a run that takes less ends before anybody has read how long it takes
COUNTED = 2000  # steps of the rest of a run that are looked at, spread over all of it
TEN_MINUTES = 600.0

Events = Callable[[int, int, float], Mapping[str, float]]
"""(from step, to step, seconds a step) -> how many pauses of each kind lie between."""


@dataclass(frozen=True)
class Estimate:
    """How long a run takes, foretold at `step`.

    seconds: all of it, from its first step or from where it went on; training: the part without
    pauses. steps: at its end. step_seconds: a step's. ten_minutes: steps that ten minutes of
    training are. pauses: the seconds of sample grids, checkpoints and scores, by kind.
    """

    step: int
    seconds: float
    training: float
    steps: int
    step_seconds: float
    ten_minutes: int
    pauses: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Pace:
    """What the steps and pauses of this process have cost so far.

    phases: of the model. budget: of the run. events: counts its pauses. costs: seconds of the last
    pause of each kind.
    """

    def __init__(self, phases: Sequence[Phase], budget: Budget, events: Events):
        self.phases, self.budget, self.events = phases, budget, events
        self.costs: dict[str, float] = {}
        self.begin(0, 0.0)

    def begin(self, step: int, seconds: float) -> None:
        """The run starts, or goes on, at this step, after these seconds of training."""
        self.start, self.before = step, seconds
        self.elapsed = 0.0  # seconds of steps and pauses since
        self.timing = True  # whether steps are still timed
        self._taken = 0
        self._warm: dict[tuple[bool, ...], float] = {}
        self._timed: dict[tuple[bool, ...], tuple[int, float]] = {}

    def stepped(self, step: int, seconds: float) -> None:
        """Step `step` (counted from 0) took `seconds`."""
        self.elapsed += seconds
        if not self.timing:
            return
        kind = self._kind(step)
        self._taken += 1
        self.timing = self._taken < ENOUGH
        if self._taken <= WARM_UP or kind not in self._warm:
            self._warm[kind] = seconds
            return
        count, total = self._timed.get(kind, (0, 0.0))
        self._timed[kind] = (count + 1, total + seconds)

    def pause(self, what: str, seconds: float) -> None:
        """A pause of the kind `what` took `seconds`; so will the next."""
        self.elapsed += seconds
        self.costs[what] = seconds

    @property
    def timed(self) -> tuple[int, float]:
        """Steps that were timed, and their seconds."""
        counts, seconds = zip(*self._timed.values()) if self._timed else ((0,), (0.0,))
        return sum(counts), sum(seconds)

    @property
    def ready(self) -> bool:
        """Whether enough was timed to foretell the rest."""
        count, seconds = self.timed
        return (count >= STEPS and seconds >= SECONDS) or (count >= 2 and self.elapsed >= LONG)

    def estimate(
        self, step: int, seconds: float, guesses: Mapping[str, float] | None = None
    ) -> Estimate:
        """The whole run, foretold at `step` after `seconds` of training.

        guesses: seconds of a pause of kinds that were not seen yet.
        """
        costs = {**(guesses or {}), **self.costs}
        options = self.budget.options
        mean = self._mean(step, step + COUNTED)
        ends = [options.steps or float("inf")]
        if options.epochs:
            ends.append(-(-options.epochs * self.budget.size // self.budget.images))
        end = int(min(ends)) if min(ends) < float("inf") else None
        if options.minutes:
            left = max(0.0, 60 * options.minutes - seconds)
            reached = step + int(left / mean)
            if end is None or reached < end:
                end = reached
        assert end is not None, "a run has a budget"
        mean = self._mean(step, max(end, step + 1))
        training = seconds - self.before + max(0, end - step) * mean
        counts = self.events(self.start, end, mean)
        pauses = {kind: n * costs[kind] for kind, n in counts.items() if kind in costs}
        return Estimate(
            step,
            training + sum(pauses.values()),
            training,
            end,
            mean,
            int(TEN_MINUTES / mean),
            pauses,
        )

    def _kind(self, step: int) -> tuple[bool, ...]:
        return tuple(phase.plays(step) for phase in self.phases)

    def _mean(self, first: int, last: int) -> float:
        """Seconds of a step from `first` to `last`; of a kind not seen yet, those of the others."""
        steps: Sequence[int] = range(first, last)
        if len(steps) > COUNTED:
            steps = random.Random(0).sample(steps, COUNTED)
        means = {kind: total / count for kind, (count, total) in self._timed.items()}
        known = means or self._warm
        other = sum(known.values()) / len(known) if known else 0.0
        costs = [means.get(kind, self._warm.get(kind, other)) for kind in map(self._kind, steps)]
        return max(1e-9, sum(costs) / len(costs))
