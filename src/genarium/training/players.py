"""The players of a game: for each phase its parameters, its optimizer and its turn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import Model, Optim, Phase
from genarium.errors import UserError

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def make_optimizer(settings: Optim, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that `settings` describes, fused where torch offers it."""
    kind = OPTIMIZERS[settings.name]
    accepted = inspect.signature(kind).parameters
    wanted: dict[str, Any] = {
        "lr": settings.lr,
        "betas": settings.betas,
        "weight_decay": settings.weight_decay,
        "momentum": settings.momentum,
        "eps": settings.eps,
        "fused": True,
    }
    chosen = {k: v for k, v in wanted.items() if k in accepted}
    if settings.name == "rmsprop":
        chosen["foreach"] = True
    return kind(parameters, **chosen)


class Player:
    """One phase at work: the parameters it updates, in a fixed order, and their optimizer."""

    def __init__(self, model: Model, phase: Phase):
        self.phase = phase
        named: dict[str, nn.Parameter] = {}
        for net in phase.nets:
            module = model.get_submodule(net)
            prefix = f"{net}." if net else ""
            named.update({prefix + k: p for k, p in module.named_parameters()})
        if not named:
            raise UserError(f"phase {phase.name!r} of {type(model).__name__} has no parameters")
        self.names = list(named)
        self.parameters = list(named.values())
        self.optimizer = make_optimizer(phase.optim, self.parameters)

    def learning_rate(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.phase.optim.lr * factor

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state as flat tensors, keys "phase/parameter/slot"."""
        found: dict[str, Tensor] = {}
        for name, parameter in zip(self.names, self.parameters):
            for slot, value in self.optimizer.state.get(parameter, {}).items():
                if value is not None:
                    found[f"{self.phase.name}/{name}/{slot}"] = torch.as_tensor(value)
        return found

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the optimizer's state back; slots lie in memory as their parameters do."""
        prefix = f"{self.phase.name}/"
        by_name = dict(zip(self.names, self.parameters))
        self.optimizer.state.clear()
        for key, value in tensors.items():
            if not key.startswith(prefix):
                continue
            name, slot = key[len(prefix) :].rsplit("/", 1)
            parameter = by_name[name]
            if value.shape == parameter.shape and slot != "step":
                value = torch.empty_like(parameter).copy_(value)
            else:
                # torch keeps `step` of fused optimizers beside the parameter
                value = value.clone().to(parameter.device)
            self.optimizer.state[parameter][slot] = value


def only_these_learn(model: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Ask for gradients of `parameters` alone: the idle players cost no backward work."""
    chosen = {id(p) for p in parameters}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
