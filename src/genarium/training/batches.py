"""Which images and which random numbers each turn of a run sees: a function of its seed alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genarium.contract import Batch, Model, Noise
from genarium.errors import UserError
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.order import Order, derive


@dataclass
class TrainingData:
    """What the trainer draws batches from: aligned tensors, uint8 images [N,C,H,W] first.

    unpaired: tensors of any number of rows; batches draw them in an order of their own, so that
    no row meets the same image each time.
    """

    images: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    unpaired: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.images.shape[0]


class Batches:
    """The batches of a run of `model` on `data`; this process's rows of each.

    a_step: how many a step consumes; turn j of every phase sees the step's batch j. Raises
    UserError for a batch size that does not fit the data, the model or the processes.
    """

    def __init__(self, model: Model, data: TrainingData, options: TrainOptions, engine: Engine):
        assert options.batch is not None
        self.data, self.options, self.engine, self.size = data, options, engine, options.batch
        self._check(model)
        self.a_step = max(phase.repeat for phase in model.phases)
        self.order = Order(len(data), self.size, options.seed)
        unpaired = {k: v for k, v in data.extra.items() if k in model.unpaired} | data.unpaired
        self.unpaired = {
            name: (values, Order(len(values), self.size, derive(options.seed, "order", name)))
            for name, values in unpaired.items()
        }
        rows = self.size // engine.world
        self.rows = slice(engine.rank * rows, (engine.rank + 1) * rows)

    def _check(self, model: Model) -> None:
        size, world = self.size, self.engine.world
        fewest = min([len(self.data), *map(len, self.data.unpaired.values())])
        if fewest < size:
            raise UserError(
                f"--batch {size} is more than the {fewest} training images: "
                f"use --batch {max(1, fewest)} or less"
            )
        if size % world:
            raise UserError(
                f"--batch {size} does not divide among {world} processes: use a multiple of {world}"
            )
        if size // world % model.group_size:
            raise UserError(
                f"--batch {size}: this model judges groups of {model.group_size} images, use a "
                f"multiple of {model.group_size * world}"
            )
        # normalizing over nothing but the images of a batch takes two of them
        if size == 1 and any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()):
            raise UserError(
                "--batch 1: this model normalizes over the images of a batch, use --batch 2 or more"
            )

    def seed(self, rollbacks: int, *parts: object) -> int:
        """The seed of what `parts` name. A rollback changes every later draw, else the same numbers
        would fail again."""
        return derive(self.options.seed, *parts, *([rollbacks] if rollbacks else []))

    def of(self, step: int, phase: str, turn: int, rollbacks: int) -> Batch:
        """The batch that turn `turn` of `phase` sees in step `step`."""
        number = step * self.a_step + turn
        rows = self.order.rows(number)[self.rows]
        seed = self.seed(rollbacks, "noise", step, phase, turn)
        noise = Noise(seed, self.size, self.rows, self.engine.device)
        mirrored = self._mirrored(noise)
        labels = self.data.labels
        extra = {k: v for k, v in self.data.extra.items() if k not in self.unpaired}
        batch = Batch(
            self._images(self.data.images[rows], mirrored),
            None if labels is None else labels[rows].to(self.engine.device),
            noise,
            {k: self._images(v[rows], mirrored) for k, v in extra.items()},
        )
        for name, (values, order) in self.unpaired.items():
            own = values[order.rows(number)[self.rows]]
            batch.extra[name] = self._images(own, self._mirrored(noise))
        return batch

    def _mirrored(self, noise: Noise) -> Tensor | None:
        """Which images are flipped, [B,1,1,1] bool; None: none, and nothing is drawn."""
        return (noise.uniform() < 0.5).view(-1, 1, 1, 1) if self.options.flip else None

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
