"""How fast this machine multiplies matrices: what the arithmetic of a benchmark takes at least."""

from __future__ import annotations

import time

import torch

SIDE = 2048


def rate(dtype: torch.dtype, rounds: int = 5) -> float:
    """Operations a second of products of square matrices [2048,2048], the fastest of `rounds`."""
    if dtype == torch.int8:
        a = torch.randint(-64, 65, (SIDE, SIDE), dtype=dtype)
        product = torch._int_mm
    else:
        a = torch.randn(SIDE, SIDE, dtype=dtype)
        product = torch.mm
    b = a.T.contiguous().T
    product(a, b)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        product(a, b)
        best = min(best, time.perf_counter() - start)
    return 2.0 * SIDE**3 / best


def line(what: str, operations: float, dtype: torch.dtype) -> str:
    """The floor in words: so many operations at the rate that was measured."""
    measured = rate(dtype)
    return (
        f"  floor: {what}, {operations / 1e9:.0f} G operations, {operations / measured:.2f} s at "
        f"{measured / 1e9:.0f} G/s of {str(dtype).removeprefix('torch.')} products here"
    )
