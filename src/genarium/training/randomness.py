"""Torch's global generators, seeded for a moment and put back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ONE = threading.RLock()


def _generators(device: torch.device) -> list[torch.Generator]:
    results = [torch.default_generator]
    if device.type in ("cuda", "xpu"):
        module = torch.get_device_module(device)
        module.init()
        index = module.current_device() if device.index is None else device.index
        results.append(module.default_generators[index])
    elif device.type == "mps":
        results.append(torch.mps._get_default_mps_generator())
    return results


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """The global generators of the CPU and of `device` begin at `seed` inside the block.

    Afterwards they are as they were before, so that a training does not fix what its caller
    draws next. The generators belong to the whole process: of several threads one at a time is
    inside, so trainings in threads do not mix their draws.
    """
    with _ONE:
        generators = _generators(torch.device(device))
        before = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, before):
                generator.set_state(state)
