"""Where a run computes: device, processes (through Hugging Face Accelerate) and precision.

Gradients are averaged by one flat all-reduce of exactly the parameters of the phase, not by
DDP's hooks: with several players, idle parameters and double backward the hooks need to know
what is unused, while one explicit all-reduce is right by construction.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from genarium import extras
from genarium.errors import PeerGone, UserError
from genarium.training import world
from genarium.training.device import expect_device

ISA = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""oneDNN's newest instructions, by its present and its former name."""


def has_fast_bf16(device: torch.device) -> bool:
    """Does bf16 run on matrix units here? (Else it is slower than fp32, and less exact.)

    On a CPU oneDNN computes with them, unless its own variable keeps it from using them.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        allowed = next((os.environ[name] for name in ISA if os.environ.get(name)), "DEFAULT")
        used = allowed.upper() in ("ALL", "DEFAULT") or "AMX" in allowed.upper()
        return used and bool(torch.cpu._is_amx_tile_supported())
    return False


class Engine:
    """One process of a run: its `rank` of `world`, device, autocast, averaging of gradients."""

    def __init__(self, device: str = "auto", precision: str = "auto"):
        expect_device(device)
        self.rank, self.world = 0, world.size()
        cpu = on_cpu(device)
        if self.world == 1:
            self.device = torch.device("cpu") if cpu else _accelerator(device)
        else:
            self._join(cpu, device)
        actual = self.device
        if precision == "bf16" and actual.type not in ("cpu", "cuda"):
            raise UserError(f"--precision bf16 is not supported on {actual}: use --precision fp32")
        self.bf16 = precision == "bf16" or (precision == "auto" and has_fast_bf16(actual))

    def _join(self, cpu: bool, device: str) -> None:
        """Meet the other processes of the launch."""
        here = int(os.environ.get("LOCAL_RANK", 0))
        if not cpu and torch.cuda.is_available() and here >= torch.cuda.device_count():
            raise UserError(
                f"{self.world} processes need a GPU each, here are {torch.cuda.device_count()}: "
                "use fewer processes, or --device cpu"
            )
        extras.expect("processes", f"training on {self.world} processes")
        from accelerate import Accelerator

        with self._together():
            self.accelerator = Accelerator(cpu=cpu or None, mixed_precision="no")
        asked, self.world = self.world, self.accelerator.num_processes
        if self.world != asked:
            raise UserError(
                f"{asked} processes were asked for and {self.world} met: {world.REMEDY}"
            )
        self.rank = self.accelerator.process_index
        self.device = self.accelerator.device
        if device != "auto" and self.device.type != torch.device(device).type:
            # the launcher's environment can override the request silently
            raise UserError(
                f"--device {device} was asked for but the launcher gave {self.device}: "
                "check the accelerate configuration"
            )

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """A meeting of all processes: one that is gone is a PeerGone for the others."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise PeerGone from error

    @property
    def main(self) -> bool:
        return self.rank == 0

    def settle(self) -> None:
        """Wait until the device has done what was asked of it, so that it can be timed."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

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
        with self._together():
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
        with self._together():
            result: Tensor = self.accelerator.reduce(values, reduction="mean")
        return result

    def any(self, flag: int) -> int:
        """The largest flag of all processes, so that all stop at the same step."""
        if self.world == 1:
            return flag
        with self._together():
            flags: Tensor = self.accelerator.gather(torch.tensor([flag], device=self.device))
            return int(flags.max())

    def broadcast(self, value: str) -> str:
        """The first process's value, on every process."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        with self._together():
            result: str = broadcast_object_list([value])[0]
        return result

    def wait(self) -> None:
        if self.world > 1:
            with self._together():
                self.accelerator.wait_for_everyone()


def on_cpu(device: str) -> bool:
    """Whether a run on this device, as --device names it, computes on the CPU."""
    if device != "auto":
        return torch.device(device).type == "cpu"
    wanted = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return wanted or not torch.accelerator.is_available()


def _accelerator(device: str) -> torch.device:
    """The GPU that was named, or the current one."""
    if device != "auto":
        return torch.device(device)
    result = torch.accelerator.current_accelerator()
    assert result is not None
    if result.type == "mps":
        return result
    return torch.device(result.type, torch.accelerator.current_device_index())
