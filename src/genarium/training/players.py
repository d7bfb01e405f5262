"""The players of a model: for each phase its parameters, its optimizer and its turn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from genarium.contract import Model, Optim, Phase
from genarium.errors import UserError
from genarium.training.eager import eager

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": eager(torch.optim.Adam),
    "adamw": eager(torch.optim.AdamW),
    "rmsprop": eager(torch.optim.RMSprop),
    "sgd": eager(torch.optim.SGD),
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


def is_channels_last(parameter: Tensor) -> bool:
    """Whether it is a kernel [F,C,h,w] that lies in memory as [F,h,w,C].

    PyTorch's fused optimizers copy whatever is not contiguous there and back, four tensors for each
    parameter and step; for a U-Net of 54 million weights on a CPU that took longer than the update.
    """
    return parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)


def laid_out(value: Tensor, last: bool) -> Tensor:
    """A tensor of a parameter's shape as the optimizer has it, contiguous; `last`: see above."""
    return (value.permute(0, 2, 3, 1) if last else value).contiguous()


class Player:
    """One phase at work: the parameters it updates, in a fixed order, and their optimizer.

    The optimizer sees each parameter as `laid_out`; `state` and `load` speak of it as it is.
    idle: the parameters of the others, which rest meanwhile.
    """

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
        mine = {id(p) for p in self.parameters}
        self.idle = [p for p in model.parameters() if p.requires_grad and id(p) not in mine]
        # Shapes do not tell which are turned round: [F,3,3,3] is so either way.
        self._last = [is_channels_last(p) for p in self.parameters]
        self._seen = [
            nn.Parameter(p.detach().permute(0, 2, 3, 1) if last else p.detach())
            for p, last in zip(self.parameters, self._last)
        ]
        self.optimizer = make_optimizer(phase.optim, self._seen)
        self._slots: dict[str, list[Tensor]] | None = None  # Adam's, each in the parameters' order

    def alone(self) -> None:
        """Ask for gradients of this player's parameters and of no others."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        for parameter in self.idle:
            parameter.requires_grad_(False)

    def learning_rate(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.phase.optim.lr * factor

    @property
    def rate(self) -> float:
        """The learning rate of its last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Update the parameters by their gradients."""
        for parameter, seen, last in zip(self.parameters, self._seen, self._last):
            grad = parameter.grad
            seen.grad = None if grad is None else laid_out(grad, last)
        self._optimize()
        for seen in self._seen:
            seen.grad = None

    @torch.no_grad()
    def _optimize(self) -> None:
        """The optimizer's step.

        Adam's by PyTorch's function of the same name, on lists that are made once: its class looks
        for settings, hooks and missing gradients in every step, which for a small network took as
        long as the update.
        """
        optimizer, seen = self.optimizer, self._seen
        grads = [parameter.grad for parameter in seen]
        if not isinstance(optimizer, torch.optim.Adam) or any(g is None for g in grads):
            optimizer.step()
            return
        if self._slots is None:
            if len(optimizer.state) < len(seen):  # the class makes them in its first step
                optimizer.step()
                return
            states = [optimizer.state[parameter] for parameter in seen]
            names = ("exp_avg", "exp_avg_sq", "step")
            self._slots = {name: [state[name] for state in states] for name in names}
        group, slots = optimizer.param_groups[0], self._slots
        beta1, beta2 = group["betas"]
        adam(
            seen,  # type: ignore[arg-type]
            grads,  # type: ignore[arg-type]
            slots["exp_avg"],
            slots["exp_avg_sq"],
            [],
            slots["step"],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
            decoupled_weight_decay=group["decoupled_weight_decay"],
        )

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state as flat tensors, keys "phase/parameter/slot"."""
        results: dict[str, Tensor] = {}
        for name, seen, last in zip(self.names, self._seen, self._last):
            for slot, value in self.optimizer.state.get(seen, {}).items():
                if value is None:
                    continue
                value = torch.as_tensor(value)
                if last and slot != "step":
                    value = value.permute(0, 3, 1, 2)
                results[f"{self.phase.name}/{name}/{slot}"] = value
        return results

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the optimizer's state back; slots lie in memory as their parameters do."""
        prefix = f"{self.phase.name}/"
        by_name = dict(zip(self.names, zip(self.parameters, self._seen, self._last)))
        self.optimizer.state.clear()
        self._slots = None
        for key, value in tensors.items():
            if not key.startswith(prefix):
                continue
            name, slot = key[len(prefix) :].rsplit("/", 1)
            parameter, seen, last = by_name[name]
            if value.shape == parameter.shape and slot != "step":
                value = torch.empty_like(seen).copy_(laid_out(value, last))
            else:
                # torch keeps `step` of fused optimizers beside the parameter
                value = value.clone().to(parameter.device)
            self.optimizer.state[seen][slot] = value
