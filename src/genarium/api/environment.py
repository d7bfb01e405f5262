"""What is installed, where it would compute, and what to install for what."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from genarium import extras
from genarium.api._results import Figures, aligned
from genarium.verbs import verb

PACKAGES = ("torch", "numpy", "pillow", "safetensors", "pydantic", "pyyaml", "rich")
NVIDIA = Path("/proc/driver/nvidia/version")
"""There where the driver of an NVIDIA GPU is loaded."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch's CPU build is, which is some 2 GB smaller than the one for NVIDIA GPUs."""


@dataclass(repr=False)
class Environment(Figures):
    """What this installation can do.

    versions: of Genarium, Python and the packages it needs. device: "cpu", "cuda" or "mps", what
    `--device auto` takes. device_name: of the GPU or processor. cores, threads: of the CPU. bf16:
    whether `--precision auto` takes it: matrix units have it. memory, free: bytes that device has,
    None where the system does not say. works: whether a product of two matrices came out right
    there. extras: by name whether it is installed. advice: what to do, a line each.
    """

    versions: dict[str, str]
    device: str
    device_name: str
    cores: int
    threads: int
    bf16: bool
    memory: int | None
    free: int | None
    works: bool
    extras: dict[str, bool]
    advice: list[str]

    NAME: ClassVar[str] = ""  # not saved unless --out says where

    def to_dict(self) -> dict[str, Any]:
        names = ("versions", "device", "device_name", "cores", "threads", "bf16", "memory")
        return {name: getattr(self, name) for name in (*names, "free", "works", "extras", "advice")}

    def version(self) -> str:
        """What `genarium --version` prints: the version, what is installed, where it computes."""
        rest = [f"{name} {version}" for name, version in list(self.versions.items())[1:4]]
        there = [name for name, installed in self.extras.items() if installed]
        return "\n".join(
            [
                f"genarium {self.versions['genarium']}",
                f"{', '.join(rest)}; extras: {', '.join(there) or 'none'}",
                f"computes on {self._where()}",
            ]
        )

    def text(self) -> str:
        packages = {k: v for k, v in self.versions.items() if k != "genarium"}
        facts = {
            "genarium": self.versions["genarium"],
            "needs": [f"{name} {version}" for name, version in packages.items()],
            "computes on": self._where() + ("" if self.works else ", WRONGLY"),
            "precision": "bf16 on matrix units" if self.bf16 else "fp32: no bf16 matrix units here",
            "memory": _memory(self.memory, self.free),
        }
        lines = [aligned(facts), "", "optional parts"]
        width = max(map(len, extras.EXTRAS))
        for name, extra in extras.EXTRAS.items():
            what = extra.what.replace("`", "")
            state = "installed" if self.extras[name] else "not here "
            more = "" if self.extras[name] else f": {extras.command(name)}"
            lines.append(f"  {name:<{width}}  {state}  {what}{more}")
        if self.advice:
            lines += ["", *self.advice]
        return "\n".join(lines)

    def _where(self) -> str:
        name = f" ({self.device_name})" if self.device_name else ""
        if self.device == "cpu":
            return f"the CPU{name}: cores {self.cores}, threads {self.threads}"
        return f"the GPU{name}, as {self.device}"


@verb("about", out="FILE.json: the same as figures")
def environment() -> Environment:
    """Say what is installed, where it would compute, and what to install for what.

    The device is tried with a small product, and everything that is optional is looked for.
    """
    import torch

    from genarium.training.device import device_of
    from genarium.training.engine import has_fast_bf16

    device = torch.device(device_of("auto"))
    bf16, (memory, free) = has_fast_bf16(device), _memory_of(device)
    works = _works(device)
    there = {name: not extras.missing(name) for name in extras.EXTRAS}
    advice = []
    if not works:
        advice.append(f"{device.type} multiplies matrices wrongly: say --device cpu")
    if device.type == "cpu" and NVIDIA.exists():
        why = "has no CUDA" if torch.version.cuda is None else "does not reach it"
        advice.append(
            f"an NVIDIA GPU is here, but this PyTorch ({torch.__version__}) {why}: install the "
            "build for your driver that https://pytorch.org/get-started names"
        )
    elif device.type == "cpu" and torch.version.cuda is not None:
        advice.append(
            "this PyTorch has CUDA and no GPU is here; the CPU build takes 4 GB less: "
            f"pip install torch --index-url {CPU_INDEX}"
        )
    return Environment(
        _versions(),
        device.type,
        _name_of(device),
        os.cpu_count() or 1,
        torch.get_num_threads(),
        bf16,
        memory,
        free,
        works,
        there,
        advice,
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    own = {"genarium": version("genarium"), "Python": platform.python_version()}
    return {**own, **{name: version(name) for name in PACKAGES}}


def _works(device: Any) -> bool:
    """Whether a product of integers in floats is what it must be there."""
    import torch

    a = torch.arange(64.0).reshape(8, 8)
    try:
        return torch.equal((a.to(device) @ a.to(device)).cpu(), a @ a)
    except RuntimeError:  # a driver that does not fit, a GPU that is taken
        return False


def _name_of(device: Any) -> str:
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return platform.machine()


def _memory_of(device: Any) -> tuple[int | None, int | None]:
    """Bytes that a device has, and has free."""
    import torch

    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total, free
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None
    entries = {
        name: int(rest.split()[0]) << 10 for name, _, rest in (x.partition(":") for x in lines)
    }
    return entries.get("MemTotal"), entries.get("MemAvailable")


def _memory(total: int | None, free: int | None) -> str:
    if total is None:
        return "not known"
    left = "" if free is None else f", {free / 2**30:.1f} free"
    return f"{total / 2**30:.1f} GiB{left}"
