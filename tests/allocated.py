"""How much memory a piece of code holds at once, counted in bytes: the same on every machine."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode


class Allocated(TorchFunctionMode):
    """Bytes of the tensors that calls of torch gave inside and that are alive together, at most.

    peak: they, as torch allocates them, plus the most that Python and NumPy held meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.tensors = self.peak = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = {_key(one) for one in _tensors(args)}
        result = func(*args, **(kwargs or {}))
        made = [one for one in _tensors((result,)) if _key(one) not in given]
        if made:
            alive = {key: of for key, of in self._alive.items() if not of[0].expired()}
            for one in made:
                storage = one.untyped_storage()
                alive[_key(one)] = (StorageWeakRef(storage), storage.nbytes())
            self._alive = alive
            self.tensors = max(self.tensors, sum(size for _, size in alive.values()))
        return result


def _tensors(given: tuple[Any, ...]) -> list[torch.Tensor]:
    """The tensors among some things and in the lists among them."""
    parts = [x for one in given for x in (one if isinstance(one, tuple | list) else (one,))]
    return [one for one in parts if isinstance(one, torch.Tensor)]


def _key(tensor: torch.Tensor) -> int:
    key: int = tensor.untyped_storage()._cdata
    return key


@contextmanager
def allocated() -> Iterator[Allocated]:
    """Counts what the block holds beyond what was there: `.peak` when it has ended."""
    counter = Allocated()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        with counter:
            yield counter
        counter.peak = counter.tensors + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
