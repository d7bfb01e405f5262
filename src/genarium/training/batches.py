"""Which images and which random numbers each turn of a run sees: a function of its seed alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Batch, Model, Noise, Values
from genarium.errors import UserError
from genarium.nn.augmentation import KINDS
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.order import Order, derive


@dataclass
class TrainingData:
    """What the trainer draws batches from: aligned tensors, images [N,C,H,W] first.

    unpaired: tensors of any number of rows; batches draw them in an order of their own, so that
    no row meets the same image each time. values, second_values: what the stored values of the
    images mean, and those of the images "b" of a second domain.
    """

    images: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    unpaired: dict[str, Tensor] = field(default_factory=dict)
    values: Values = EIGHT_BIT
    second_values: Values = EIGHT_BIT

    def values_of(self, name: str) -> Values:
        """What the stored values of the images beside the first mean, by name."""
        return self.second_values if name == "b" else EIGHT_BIT

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
        flip = ("flip",) if options.flip else ()
        self.changes = tuple(dict.fromkeys((*flip, *options.augment)))
        self._check(model)
        self._check_changes()
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

    def _check_changes(self) -> None:
        images = self.data.images
        pairs = [x for name, x in self.data.extra.items() if _are_images(name, x)]
        for kind in self.changes:
            shown = f"--augment {kind}"
            if min(images.shape[2:]) < 2:
                raise UserError(f"{shown}: these data are points, not pictures: leave it out")
            if kind == "color" and pairs:
                raise UserError(
                    f"{shown}: it would recolour the two images of a pair as one: leave it out"
                )
            if kind != "flip" and any(x.shape[2:] != images.shape[2:] for x in pairs):
                raise UserError(
                    f"{shown}: the images of a pair have two sizes and are changed as one: leave "
                    "it out, or give flip alone"
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
        labels = self.data.labels
        extra = {k: taken(v, rows) for k, v in self.data.extra.items() if k not in self.unpaired}
        beside = [name for name, values in extra.items() if _are_images(name, values)]
        images, *others = self._images(
            [taken(self.data.images, rows), *(extra[name] for name in beside)],
            [self.data.values, *map(self.data.values_of, beside)],
            noise,
        )
        batch = Batch(
            images,
            None if labels is None else labels[rows].to(self.engine.device),
            noise,
            {k: v.to(self.engine.device) for k, v in extra.items()} | dict(zip(beside, others)),
            self.data.values,
        )
        for name, (values, order) in self.unpaired.items():
            own = taken(values, order.rows(number)[self.rows])
            if _are_images(name, own):
                (own,) = self._images([own], [self.data.values_of(name)], noise)
            batch.extra[name] = own.to(self.engine.device)
        return batch

    def _images(self, together: list[Tensor], values: list[Values], noise: Noise) -> list[Tensor]:
        """Images that belong together, [B,C,H,W] each, on the device and changed alike, as the
        options ask for; nothing is drawn where they ask for nothing. They stay as they are stored:
        what is not a mirroring passes through floats and is rounded back."""
        together = [images.to(self.engine.device) for images in together]
        for kind in self.changes:
            if kind == "flip":  # exact, and for pairs of two sizes too
                mirrored = (noise.uniform() < 0.5).view(-1, 1, 1, 1)
                together = [_mirrored(x, mirrored) for x in together]
                continue
            joined = torch.cat([own.signed(x) for own, x in zip(values, together)], 1)
            parts = KINDS[kind](joined, noise).split([x.shape[1] for x in together], 1)
            together = [own.stored(part) for own, part in zip(values, parts)]
        if self.options.channels_last:
            together = [x.contiguous(memory_format=torch.channels_last) for x in together]
        return together


def taken(values: Tensor, rows: Tensor) -> Tensor:
    """values[rows]; on a CPU `index_select` copies whole rows, which is some ten times as fast."""
    whole = values.device.type == "cpu" and values.is_contiguous()
    return values.index_select(0, rows) if whole else values[rows]


def _mirrored(images: Tensor, which: Tensor) -> Tensor:
    """Those of `which` left to right; PyTorch has no kernels for uint16, so int16 carries its
    bits."""
    if images.dtype == torch.uint16:
        return _mirrored(images.view(torch.int16), which).view(torch.uint16)
    return torch.where(which, images.flip(3), images)


def _are_images(name: str, values: Tensor) -> bool:
    return values.ndim == 4 and (name == "b" or values.dtype == torch.uint8)
