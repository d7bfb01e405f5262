"""The least time that some work can take here: its arithmetic, and a training's optimizer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048
ADAM_BYTES = 7 * 4
"""A weight's in a step of Adam: weight, gradient and both moments are read, all but the gradient
written."""


def _best(work: Any, clock: Callable[[], float], times: int = 10) -> float:
    work()
    seconds = []
    for _ in range(times):
        start = clock()
        work()
        seconds.append(clock() - start)
    return min(seconds)


def product_rate(dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> float:
    """Operations a second of products of square matrices [2048,2048], the best of ten."""
    if dtype == torch.int8:
        a = torch.randint(-64, 65, (SIDE, SIDE), dtype=dtype)
        product = torch._int_mm
    else:
        a = torch.rand(SIDE, SIDE).to(dtype)
        product = torch.mm
    b = a.T.contiguous().T
    return 2.0 * SIDE**3 / _best(lambda: product(a, b), clock)


def memory_rate() -> float:
    """Bytes a second that are read and written in adding to 64 MB, the best of ten."""
    a = torch.zeros(2**24)
    return 2 * a.nbytes / _best(lambda: a.add_(1.0), time.perf_counter)


def line(what: str, operations: float, dtype: torch.dtype) -> str:
    """The floor in words: so many operations at the rate that was measured."""
    measured = product_rate(dtype)
    return (
        f"  floor: {what}, {operations / 1e9:.0f} G operations, {operations / measured:.2f} s at "
        f"{measured / 1e9:.0f} G/s of {str(dtype).removeprefix('torch.')} products here"
    )


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
