"""How many threads a training on a CPU uses: one or more, by trying which is faster here and now.

A second thread waits for the first at each operation. On a core that another program has as well,
that wait is as long as the other program runs: with small images two threads were seen to take 7 to
10 times as long as one. On a machine that is free, more threads are faster or as fast.

The number decides in which order sums are taken, so it is a setting of the run, and a run that goes
on takes the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional as F

from genarium.training.engine import Engine
from genarium.training.options import TrainOptions

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
ROUNDS = 9
LIMIT = 0.8  # seconds of trials, after which no further round begins
CLEARLY = 1.25  # times as fast as with all threads, for fewer of them


def chosen(options: TrainOptions, engine: Engine) -> int:
    """The number of threads of a new run: as asked, as it is, or by a trial.

    On a GPU, with several processes and where the environment says a number, nothing is tried.
    """
    there = torch.get_num_threads()
    if options.threads is not None:
        return options.threads
    said = any(os.environ.get(name) for name in VARIABLES)
    if engine.device.type != "cpu" or engine.world > 1 or there == 1 or said:
        return there
    return fastest(there)


def fastest(there: int) -> int:
    """`there` threads, unless fewer are clearly faster at what small networks compute."""
    tried = sorted({1, there // 2, there} - {0})
    times: dict[int, list[float]] = {count: [] for count in tried}
    for count in tried:
        with using(count):
            _seconds()  # what it makes once, threads among it, is not counted
    begin = time.monotonic()
    for number in range(ROUNDS):
        if number and time.monotonic() - begin > LIMIT:
            break
        for count in tried:
            with using(count):
                times[count].append(_seconds())
    means = {count: _mean(some) for count, some in times.items()}
    best = min(tried, key=lambda count: means[count])
    return best if means[there] > CLEARLY * means[best] else there


def _mean(seconds: list[float]) -> float:
    """A mean, as what another program takes away comes now and then; without the slowest, as a
    single pause is no program."""
    kept = sorted(seconds)[:-1] or seconds
    return sum(kept) / len(kept)


def _seconds() -> float:
    """Seconds that some layers of a small network take, there and back."""
    with torch.enable_grad():
        images = torch.ones(32, 3, 32, 32)
        first = torch.full((16, 3, 4, 4), 0.01, requires_grad=True)
        second = torch.full((32, 16, 4, 4), 0.01, requires_grad=True)
        dense = torch.full((64, 32 * 64), 0.01, requires_grad=True)
        begin = time.perf_counter()
        for _ in range(2):
            maps = F.relu(F.conv2d(images, first, stride=2, padding=1))
            maps = F.relu(F.conv2d(maps, second, stride=2, padding=1))
            F.linear(maps.flatten(1), dense).square().mean().backward()
        return time.perf_counter() - begin


@contextmanager
def using(count: int | None) -> Iterator[None]:
    """Compute with `count` threads inside the block; None: with as many as there are."""
    before = torch.get_num_threads()
    if count in (None, before):
        yield
        return
    assert count is not None
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
