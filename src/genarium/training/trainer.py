"""The one training loop: it plays any game that a `Model` describes and never names a model.

Everything random in a run is a pure function of (seed, step, phase, turn): the order of the
images (`Order`), the noise of a turn (`Noise`) and torch's global generator, seeded for each
turn's forward pass for layers such as dropout (and put back). So a checkpoint holds weights,
averages, optimizer state and a step number, and a run that goes on from it is bit-identical to one
that never stopped.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Batch, Model, Noise, Step
from genarium.errors import Interrupted, RunError, UserError
from genarium.training import checkpoint as checkpoints
from genarium.training.checkpoint import Checkpoint
from genarium.training.ema import Ema
from genarium.training.engine import Engine
from genarium.training.interruption import Interruption, explained
from genarium.training.log import Log, Means
from genarium.training.options import TrainOptions
from genarium.training.order import Order, derive
from genarium.training.players import Player
from genarium.training.progress import Progress, Silent, Steady
from genarium.training.randomness import seeded

MAX_ROLLBACKS = 3


@dataclass
class TrainingData:
    """What the trainer draws batches from: aligned tensors, uint8 images [N,C,H,W] first.

    unaligned: tensors of any number of rows; batches draw them in an order of their own, so that
    no row meets the same image each time.
    """

    images: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    unaligned: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.images.shape[0]


class NonFinite(Exception):
    """A loss or gradient that is NaN or infinite: the trainer rolls back."""


class Trainer:
    """Trains `model` on `data` and keeps its run folder.

    options: with `batch` and at least one of steps, epochs and minutes set.
    `attach` gives it a folder; without one nothing is kept on disk.
    """

    def __init__(
        self,
        model: Model,
        data: TrainingData,
        options: TrainOptions,
        *,
        engine: Engine | None = None,
    ):
        assert options.batch is not None
        self.engine = engine or Engine(options.device, options.precision)
        self.options, self.data = options, data
        self.batch = options.batch
        self._check(model)
        self.model = model.to(self.engine.device)
        if options.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        learnable = [p for p in model.parameters() if p.requires_grad]
        self.players = [Player(model, phase) for phase in model.phases]
        mine = [{id(p) for p in player.parameters} for player in self.players]
        self._idle = [[p for p in learnable if id(p) not in ids] for ids in mine]
        self.ema = Ema(model, options.ema) if options.ema else None
        if options.compile:
            for net in model.children():
                net.compile()
        self.order = Order(len(data), self.batch, options.seed)
        apart = {k: v for k, v in data.extra.items() if k in model.unaligned} | data.unaligned
        self.apart = {
            name: (values, Order(len(values), self.batch, derive(options.seed, "order", name)))
            for name, values in apart.items()
        }
        self.batches = max(phase.repeat for phase in model.phases)  # a step consumes
        self.step, self.seconds, self.rollbacks = 0, 0.0, 0
        self.folder: Path | None = None
        self.log = Log(None)
        self.progress: Progress = Silent()
        self.on_sample: Callable[[Model, int], None] | None = None
        share = self.batch // self.engine.world
        self.rows = slice(self.engine.rank * share, (self.engine.rank + 1) * share)
        self._means = Means()
        self._interruption = Interruption()
        self._good: Checkpoint | None = None

    def _check(self, model: Model) -> None:
        pack = model.pack
        fewest = min([len(self.data), *map(len, self.data.unaligned.values())])
        if fewest < self.batch:
            raise UserError(
                f"--batch {self.batch} is more than the {fewest} training images: "
                f"use --batch {max(1, fewest)} or less"
            )
        if self.batch % self.engine.world:
            raise UserError(
                f"--batch {self.batch} does not divide among {self.engine.world} processes: "
                f"use a multiple of {self.engine.world}"
            )
        if self.batch // self.engine.world % pack:
            raise UserError(
                f"--batch {self.batch}: this model judges packs of {pack} images, use a multiple "
                f"of {pack * self.engine.world}"
            )
        # normalizing over nothing but the images of a batch takes two of them
        if self.batch == 1 and any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()):
            raise UserError(
                "--batch 1: this model normalizes over the images of a batch, use --batch 2 or more"
            )

    def attach(
        self,
        folder: Path | None,
        progress: Progress | None = None,
        on_sample: Callable[[Model, int], None] | None = None,
    ) -> None:
        """Say where the run's files go and who is told of it.

        folder: gets checkpoints/ and metrics.jsonl. on_sample: called with (the model in eval
        mode holding the sampling weights, step).
        """
        self.folder = folder
        self.progress = Steady(progress) if progress else Silent()
        metrics = folder / "metrics.jsonl" if folder else None
        self.log = Log(metrics, self.options.tensorboard, self.progress.note)
        self.on_sample = on_sample

    # ------------------------------------------------------------------------ the budget

    @property
    def images_seen(self) -> int:
        return self.step * self.batch * self.batches

    def share(self) -> float:
        """How much of the budget is used, 0 to 1: the largest share of the limits given."""
        return self.share_at(self.step, self.seconds)

    def epoch_at(self, step: int) -> float:
        """How many passes over the data `step` steps are."""
        return step * self.batch * self.batches / len(self.data)

    def share_at(self, step: int, seconds: float) -> float:
        """The share of the budget that `step` steps in `seconds` are."""
        o = self.options
        shares = [0.0]
        if o.steps:
            shares.append(step / o.steps)
        if o.epochs:
            shares.append(self.epoch_at(step) / o.epochs)
        if o.minutes:
            shares.append(seconds / (60 * o.minutes))
        return min(1.0, max(shares))

    def learning_rate_factor(self) -> float:
        """The schedule and the warm-up at this step, halved at each rollback."""
        factor = 0.5**self.rollbacks
        if self.options.warmup and self.step < self.options.warmup:
            factor *= (self.step + 1) / self.options.warmup
        if self.options.schedule == "cosine":
            factor *= 0.5 * (1 + math.cos(math.pi * self.share()))
        elif self.options.schedule == "linear":
            factor *= 1 - self.share()
        elif self.options.schedule == "constant-linear":
            factor *= min(1.0, 2 * (1 - self.share()))
        return factor

    # ------------------------------------------------------------------------ one step

    def _seed(self, *parts: object) -> int:
        # a rollback changes every later draw, else the same numbers would fail again
        return derive(self.options.seed, *parts, *([self.rollbacks] if self.rollbacks else []))

    def batch_of(self, phase: str, turn: int) -> Batch:
        """The batch that turn `turn` of `phase` sees in this step."""
        number = self.step * self.batches + turn
        rows = self.order.rows(number)[self.rows]
        noise = Noise(
            self._seed("noise", self.step, phase, turn), self.batch, self.rows, self.engine.device
        )
        mirrored = (noise.uniform() < 0.5).view(-1, 1, 1, 1) if self.options.flip else None
        labels = self.data.labels
        extra = {k: v for k, v in self.data.extra.items() if k not in self.apart}
        batch = Batch(
            self._images(self.data.images[rows], mirrored),
            None if labels is None else labels[rows].to(self.engine.device),
            noise,
            {k: self._images(v[rows], mirrored) for k, v in extra.items()},
        )
        for name, (values, order) in self.apart.items():
            mirrored = (noise.uniform() < 0.5).view(-1, 1, 1, 1) if self.options.flip else None
            batch.extra[name] = self._images(values[order.rows(number)[self.rows]], mirrored)
        return batch

    def _images(self, values: Tensor, mirrored: Tensor | None) -> Tensor:
        """Rows of the data on the device; images (uint8 [B,C,H,W]) as the options ask for them."""
        values = values.to(self.engine.device)
        if values.dtype != torch.uint8 or values.ndim != 4:
            return values
        if mirrored is not None:
            values = torch.where(mirrored, values.flip(3), values)
        if self.options.channels_last:
            values = values.contiguous(memory_format=torch.channels_last)
        return values

    def play(self, number: int, turn: int) -> Step:
        """One turn of player `number`: losses, gradients, the optimizer's step."""
        player = self.players[number]
        phase = player.phase
        batch = self.batch_of(phase.name, turn)
        seed = self._seed("global", self.step, phase.name, turn, self.engine.rank)
        with seeded(seed, self.engine.device), self.engine.autocast():
            result: Step = self.model(batch, phase.name)
        loss = torch.stack([v.float() for v in result.losses.values()]).sum()
        self._expect_finite(loss, result, phase.name)
        player.zero_grad()
        loss.backward()
        self.engine.average(player.parameters)
        if self.options.clip:
            norm = torch.nn.utils.clip_grad_norm_(player.parameters, self.options.clip)
            self._means.add(f"{phase.name}/gradient_norm", norm)
        player.step()
        self.model.after(phase.name)
        return result

    def _expect_finite(self, loss: Tensor, result: Step, phase: str) -> None:
        # on a GPU reading the loss each turn would stall it: there the log's means are checked
        bad = self.engine.device.type == "cpu" and not math.isfinite(loss.item())
        if self.engine.any(int(bad)):
            names = [k for k, v in result.losses.items() if not bool(v.isfinite().all())]
            raise NonFinite(f"loss {phase}/{names[0] if names else 'of another process'}")

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
                for parameter in player.parameters:
                    parameter.requires_grad_(True)
                for parameter in self._idle[number]:
                    parameter.requires_grad_(False)
            for turn in range(phase.repeat):
                result = self.play(number, turn)
                for name, value in result.losses.items():
                    self._means.add(f"losses {phase.name}/{name}", value)
                for name, value in result.metrics.items():
                    self._means.add(f"metrics {phase.name}/{name}", value)
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
        self._logged = (self.step, self.seconds)
        self._since = time.monotonic()
        try:
            with (
                self._interruption.watching(),
                explained(lambda: self.step, self.batch, self.folder),
            ):
                while not self._finished():
                    if stop := self.engine.any(self._interruption.number):
                        self._stop(stop)
                self._sample()
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
                    self._keep()
                return True
            self.one_step()
            self.seconds += self._lap()
            self._after_step()
        except NonFinite as found:
            self._roll_back(str(found))
        return False

    def _done(self) -> bool:
        # with a limit in minutes each process has its own clock: one past it stops all
        done = self.share() >= 1.0
        return bool(self.engine.any(int(done))) if self.options.minutes else done

    def _lap(self) -> float:
        now = time.monotonic()
        lap, self._since = now - self._since, now
        return lap

    def _after_step(self) -> None:
        options = self.options
        row = self._row() if self.step % options.log_every == 0 or self._done() else None
        if row is not None:
            self.log.write(row)
        before_step, before_seconds = self._logged
        passed = max(1e-9, self.seconds - before_seconds)
        rate = (self.step - before_step) * self.batch * self.batches / passed
        if row is not None:
            self._logged = (self.step, self.seconds)
        self.progress.update(self.step, self.share(), rate, row)
        if self.step % options.checkpoint_every == 0:
            self._keep()
        if self.step % (options.sample_every or options.checkpoint_every) == 0:
            self._sample()

    def _row(self) -> dict[str, Any]:
        names, means = self._means.stacked()
        means = self.engine.mean(means.to(self.engine.device))
        self._means.clear()
        before_step, before_seconds = self._logged
        passed = max(1e-9, self.seconds - before_seconds)
        row: dict[str, Any] = {
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "images": self.images_seen,
            "epoch": round(self.epoch_at(self.step), 4),
            "rate": round((self.step - before_step) * self.batch * self.batches / passed, 1),
            "learning_rate": self.learning_rate_factor(),
            "losses": {},
            "metrics": {},
        }
        for name, value in zip(names, means.tolist()):
            group, _, key = name.partition(" ")
            if not key:
                group, key = "metrics", name
            if group == "losses" and not math.isfinite(value):
                raise NonFinite(f"loss {key}")
            # JSON has no NaN: a metric that is not a number in this interval is left out
            if math.isfinite(value):
                row[group][key] = value
        return row

    def _sample(self) -> None:
        if self.on_sample is None:
            return
        self.model.eval()
        with self.sampling_weights():
            try:
                self.on_sample(self.model, self.step)
            except OSError as error:  # a picture that the disk does not take ends no training
                self.progress.note(f"no samples of step {self.step}: {error.strerror or error}")
        self.model.train()
        self._lap()  # pictures are not training time

    @contextmanager
    def sampling_weights(self) -> Iterator[None]:
        """The averaged weights in the model's place, for as long as the block runs."""
        if self.ema is None:
            yield
            return
        live = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        own = self.model.state_dict()
        with torch.no_grad():
            for name, value in self.ema.state.items():
                own[name].copy_(value)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in live.items():
                    own[name].copy_(value)

    # ------------------------------------------------------------------------ state

    def snapshot(self) -> Checkpoint:
        """This moment, as copies on the CPU."""
        optim: dict[str, Tensor] = {}
        for player in self.players:
            optim.update(player.state())

        def copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
            return {k: v.detach().to("cpu", copy=True) for k, v in state.items()}

        return Checkpoint(
            step=self.step,
            model=copy(self.model.state_dict()),
            ema=copy(self.ema.state) if self.ema else None,
            optim=copy(optim),
            state={
                "step": self.step,
                "seconds": self.seconds,
                "rollbacks": self.rollbacks,
                "world": self.engine.world,
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
        self._means.clear()
        self.log.rewind(self.step)

    def _keep(self) -> None:
        found = self.snapshot()
        bad = [
            name
            for name, value in found.model.items()
            if value.is_floating_point() and not value.isfinite().all()
        ]
        if self.engine.any(int(bool(bad))):
            raise NonFinite(f"tensor {bad[0] if bad else 'of another process'}")
        self._good = found
        if self.folder is not None:
            checkpoints.save(self.folder / "checkpoints", found, self.options.keep)
        self._lap()  # nor is saving

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
        self._logged = (self.step, self.seconds)
        self.log.write({"step": self.step, "event": "rollback", "failed": failed, "what": what})
        self.progress.note(
            f"{what} is not finite at step {failed}: back to step {self.step} with half the "
            f"learning rate and new noise (rollback {attempts} of {MAX_ROLLBACKS})"
        )
        self._lap()

    def _stop(self, number: int) -> None:
        with suppress(NonFinite):  # poisoned weights: the checkpoint before stays the last
            self._keep()
        self.engine.wait()  # none ends before the first has saved
        name = signal.Signals(number).name
        where = f"; go on with `genarium resume {self.folder}`" if self.folder else ""
        raise Interrupted(f"stopped by {name} at step {self.step}{where}", 128 + number)
