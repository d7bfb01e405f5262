"""Checkpoints: folders of safetensors and JSON, written atomically and verified when read.

    checkpoints/00000500/
        model.safetensors      weights and buffers
        ema.safetensors        averaged weights, if the run keeps them
        optim.safetensors      optimizer state, keys "phase/parameter/slot"
        state.json             step, seconds, rollbacks: what the trainer needs to go on
        MANIFEST.json          SHA-256 of each file above

A checkpoint is written to a temporary sibling, synced to the disk, then renamed: a kill at any
moment leaves the previous one whole. safetensors has no checksum of its own, hence the manifest.
No pickle is ever written or read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genarium.errors import RunError, UserError, unreadable

TEMPORARY = ".tmp-"


@dataclass
class Checkpoint:
    """What one moment of a run holds."""

    step: int
    model: dict[str, Tensor]
    ema: dict[str, Tensor] | None = None
    optim: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU that share no memory, as safetensors wants them."""
    return {
        k: torch.empty(v.shape, dtype=v.dtype).copy_(v.detach())  # also undoes channels-last
        for k, v in tensors.items()
    }


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if p.is_dir() and p.name.isdigit())


def sweep(folder: Path) -> None:
    """Remove what a killed save left behind."""
    if folder.is_dir():
        for path in folder.glob(TEMPORARY + "*"):
            shutil.rmtree(path, ignore_errors=True)


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write `checkpoint` under `folder`, atomically, and drop all but the newest `keep`.

    Raises RunError when the disk does not take it; the previous checkpoint is then untouched.
    """
    target = folder / f"{checkpoint.step:08d}"
    temporary = folder / f"{TEMPORARY}{checkpoint.step:08d}-{os.getpid()}"
    try:
        temporary.mkdir(parents=True)
        save_file(_plain(checkpoint.model), temporary / "model.safetensors")
        if checkpoint.ema is not None:
            save_file(_plain(checkpoint.ema), temporary / "ema.safetensors")
        save_file(_plain(checkpoint.optim), temporary / "optim.safetensors")
        (temporary / "state.json").write_text(json.dumps(checkpoint.state, indent=1))
        sums = {p.name: _sha256(p) for p in sorted(temporary.iterdir())}
        (temporary / "MANIFEST.json").write_text(json.dumps(sums, indent=1))
        for path in temporary.iterdir():
            _sync(path)
        _sync(temporary)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        before = steps(folder)
        kept = f"the checkpoint of step {before[-1]} is kept" if before else "nothing was kept"
        raise RunError(
            f"could not save the checkpoint of step {checkpoint.step} in {folder}: "
            f"{_reason(error)}; {kept}: free some space, then `genarium resume`"
        ) from error
    for step in steps(folder)[:-keep]:
        shutil.rmtree(folder / f"{step:08d}", ignore_errors=True)
    return target


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def verify(path: Path) -> str | None:
    """None if the checkpoint is whole, else what is wrong with it."""
    manifest = path / "MANIFEST.json"
    try:
        sums = json.loads(manifest.read_text())
    except FileNotFoundError:
        return "MANIFEST.json is missing"
    except (OSError, ValueError) as error:
        return f"MANIFEST.json cannot be read ({error})"
    for name, expected in sums.items():
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if _sha256(file) != expected:
            return f"{name} is damaged (its SHA-256 does not match)"
    return None


def _newest_whole(folder: Path) -> Iterator[Path]:
    for step in reversed(steps(folder)):
        path = folder / f"{step:08d}"
        wrong = verify(path)
        if wrong is None:
            yield path
        else:
            warnings.warn(f"checkpoint {path} left out: {wrong}", stacklevel=3)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; a `UserError` for anything else, pickles included."""
    if path.suffix != ".safetensors":
        raise UserError(f"{path} is not a .safetensors file: pickled weights are never opened")
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except unreadable() as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is not a whole safetensors file: {reason}") from error


def load(folder: Path, step: int | None = None, *, weights_only: bool = False) -> Checkpoint:
    """The newest whole checkpoint under `folder`, or that of `step`.

    A damaged one is left out with a warning and the one before it taken. Raises UserError when
    none is whole.
    """
    if step is not None:
        path = folder / f"{step:08d}"
        wrong = verify(path) if path.is_dir() else "it does not exist"
        if wrong is not None:
            known = ", ".join(map(str, steps(folder))) or "none"
            raise UserError(f"--step {step}: checkpoint {path}: {wrong} (there are: {known})")
    else:
        found = next(_newest_whole(folder), None)
        if found is None:
            raise UserError(f"{folder} holds no whole checkpoint: train the run again")
        path = found
    ema = path / "ema.safetensors"
    return Checkpoint(
        step=int(path.name),
        model=read_tensors(path / "model.safetensors"),
        ema=read_tensors(ema) if ema.is_file() else None,
        optim={} if weights_only else read_tensors(path / "optim.safetensors"),
        state=json.loads((path / "state.json").read_text()),
    )


def load_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Put `weights` into `model`; names, shapes and finiteness are checked first.

    Raises UserError that names the first three tensors that do not fit.
    """
    own = model.state_dict()
    wrong = [f"{k} is missing" for k in own if k not in weights]
    wrong += [f"{k} is not in the model" for k in weights if k not in own]
    wrong += [
        f"{k} is {tuple(v.shape)}, the model wants {tuple(own[k].shape)}"
        for k, v in weights.items()
        if k in own and own[k].shape != v.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"{where} does not fit the model: {'; '.join(wrong[:3])}{more}")
    bad = [k for k, v in weights.items() if v.is_floating_point() and not v.isfinite().all()]
    if bad:
        raise UserError(f"{where} holds NaN or infinite weights in {', '.join(bad[:3])}")
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)  # keeps the memory layout of the model
