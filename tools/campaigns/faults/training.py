"""Trainer, players, order, averaged weights, checkpoints, log."""

from __future__ import annotations

from faults.fault import of

TRAINER = (
    "tests/training/test_steps_by_hand.py",
    "tests/training/test_trainer.py",
)
EMA = "weight = 1.0 - min(self.decay, (1 + step) / (10 + step))"

FAULTS = (
    *of(
        "training/ema.py",
        TRAINER,
        ("ema: ramp", EMA, EMA.replace("min(", "max("), "the ramp is a floor, not a ceiling"),
        (
            "ema: weight",
            EMA,
            "weight = min(self.decay, (1 + step) / (10 + step))",
            "the new weights get the old ones' share",
        ),
        ("ema: start", EMA, EMA.replace("(1 + step)", "(10 + step)"), "there is no ramp"),
    ),
    *of(
        "training/order.py",
        ("tests/training/test_order.py",),
        (
            "order: epochs alike",
            'generator = torch.Generator().manual_seed(derive(self.seed, "order", number))',
            'generator = torch.Generator().manual_seed(derive(self.seed, "order"))',
            "every epoch in the same order",
        ),
        (
            "order: end of an epoch",
            "part = self._epoch(epoch)[offset : offset + wanted]",
            "part = self._epoch(epoch)[:wanted]",
            "every batch begins with the first images of its epoch",
        ),
        (
            "order: start of a batch",
            "start, parts, wanted = number * self.batch, [], self.batch",
            "start, parts, wanted = number * (self.batch - 1), [], self.batch",
            "batches overlap by an image",
        ),
    ),
    *of(
        "training/schedule.py",
        TRAINER,
        (
            "warm-up: first step",
            "factor *= (step + 1) / self.options.warmup",
            "factor *= step / self.options.warmup",
            "the first step has no learning rate",
        ),
        (
            "cosine: half",
            "factor *= 0.5 * (1 + math.cos(math.pi * used))",
            "factor *= 0.5 * (1 + math.cos(2 * math.pi * used))",
            "a whole wave: the rate rises again",
        ),
        (
            "constant-linear: slope",
            "factor *= min(1.0, 2 * (1 - used))",
            "factor *= min(1.0, 1 - used)",
            "falls from the start",
        ),
        (
            "rollback: halving",
            "factor = 0.5**rollbacks",
            "factor = 1.0",
            "the learning rate stays after a rollback",
        ),
    ),
    *of(
        "training/batches.py",
        TRAINER,
        (
            "turns: same batch",
            "number = step * self.a_step + turn",
            "number = step * self.a_step",
            "the critic sees one batch in all its turns",
        ),
        (
            "noise: same in each turn",
            'seed = self.seed(rollbacks, "noise", step, phase, turn)',
            'seed = self.seed(rollbacks, "noise", step, phase, 0)',
            "the critic sees the same noise in all its turns",
        ),
        (
            "flip: axis",
            "return torch.where(which, images.flip(3), images)",
            "return torch.where(which, images.flip(2), images)",
            "upside down, not mirrored",
        ),
    ),
    *of(
        "training/trainer.py",
        TRAINER,
        (
            "epochs: images of a step",
            "images = self.batch * self.batches.a_step",
            "images = self.batch",
            "the critic's batches are not counted",
        ),
        (
            "gradients: not forgotten",
            "player.zero_grad()\n",
            "pass\n",
            "gradients add up over the steps",
        ),
    ),
    *of(
        "training/players.py",
        TRAINER,
        (
            "gradients: idle players",
            "for parameter in self.idle:\n            parameter.requires_grad_(False)",
            "for parameter in self.idle:\n            parameter.requires_grad_(True)",
            "the other players' weights get gradients",
        ),
    ),
    *of(
        "contract/model.py",
        ("tests/training/test_trainer.py", "tests/models/test_stacked.py"),
        (
            "phase: stop",
            "late = self.stop is not None and step >= self.stop",
            "late = self.stop is not None and step > self.stop",
            "a phase plays a step too long",
        ),
    ),
    *of(
        "contract/batch.py",
        ("tests/test_pixels_by_hand.py",),
        (
            "dequantize: ends",
            "return levels.to(torch.float32) * (2.0 / (n - 1)) - 1.0",
            "return levels.to(torch.float32) * (2.0 / n) - 1.0",
            "white is not 1",
        ),
    ),
    *of(
        "contract/values.py",
        ("tests/test_pixels_by_hand.py",),
        (
            "quantize: levels",
            "return (images.to(torch.int64) * levels) >> 8",
            "return (images.to(torch.int64) * (levels - 1)) >> 8",
            "the highest level is never reached",
        ),
        (
            "to_uint8: rounding",
            "return x.add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)",
            "return x.add(1.0).mul(127.5).clamp(0, 255).to(torch.uint8)",
            "cut off, not rounded",
        ),
    ),
    *of(
        "training/players.py",
        ("tests/training/test_players.py", "tests/training/test_steps_by_hand.py"),
        (
            "players: schedule",
            'group["lr"] = self.phase.optim.lr * factor',
            'group["lr"] = group["lr"] * factor',
            "the schedule's factors multiply up",
        ),
        (
            "players: state turned round",
            "value = value.permute(0, 3, 1, 2)",
            "value = value.permute(0, 2, 3, 1)",
            "the optimizer's state is saved with wrong axes",
        ),
        (
            "players: state read as saved",
            "value = torch.empty_like(seen).copy_(laid_out(value, last))",
            "value = torch.empty_like(seen).copy_(value.reshape(seen.shape))",
            "the optimizer's state is read with wrong axes",
        ),
    ),
    *of(
        "training/files.py",
        ("tests/training/test_durable.py",),
        (
            "checkpoint: fsync",
            "os.fsync(descriptor)",
            "pass",
            "a save is not synced to the disk",
        ),
    ),
    *of(
        "training/checkpoint.py",
        ("tests/training/test_durable.py", "tests/training/test_checkpoint.py"),
        (
            "checkpoint: no sums",
            'return f"{Path(error.filename).name} is missing"',
            "return None",
            "a checkpoint without sums passes as whole",
        ),
        (
            "checkpoint: sum of a file",
            "if _sha256(path / name) != expected:",
            "if len(_sha256(path / name)) != len(expected):",
            "a damaged file passes",
        ),
    ),
    *of(
        "training/log.py",
        TRAINER,
        (
            "log: mean",
            "torch.stack([self._sums[k] / self._counts[k] for k in names])",
            "torch.stack([self._sums[k] for k in names])",
            "the sum since the last row, not the mean",
        ),
        (
            "log: rewind",
            'for row in rows if row["step"] <= step)',
            'for row in rows if row["step"] < step)',
            "the row of the checkpoint is lost when a run goes on",
        ),
    ),
)
