"""Many images, a part at a time, so that any number fits into memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from genarium.contract import TRANSLATED, Settings

CHUNK = 256
"""Images drawn at a time; a fixed number, so that sample(n, seed) is one definite set."""


def translate_in_parts(
    model: Any, images: Tensor, direction: str | None, generator: torch.Generator | None
) -> Tensor:
    """`model.translate` of any number of images, `TRANSLATED` at a time; on the CPU."""
    device = next((p.device for p in model.parameters()), images.device)
    parts = [
        model.translate(some.to(device), direction=direction, generator=generator).cpu()
        for some in images.split(TRANSLATED)
    ]
    return torch.cat(parts)


def asked_of(condition: Tensor | None, device: torch.device) -> dict[str, Tensor]:
    """The argument `condition`, only where there is one: not every model knows it."""
    return {} if condition is None else {"condition": condition.to(device)}


def as_set(method: Callable[..., Any], settings: Settings | None) -> dict[str, Settings]:
    """The argument `settings`, only where there are some and the method knows them."""
    known = settings is not None and "settings" in inspect.signature(method).parameters
    return {"settings": settings} if settings is not None and known else {}


def chunks(n: int, labels: Tensor | None) -> Iterator[tuple[slice, Tensor | None]]:
    """Rows 0 .. n-1 in runs of at most CHUNK, each with its labels if there are any."""
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        yield rows, None if labels is None else labels[rows]
