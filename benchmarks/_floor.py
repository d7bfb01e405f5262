"""The least time that a training step can take here: its arithmetic and its optimizer's traffic."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

ADAM_BYTES = 7 * 4
"""A weight's in a step of Adam: weight, gradient and both moments are read, all but the gradient
written."""


def _best(work: Any, times: int = 10) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def product_rate(dtype: torch.dtype) -> float:
    """Operations a second of a product of 1024×1024 matrices, the best of ten."""
    a = torch.rand(1024, 1024).to(dtype)
    return 2 * 1024**3 / _best(lambda: a @ a)


def memory_rate() -> float:
    """Bytes a second that are read and written in adding to 64 MB, the best of ten."""
    a = torch.zeros(2**24)
    return 2 * a.nbytes / _best(lambda: a.add_(1.0))


def step_floor(trainer: Any) -> tuple[float, str]:
    """Seconds of a step of `trainer` at least, and how they were reckoned. It takes a step.

    The operations are those of the products and convolutions of the step as it is; the bytes are
    the optimizer's.
    """
    with FlopCounterMode(display=False) as counter:
        trainer.one_step()
    flops = counter.get_total_flops()
    weights = sum(p.numel() for player in trainer.players for p in player.parameters)
    dtype = torch.bfloat16 if trainer.engine.bf16 else torch.float32
    speed, memory = product_rate(dtype), memory_rate()
    seconds = flops / speed + weights * ADAM_BYTES / memory
    words = (
        f"floor {1e3 * seconds:.2f} ms a step: {flops / 1e9:.2f} GFLOP at {speed / 1e9:.0f} "
        f"GFLOP/s, {weights * ADAM_BYTES / 1e6:.0f} MB of Adam at {memory / 1e9:.0f} GB/s"
    )
    return seconds, words
