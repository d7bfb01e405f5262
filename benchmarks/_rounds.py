"""Sides of a comparison, timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def alternated(
    sides: Mapping[str, Callable[[], T]], rounds: int, *, said: bool = False
) -> tuple[dict[str, list[float]], dict[str, T]]:
    """Seconds of each side in each round, and what it gave last; said: each as it is measured."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    values: dict[str, T] = {}
    for _ in range(rounds):
        for name, call in sides.items():
            start = time.perf_counter()
            values[name] = call()
            seconds[name].append(time.perf_counter() - start)
            if said:
                print(f"{name:<20} {seconds[name][-1]:8.2f} s", flush=True)
    return seconds, values
