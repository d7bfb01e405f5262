"""Batches, their random numbers, and the ranges that pixels come in.

B batch · C channels · H, W height, width · L grey levels
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genarium.contract.values import EIGHT_BIT, Values
from genarium.errors import UserError


class Noise:
    """Random numbers of one turn, the same however many processes share the batch.

    Every draw is made for the *global* batch from a generator seeded by (seed, step, phase,
    turn), and each process keeps its own rows. So a run on two processes sees the numbers of a
    run on one, and a resumed run the numbers of an unbroken one. A model's `step` takes all its
    randomness from here (`batch.noise`), never from torch's global generator.

    rows: this process's rows of the global batch. total: the size of the global batch.
    """

    def __init__(
        self,
        seed: int,
        total: int,
        rows: slice | None = None,
        device: torch.device | str = "cpu",
    ):
        # Drawn on the CPU and moved: a CPU generator gives the same numbers for every device.
        self.generator = torch.Generator().manual_seed(seed)
        self.seed, self.total = seed, total
        self.rows = rows if rows is not None else slice(0, total)
        self.device = torch.device(device)
        self.there: torch.Generator | None = None

    def _mine(self, full: Tensor) -> Tensor:
        return full[self.rows].to(self.device, non_blocking=True)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal draws, [B, *shape] float32."""
        return self._mine(torch.randn(self.total, *shape, generator=self.generator))

    def normal_images(self, *shape: int) -> Tensor:
        """As `normal`, drawn on the device itself: noise of the size of images takes a CPU longer
        than a GPU's whole step. There a device of another kind gives other numbers."""
        if self.device.type == "cpu":
            return self.normal(*shape)
        # a stream of its own beside that of `generator`
        if self.there is None:
            self.there = torch.Generator(self.device).manual_seed(self.seed)
        full = torch.randn(self.total, *shape, generator=self.there, device=self.device)
        return full[self.rows]

    def uniform(self, *shape: int) -> Tensor:
        """Uniform draws on [0, 1), [B, *shape] float32."""
        return self._mine(torch.rand(self.total, *shape, generator=self.generator))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers 0 .. high-1, [B, *shape] int64."""
        return self._mine(torch.randint(high, (self.total, *shape), generator=self.generator))

    def shared_normal(self, *shape: int) -> Tensor:
        """Standard normal draws that every process sees alike (no batch axis), float32."""
        return torch.randn(*shape, generator=self.generator).to(self.device)

    def shared_uniform(self, *shape: int) -> Tensor:
        """Uniform draws on [0, 1) that every process sees alike (no batch axis), float32."""
        return torch.rand(*shape, generator=self.generator).to(self.device)


@dataclass
class Batch:
    """Images as they are stored, and what goes with them.

    Models ask for the view they need: `signed()`, `unit()`, `levels(n)` or `bits()`.

    images: [B,C,H,W] of the type that `values` names. labels: [B] int64 or None. noise: this
    turn's random numbers. extra: further aligned tensors of a data set (a caption's tokens, a
    paired image), by name. values: what the stored values mean.
    """

    images: Tensor
    labels: Tensor | None = None
    noise: Noise = field(default_factory=lambda: Noise(0, 1))
    extra: dict[str, Tensor] = field(default_factory=dict)
    values: Values = EIGHT_BIT

    def __post_init__(self) -> None:
        self.values.check(self.images, "Batch: images")

    def __len__(self) -> int:
        return self.images.shape[0]

    def signed(self) -> Tensor:
        """Pixels on [-1, 1] (of 8 bits x/127.5 - 1), float32 [B,C,H,W] laid out as `images` are."""
        return self.values.signed(self.images)

    def unit(self) -> Tensor:
        """Pixels on [0, 1], [B,C,H,W] float32: x/255 of 8 bits."""
        return self.values.unit_interval(self.images)

    def levels(self, n: int = 256) -> Tensor:
        """Grey levels 0 .. n-1, [B,C,H,W] int64: floor(x·n/256) of 8 bits."""
        return self.values.quantize(self.images, n)

    def bits(self) -> Tensor:
        """Dynamic binarization: a fresh draw a pixel, white with probability `unit()`,
        [B,C,H,W] of 0.0 or 1.0."""
        # in place: a mask and its conversion take ten times as long as the comparison
        return self.noise.uniform(*self.images.shape[1:]).lt_(self.unit())


def quantize(images: Tensor, levels: int) -> Tensor:
    """uint8 -> grey levels 0 .. levels-1 (int64): floor(x·levels/256)."""
    _expect_uint8(images, "quantize")
    return EIGHT_BIT.quantize(images, levels)


def _expect_uint8(images: Tensor, where: str) -> None:
    """What holds floats, or levels, would come out as another picture without a word."""
    if images.dtype != torch.uint8:
        raise UserError(f"{where}: {images.dtype}: give uint8 images".replace("torch.", ""))


def dequantize(levels: Tensor, n: int) -> Tensor:
    """Grey levels 0 .. n-1 -> floats on [-1, 1], evenly spaced, the end levels on the end points:
    what a network gets of a level. An image of levels is `from_levels`."""
    return levels.to(torch.float32) * (2.0 / (n - 1)) - 1.0


def from_levels(levels: Tensor, n: int) -> Tensor:
    """Grey levels 0 .. n-1 -> an image on [-1, 1] whose 8 bits have these levels, n <= 256:

        quantize(to_uint8(from_levels(levels, n)), n) == levels

    That is `dequantize`, but where its rounding to 8 bits leaves the level's bin, which is the grey
    values ceil(256·k/n) .. ceil(256·(k+1)/n) - 1 of level k, the bin's nearest one.
    """
    every = torch.arange(n, device=levels.device)
    return EIGHT_BIT.from_levels(every.view(1, 1, -1), n).flatten()[levels]


def to_uint8(x: Tensor) -> Tensor:
    """Floats on [-1, 1] -> uint8 0 .. 255 (clamped, rounded): the inverse of `Batch.signed`.

    Raises UserError for other types, which would be scaled twice.
    """
    if not x.is_floating_point():
        raise UserError(f"to_uint8: {x.dtype}: give floats on [-1, 1]".replace("torch.", ""))
    return EIGHT_BIT.stored(x)


def from_uint8(images: Tensor) -> Tensor:
    """uint8 -> floats on [-1, 1]: x/127.5 - 1. Raises UserError for other types."""
    _expect_uint8(images, "from_uint8")
    return EIGHT_BIT.signed(images)
