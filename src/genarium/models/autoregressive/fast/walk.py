"""Runs the compiled kernel over images: groups of them, each on a thread of its own.

A group goes its way alone, from the first pixel to the last, so that threads never wait for one
another, and what a group keeps of its past stays in the processor's cache.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium.contract import Progress
from genarium.data.cache import root
from genarium.data.options import DataOptions
from genarium.models.autoregressive.fast import kernel
from genarium.models.autoregressive.fast.layout import laid_out
from genarium.models.autoregressive.fast.levels import ABREAST
from genarium.models.autoregressive.fast.lowering import Recorder
from genarium.models.autoregressive.fast.program import (
    CHOOSE,
    CODED,
    DECODE,
    ENCODE,
    PLACES,
    WORD,
    Program,
)

log = logging.getLogger("genarium.models")

GROUP = 16
"""Images that go together, at most: their weights are read once, their past fits into the cache."""
LINES = 4
"""Images that the kernel takes at once; a group is a multiple of them, where it has so many."""


@cache
def compiled() -> Any:
    """The kernel, with what was compiled before read from the cache folder.

    The folder is in GENARIUM_CACHE or the user's cache folder; where it cannot be written, each
    process compiles again. Sources and numba's version are in its name: numba itself sees changes
    of one file only. numba reads its index by pickle, so the folder must be the user's own.
    """
    import numba

    here = Path(__file__).parent
    files = ("arithmetic", "kernel", "levels", "program", "vectors")
    sources = b"".join((here / f"{name}.py").read_bytes() for name in files)
    key = hashlib.sha256(sources + numba.__version__.encode()).hexdigest()[:16]
    folder = root(DataOptions()) / "compiled" / key
    before = numba.config.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            numba.config.CACHE_DIR = str(folder)
            kernel.walk.enable_caching()
            if not [*folder.rglob("*.nbc")]:
                log.warning("the sampler is compiled, once for this machine: some ten seconds")
    except (OSError, RuntimeError):  # of numba, where nothing can be written
        log.info("%s cannot be written: the sampler is compiled in each process", folder)
    finally:
        numba.config.CACHE_DIR = before
    return kernel.walk


@dataclass(frozen=True)
class _Group:
    """Images that go together, and what is done at each pixel: `job`, one of CHOOSE .. DECODE.

    levels [B,C,H·W]: known, and written. labels [B]. chances [B,C,H·W], keep (the same shape, or
    nothing): to choose by. coded [B·C·H·W,2]: where each level's share of 2^24 begins, and how long
    it is, pixel by pixel. state: of the decoder, and how many of the words it has read.
    """

    job: int
    levels: NDArray[np.int64]
    labels: NDArray[np.int64]
    chances: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0)))
    keep: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=np.bool_))
    coded: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    state: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(2, dtype=np.uint64))
    words: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Compiled:
    """A lowered network and its head, ready to draw and to code images.

    recorder: of the network. embedded: [L], the floats of the levels. head: what the kernel needs
    of the distribution, see `levels`. classes: K of a conditional network.
    """

    def __init__(self, recorder: Recorder, embedded: Tensor, head: list[float], classes: int):
        self.recorder, self.embedded, self.classes = recorder, embedded.numpy(), classes
        self.head = np.array(head, dtype=np.float64)
        self.size = (recorder.height, recorder.width)

    def draw(
        self,
        noise: Tensor,
        labels: Tensor | None,
        given: tuple[Tensor, Tensor] | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """Levels [B,C,H,W] int64; the arguments are those of `wavefront.sample_wavefront`."""
        chances = noise.flatten(2).double().numpy()
        levels, keep = np.zeros(chances.shape, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        keep = keep.reshape(0, *chances.shape[1:])
        if given is not None:
            kept, where = (t.cpu().flatten(2).numpy() for t in given)
            keep = np.ascontiguousarray(where)
            levels[keep] = kept[keep]
        classes = self._labels(labels, len(noise))
        groups = [
            _Group(CHOOSE, levels[mine], classes[mine], chances[mine], keep[mine])
            for mine in _slices(len(noise), _size(len(noise), torch.get_num_threads()))
        ]
        self._run(groups, progress)
        return torch.from_numpy(levels).unflatten(2, self.size)

    def encode(self, levels: Tensor, labels: Tensor | None) -> list[NDArray[np.int64]]:
        """`_Group.coded` of every CODED images of levels [B,C,H,W]."""
        known, classes = levels.flatten(2).numpy(), self._labels(labels, len(levels))
        groups = []
        for mine in _slices(len(known), CODED):
            coded = np.zeros((known[mine].size, 2), dtype=np.int64)
            own = np.ascontiguousarray(known[mine])
            groups.append(_Group(ENCODE, own, classes[mine], coded=coded))
        self._run(groups)
        return [group.coded for group in groups]

    def decode(self, words: list[NDArray[np.int64]], n: int, labels: Tensor | None) -> Tensor:
        """Levels [n,C,H,W] of the words of every CODED images."""
        colours, (height, width) = self.recorder.colours, self.size
        levels = np.zeros((n, colours, height * width), dtype=np.int64)
        classes, groups = self._labels(labels, n), []
        for mine, own in zip(_slices(n, CODED), words, strict=True):
            first, second = [*own[:2].tolist(), 0, 0][:2]
            state = np.array([(first << WORD) + second, 2], dtype=np.uint64)
            groups.append(_Group(DECODE, levels[mine], classes[mine], state=state, words=own))
        self._run(groups)
        return torch.from_numpy(levels).unflatten(2, self.size)

    def _labels(self, labels: Tensor | None, n: int) -> NDArray[np.int64]:
        if labels is None or not self.classes:
            return np.zeros(n, dtype=np.int64)
        result = np.ascontiguousarray(labels.cpu().long().numpy())
        if n and not 0 <= result.min() <= result.max() < self.classes:  # the kernel does not look
            raise IndexError(
                f"labels from 0 to {self.classes - 1}, not {result.min()} to {result.max()}"
            )
        return result

    def _run(self, groups: list[_Group], progress: Progress | None = None) -> None:
        """All rows of all groups. progress: called in the caller's thread."""
        kernel, sizes = compiled(), {len(group.levels) for group in groups}
        programs = {size: laid_out(self.recorder, size) for size in sizes}
        steps: SimpleQueue[BaseException | None] = SimpleQueue()
        stop: list[bool] = []

        def work(group: _Group) -> None:
            try:
                for _ in self._rows(kernel, programs[len(group.levels)], group):
                    steps.put(None)
                    if stop:
                        return
            except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
                steps.put(error)

        total = len(groups) * self.recorder.height
        threads = max(1, min(torch.get_num_threads(), len(groups)))
        with ThreadPoolExecutor(threads) as pool:
            try:
                for group in groups:
                    pool.submit(work, group)
                for done in range(total):
                    error = steps.get()
                    if error is not None:
                        raise error
                    if progress is not None:
                        progress(done + 1, total)
            finally:
                stop.append(True)

    def _rows(self, kernel: Any, program: Program, group: _Group) -> Iterator[int]:
        """Yields after each row."""
        past = program.past.copy()
        begins = np.zeros((len(program.records), PLACES), dtype=np.int64)
        tables = np.zeros((ABREAST, 3 * self.recorder.outputs + 1))
        shape = (*self.size, self.recorder.colours)
        for row in range(self.recorder.height):
            kernel(
                program.records, program.blocks, program.weights, past,  begins,
                tables, self.embedded, shape, len(group.levels), row, row + 1, group.labels,
                group.chances, group.keep, group.levels, group.job, self.head, group.coded,
                group.state, group.words,
            )  # fmt: skip
            yield row


def _size(n: int, threads: int) -> int:
    """Images of a group: each thread has one at least, and none has more than GROUP."""
    size = min(GROUP, -(-n // max(1, threads)))
    return size if size <= LINES else size + -size % LINES


def _slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, max(1, size))]
