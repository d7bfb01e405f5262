"""Where a run computes: device, processes and precision, through Hugging Face Accelerate.

Gradients are averaged by one flat all-reduce of exactly the parameters of the phase, not by
DDP's hooks: with several players, idle parameters and double backward the hooks need to be told
what is unused, while one explicit all-reduce is right by construction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from genarium.errors import UserError


def has_fast_bf16(device: torch.device) -> bool:
    """Does bf16 run on matrix units here? (Else it is slower than fp32, and less exact.)"""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported())
    return False


class Engine:
    """One process of a run: its `rank` of `world`, device, autocast, averaging of gradients."""

    def __init__(self, device: str = "auto", precision: str = "auto"):
        from accelerate import Accelerator

        if device not in ("auto", "cpu") and not _available(device):
            raise UserError(f"--device {device} is not available here: use --device auto or cpu")
        self.accelerator = Accelerator(cpu=device == "cpu" or None, mixed_precision="no")
        found = self.accelerator.device
        if device not in ("auto",) and found.type != torch.device(device).type:
            # the launcher's environment can override the request silently
            raise UserError(
                f"--device {device} was asked for but the launcher gave {found}: "
                "check the accelerate configuration"
            )
        self.device: torch.device = found
        self.rank: int = self.accelerator.process_index
        self.world: int = self.accelerator.num_processes
        if precision == "bf16" and found.type not in ("cpu", "cuda"):
            raise UserError(f"--precision bf16 is not supported on {found}: use --precision fp32")
        self.bf16 = precision == "bf16" or (precision == "auto" and has_fast_bf16(found))

    @property
    def main(self) -> bool:
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        if not self.bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def average(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its mean over the processes: one flat all-reduce."""
        if self.world == 1:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in grads])
        flat = self.accelerator.reduce(flat, reduction="mean")
        for parameter, part in zip(parameters, flat.split([g.numel() for g in grads])):
            if parameter.grad is not None:
                parameter.grad.copy_(part.view_as(parameter))
            else:
                parameter.grad = part.view_as(parameter).clone()

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes."""
        if self.world == 1:
            return values
        found: Tensor = self.accelerator.reduce(values, reduction="mean")
        return found

    def any(self, flag: int) -> int:
        """The largest flag of all processes, so that all stop at the same step."""
        if self.world == 1:
            return flag
        flags: Tensor = self.accelerator.gather(torch.tensor([flag], device=self.device))
        return int(flags.max())

    def share(self, value: str) -> str:
        """The first process's value, on every process."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        found: str = broadcast_object_list([value])[0]
        return found

    def wait(self) -> None:
        self.accelerator.wait_for_everyone()


def _available(device: str) -> bool:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        return False
    return True
