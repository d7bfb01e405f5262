"""Optimizers of PyTorch that do not load the machinery of torch.compile.

PyTorch wraps an optimizer's methods so that a compiler leaves them alone, and the first call of
one imports `torch._dynamo`, about 1,200 modules and two processor seconds. Nothing here compiles
an optimizer, so their methods are taken as they are written: the same arithmetic, to the bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

WRAPPED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")


def eager(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The class `kind` with its methods unwrapped; its steps take no gradients of their own."""
    raw: Callable[..., Any] = inspect.unwrap(kind.step)

    def step(self: torch.optim.Optimizer, closure: None = None) -> Any:
        with torch.no_grad():
            return raw(self, closure)

    plain = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    return type(kind.__name__, (kind,), {"step": step, "__doc__": kind.__doc__, **plain})
