"""The settings of a training run, beside the recipe's arguments and the data's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

BUDGET = ("steps", "epochs", "minutes")
CHANGEABLE = (
    *BUDGET,
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "patience",
    "monitor",
    "tensorboard",
    "device",
    "threads",
)
"""What may change in a run that goes on; with anything else it would be another run."""


Augmentation = Literal["flip", "color", "translation", "cutout", "affine"]
"""A random change of the training images: `nn.augmentation.KINDS` makes them."""


@dataclass(frozen=True)
class TrainOptions:
    """Settings of a training run.

    steps: stop after this many steps (default: the recipe's).
    epochs: stop after this many passes over the training split.
    minutes: stop after this many minutes of training.
    batch: images a step, over all processes together (default: the recipe's).
    seed: seeds the weights, the order of the images and all noise.
    schedule: how the learning rate falls over the budget; constant-linear falls over its second
        half (default: the recipe's).
    warmup: steps over which the learning rate rises from 0.
    clip: largest gradient norm of a player; larger gradients are scaled down (0: off).
    ema: decay of the exponential moving average of the weights, which then samples (0: off).
    flip: mirror each training image left to right with probability 1/2; the same as --augment flip.
    augment: change training images at random, anew each time, by some of flip, color, translation,
        cutout, affine (turned, slanted, resized a little), separated by commas; the model learns
        the changed images (a GAN's own diffaugment, see its recipe, does not teach them)
    precision: auto takes bf16 where the hardware has bf16 matrix units, else fp32.
    device: auto takes a GPU where there is one.
    threads: of a training on a CPU (default: one or all, whichever a short trial finds faster;
        OMP_NUM_THREADS decides where it is set).
    channels_last: keep images and convolutions in channels-last memory order.
    compile: compile the networks with torch.compile (first step takes long).
    log_every: write a row of metrics.jsonl every so many steps.
    sample_every: draw a sample grid every so many steps (0: at steps 10, 20, 50, 100, 200 ... and
        at checkpoints).
    checkpoint_every: save a checkpoint every so many steps.
    keep: how many checkpoints to keep.
    keep_best: score each checkpoint on validation images and keep the best one too, which is then
        what the run loads.
    patience: stop after so many checkpoints in a row that score no better (0: off; needs
        --keep-best).
    monitor: measure the training as it goes, for at most 3 % of its time, and say what is wrong
        with it (see docs/doctor.md); it changes no number of the run.
    tensorboard: also write TensorBoard event files (needs the extra `track`).
    """

    steps: Annotated[int, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] | None = None
    minutes: Annotated[float, Gt(0)] | None = None
    batch: Annotated[int, Gt(0)] | None = None
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    schedule: Literal["constant", "cosine", "linear", "constant-linear"] = "constant"
    warmup: Annotated[int, Ge(0)] = 0
    clip: Annotated[float, Ge(0)] = 0.0
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    flip: bool = False
    augment: tuple[Augmentation, ...] = ()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    threads: Annotated[int, Gt(0), Le(1024)] | None = None
    channels_last: bool = True
    compile: bool = False
    log_every: Annotated[int, Gt(0)] = 50
    sample_every: Annotated[int, Ge(0)] = 0
    checkpoint_every: Annotated[int, Gt(0)] = 500
    keep: Annotated[int, Gt(0)] = 2
    keep_best: bool = False
    patience: Annotated[int, Ge(0)] = 0
    monitor: bool = True
    tensorboard: bool = False
