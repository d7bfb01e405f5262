"""Which function lowers an operation, by the operation's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Lowering = Callable[..., Any]
LOWERINGS: dict[str, Lowering] = {}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Decorator: a function that lowers the operations of these names."""

    def wrap(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return wrap


def new(tensor: Tensor) -> Tensor:
    """A packed tensor of its own, of these values."""
    return tensor.clone(memory_format=torch.contiguous_format)
