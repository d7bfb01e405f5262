"""The one training loop: it trains any players that a `Model` describes and never names a model.

Everything random in a run is a pure function of (seed, step, phase, turn): the order of the
images (`Order`), the noise of a turn (`Noise`) and torch's global generator, seeded for each
turn's forward pass for layers such as dropout (and put back). So a checkpoint holds weights,
averages, optimizer state and a step number, and a run that goes on from it is bit-identical to one
that never stopped.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Batch, Model, Step
from genarium.errors import Interrupted, RunError
from genarium.training import checkpoint as checkpoints
from genarium.training import world
from genarium.training.batches import Batches, TrainingData
from genarium.training.best import Best, Scorer
from genarium.training.checkpoint import Checkpoint, on_cpu
from genarium.training.ema import Ema
from genarium.training.engine import Engine
from genarium.training.interruption import Interruption, explained
from genarium.training.intervals import Intervals
from genarium.training.log import Log
from genarium.training.meter import Meter, NonFinite
from genarium.training.options import TrainOptions
from genarium.training.players import Player
from genarium.training.progress import Progress, Silent, Steady
from genarium.training.randomness import seeded
from genarium.training.schedule import Budget

__all__ = ["MAX_ROLLBACKS", "NonFinite", "Trainer", "TrainingData"]

MAX_ROLLBACKS = 3


class Trainer:
    """Trains `model` on `data` and keeps its run folder.

    options: with `batch` and at least one of steps, epochs and minutes set. scorer: of a model in
    evaluation mode, for `options.keep_best`.
    `attach` gives it a folder; without one nothing is kept on disk.
    """

    def __init__(
        self,
        model: Model,
        data: TrainingData,
        options: TrainOptions,
        *,
        engine: Engine | None = None,
        scorer: Scorer | None = None,
    ):
        self.engine = engine or Engine(options.device, options.precision)
        self.options, self.data = options, data
        self.batches = Batches(model, data, options, self.engine)
        self.batch = self.batches.size
        self.model = model.to(self.engine.device)
        if options.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.players = [Player(model, phase) for phase in model.phases]
        self.ema = Ema(model, options.ema) if options.ema else None
        if options.compile:
            for net in model.children():
                net.compile()
        images = self.batch * self.batches.a_step
        self.budget = Budget(options, images, len(data))
        self.meter = Meter(self.engine, images)
        self.best = Best(options, self.engine, scorer)
        self.intervals = Intervals(self)
        self.step, self.seconds, self.rollbacks = 0, 0.0, 0
        self.folder: Path | None = None
        self.log = Log(None)
        self.progress: Progress = Silent()
        self._interruption = Interruption()
        self._good: Checkpoint | None = None

    def attach(
        self,
        folder: Path | None,
        progress: Progress | None = None,
        on_sample: Callable[[Model, int], Tensor | None] | None = None,
        watchers: Sequence[Callable[[Trainer], None]] = (),
    ) -> None:
        """Say where the run's files go and what is called with it.

        folder: gets checkpoints/ and metrics.jsonl. on_sample: called with (the model in eval
        mode holding the sampling weights, step), gives the samples that it drew.
        watchers: called after each step; they change nothing.
        """
        self.folder = folder
        self.progress = Steady(progress) if progress else Silent()
        metrics = folder / "metrics.jsonl" if folder else None
        self.log = Log(metrics, self.options.tensorboard, self.progress.note)
        self.intervals.attach(on_sample, watchers)

    # ------------------------------------------------------------------------ one step

    def learning_rate_factor(self) -> float:
        """The schedule and the warm-up at this step, halved at each rollback."""
        return self.budget.learning_rate(self.step, self.seconds, self.rollbacks)

    def batch_of(self, phase: str, turn: int) -> Batch:
        """The batch that turn `turn` of `phase` sees in this step."""
        return self.batches.of(self.step, phase, turn, self.rollbacks)

    def play(self, number: int, turn: int) -> Step:
        """One turn of player `number`: losses, gradients, the optimizer's step."""
        player = self.players[number]
        phase = player.phase
        batch = self.batch_of(phase.name, turn)
        seed = self.batches.seed(
            self.rollbacks, "global", self.step, phase.name, turn, self.engine.rank
        )
        with seeded(seed, self.engine.device), self.engine.autocast():
            result: Step = self.model(batch, phase.name)
        loss = torch.stack([v.float() for v in result.losses.values()]).sum()
        self.meter.expect_finite(loss, result, phase.name)
        player.zero_grad()
        loss.backward()
        self.engine.average(player.parameters)
        if self.options.clip:
            norm = torch.nn.utils.clip_grad_norm_(player.parameters, self.options.clip)
            self.meter.gradient(phase.name, norm)
        player.step()
        self.model.after(phase.name)
        return result

    def one_step(self) -> None:
        """Every player's turns once."""
        factor = self.learning_rate_factor()
        several = len(self.players) > 1
        for number, player in enumerate(self.players):
            phase = player.phase
            if not phase.plays(self.step):
                continue
            player.learning_rate(factor)
            if several:
                player.alone()
            for turn in range(phase.repeat):
                self.meter.take(phase.name, self.play(number, turn))
        if self.ema is not None:
            self.ema.update(self.step)
        self.step += 1

    # ------------------------------------------------------------------------ the run

    def fit(self) -> None:
        """Train until the budget is used. Saves at the end, and before it stops for a signal.

        Raises Interrupted (SIGINT, SIGTERM, SIGHUP) and RunError (disk full, out of memory, losses
        that stay NaN after three rollbacks).
        """
        self.model.train()
        self._good = self.snapshot()
        self.meter.start(self.step, self.seconds)
        self.intervals.pace.begin(self.step, self.seconds)
        self._since = time.monotonic()
        try:
            with (
                self._interruption.watching(),
                explained(lambda: self.step, self.batch, self.folder),
            ):
                while not self._finished():
                    if stop := self.engine.any(self._interruption.number):
                        self._stop(stop)
                self.intervals.sample()
                self.progress.update(self.step, 1.0, 0.0, None)
        finally:
            self.progress.close()
            self.log.close()

    def _finished(self) -> bool:
        """Go one step further; True once the budget is used and the end is saved."""
        assert self._good is not None
        try:
            if self._done():
                if self._good.step != self.step or self.step == 0:
                    self._keep(scored=True)
                return True
            self.one_step()
            self.intervals.settle()
            self.seconds += (lap := self.lap())
            self.intervals.trained(lap)
            self._after_step()
        except NonFinite as error:
            self._roll_back(str(error))
        return False

    def _done(self) -> bool:
        # with a limit in minutes each process has its own clock: one past it stops all
        done = self.budget.used(self.step, self.seconds) >= 1.0 or self.best.over
        return bool(self.engine.any(int(done))) if self.options.minutes else done

    def lap(self) -> float:
        """Seconds since it was asked last."""
        now = time.monotonic()
        lap, self._since = now - self._since, now
        return lap

    def _after_step(self) -> None:
        options = self.options
        row = self._row() if self.step % options.log_every == 0 or self._done() else None
        self._tell(row)
        if self.step % options.checkpoint_every == 0:
            self._keep(scored=True)
            if row is None and self.best.over:  # known only now that this step is the last
                self._tell(self._row())
        self.intervals.after_step()

    def _tell(self, row: dict[str, Any] | None) -> None:
        """Write a row of the log, where there is one, and show how far the run is."""
        rate = self.meter.rate(self.step, self.seconds)
        if row is not None:
            self.log.write(row)
            self.meter.start(self.step, self.seconds)
        self.progress.update(self.step, self.budget.used(self.step, self.seconds), rate, row)

    def _row(self) -> dict[str, Any]:
        rates = {player.phase.name: player.rate for player in self.players}
        return self.meter.row(self.step, self.seconds, self.budget.epochs(self.step), rates)

    def sampling_weights(self) -> AbstractContextManager[None]:
        """The averaged weights in the model's place, for as long as the block runs."""
        return nullcontext() if self.ema is None else self.ema.in_place(self.model)

    # ------------------------------------------------------------------------ state

    def snapshot(self) -> Checkpoint:
        """This moment, as copies on the CPU."""
        optim: dict[str, Tensor] = {}
        for player in self.players:
            optim.update(player.state())
        return Checkpoint(
            step=self.step,
            model=on_cpu(self.model.state_dict()),
            ema=on_cpu(self.ema.state) if self.ema else None,
            optim=on_cpu(optim),
            state={
                "step": self.step,
                "seconds": self.seconds,
                "rollbacks": self.rollbacks,
                "world": self.engine.world,
                **({"best": self.best.state} if self.best.on else {}),
            },
        )

    def restore(self, saved: Checkpoint, where: str = "the checkpoint") -> None:
        """Go back (or on) to a saved moment."""
        checkpoints.load_weights(self.model, saved.model, where)
        for player in self.players:
            player.load(saved.optim)
        if self.ema is not None:
            # a run that starts averaging only now starts from the weights
            self.ema.load(saved.ema or saved.model)
        self.step = int(saved.state["step"])
        self.seconds = float(saved.state["seconds"])
        self.rollbacks = int(saved.state["rollbacks"])
        self.best.load(saved.state.get("best"))
        self.meter.clear()
        self.log.rewind(self.step)

    def _keep(self, scored: bool = False) -> None:
        snapshot = self.snapshot()
        bad = snapshot.poisoned()
        if self.engine.any(int(bool(bad))):
            raise NonFinite(f"tensor {bad[0] if bad else 'of another process'}")
        if scored and self.best.on:
            self.intervals.score()
            snapshot.state["best"] = self.best.state
        self._good = snapshot
        with self.intervals.paused("checkpoint"):
            if self.folder is not None:
                folder, keep = self.folder / "checkpoints", self.options.keep
                checkpoints.save(folder, snapshot, keep, self.best.step)

    def _roll_back(self, what: str) -> None:
        assert self._good is not None
        failed = self.step
        if self.rollbacks >= MAX_ROLLBACKS:
            raise RunError(
                f"{what} is not finite at step {failed}, after {MAX_ROLLBACKS} rollbacks with "
                f"halved learning rates; the checkpoint of step {self._good.step} is kept: "
                "lower --lr, or clip gradients with --clip 1"
            )
        attempts = self.rollbacks + 1
        self.restore(self._good)
        self.rollbacks = attempts
        self.meter.start(self.step, self.seconds)
        self.log.write({"step": self.step, "event": "rollback", "failed": failed, "what": what})
        self.progress.note(
            f"{what} is not finite at step {failed}: back to step {self.step} with half the "
            f"learning rate and new noise (rollback {attempts} of {MAX_ROLLBACKS})"
        )
        self.lap()

    def _stop(self, number: int) -> None:
        with suppress(NonFinite):  # poisoned weights: the checkpoint before stays the last
            self._keep()
        self.engine.wait()  # none ends before the first has saved
        name = signal.Signals(number).name
        said = f"stopped by {name} at step {self.step}"
        if self.folder:
            again = f"genarium resume {self.folder}{world.flag(self.engine.world)}"
            said += f"; go on with `{again}`"
        raise Interrupted(said, 128 + number)
