"""What a run does besides its steps: sample grids and scores at intervals, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor

from genarium.contract import Model
from genarium.contract.modes import evaluation_mode
from genarium.training import best
from genarium.training.grids import Grids
from genarium.training.pace import Pace

if TYPE_CHECKING:
    from genarium.training.trainer import Trainer


class Intervals:
    """The pauses of a trainer's run. Nothing in here changes a number of it.

    pace: how long steps and pauses take. paused_seconds: of the processor, in all pauses. drawn:
    the step and the samples of the last grid, None where it shows none.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.grids = Grids(trainer.options)
        self.pace = Pace(trainer.model.phases, trainer.budget, self._left)
        self.on_sample: Callable[[Model, int], Tensor | None] | None = None
        self.paused_seconds = 0.0
        self.drawn: tuple[int, Tensor | None] = (-1, None)
        self.watchers: Sequence[Callable[[Trainer], None]] = ()

    def attach(
        self,
        on_sample: Callable[[Model, int], Tensor | None] | None,
        watchers: Sequence[Callable[[Trainer], None]],
    ) -> None:
        """See `Trainer.attach`."""
        self.on_sample, self.watchers = on_sample, watchers

    def settle(self) -> None:
        """Let the device finish a step that is timed."""
        if self.pace.timing:
            self.trainer.engine.settle()

    def trained(self, seconds: float) -> None:
        """The trainer's last step took `seconds`."""
        self.pace.stepped(self.trainer.step - 1, seconds)
        self.grids.trained(seconds)

    def after_step(self) -> None:
        """Draw the grid of this step, if it has one, and tell who watches."""
        if self.grids.due(self.trainer.step):
            self.sample()
        for watcher in self.watchers:
            watcher(self.trainer)

    def sample(self) -> None:
        """Draw the grid of this step, unless it is drawn."""
        trainer = self.trainer
        if self.on_sample is None or self.grids.drawn == trainer.step:
            return
        with self.paused("samples"), self._evaluating():
            try:
                self.drawn = (trainer.step, self.on_sample(trainer.model, trainer.step))
            except OSError as error:  # a picture that the disk does not take ends no training
                what = error.strerror or error
                trainer.progress.note(f"no samples of step {trainer.step}: {what}")
        self.grids.took(trainer.step, self.pace.costs["samples"])

    def try_score(self) -> None:
        """Score the model once to see how long that takes; the score is thrown away."""
        best = self.trainer.best
        if not best.on or "score" in self.pace.costs:
            return
        self._prepare()
        with self.paused("score"), self._evaluating():
            best.score(self.trainer.model)

    def _prepare(self) -> None:
        if "preparation" not in self.pace.costs:
            with self.paused("preparation"):
                self.trainer.best.prepare()

    def score(self) -> None:
        """Score the model as it is now; see `Best`."""
        trainer = self.trainer
        self._prepare()
        with self.paused("score"), self._evaluating():
            row = trainer.best.judge(trainer.model, trainer.step)
        trainer.log.write(row)
        patience, waited = trainer.options.patience, trainer.best.state["waited"]
        trainer.progress.note(best.describe(row, patience, waited))

    @contextmanager
    def paused(self, what: str) -> Iterator[None]:
        """Within is no training: it is timed by itself."""
        with self._counted():
            self.trainer.lap()
            yield
            self.pace.pause(what, self.trainer.lap())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within is no training either; it is too short to be foretold."""
        with self._counted():
            self.trainer.lap()
            yield
            self.pace.elapsed += self.trainer.lap()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        start = time.process_time()
        yield
        self.paused_seconds += time.process_time() - start

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Within, the model is in evaluation mode and holds the sampling weights."""
        with evaluation_mode(self.trainer.model), self.trainer.sampling_weights():
            yield

    def _left(self, first: int, last: int, step_seconds: float) -> dict[str, int]:
        """How many pauses of each kind the steps first + 1 to last have."""
        options, trainer = self.trainer.options, self.trainer
        every = options.checkpoint_every
        saved = last // every - first // every + (last % every > 0)
        return {
            "samples": self.grids.count(first, last, step_seconds) if self.on_sample else 0,
            "checkpoint": saved if trainer.folder is not None else 0,
            "preparation": 1,
            "score": saved if trainer.best.on else 0,
        }
