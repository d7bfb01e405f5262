"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Averaged weights: m <- d m + (1 - d) w, with d = min(decay, (1 + t) / (10 + t)).

    The ramp keeps the first steps' random weights out. Running statistics (floating-point
    buffers) are averaged like weights, since they must fit the averaged weights; other buffers
    are copied.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.state: dict[str, Tensor] = {
            k: v.detach().clone() for k, v in model.state_dict().items()
        }
        self._bind(model)

    def _bind(self, model: nn.Module) -> None:
        live = model.state_dict(keep_vars=True)
        floating = [k for k, v in live.items() if v.is_floating_point()]
        self._live = [live[k].detach() for k in floating]
        self._mean = [self.state[k] for k in floating]
        self._copied = [(self.state[k], live[k]) for k in live if k not in set(floating)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step number `step` (from 0)."""
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, self._live, weight)
        for mean, live in self._copied:
            mean.copy_(live)

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """The averaged weights in the model's place, for as long as the block runs."""
        live = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self._put(model, self.state)
        try:
            yield
        finally:
            self._put(model, live)

    @staticmethod
    @torch.no_grad()
    def _put(model: nn.Module, weights: dict[str, Tensor]) -> None:
        own = model.state_dict()
        for name, value in weights.items():
            own[name].copy_(value)

    def load(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            self.state[name].copy_(value)
