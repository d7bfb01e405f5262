"""Checkpoints: folders of safetensors and JSON, written atomically and verified when read.

    checkpoints/00000500/
        model.safetensors      weights and buffers
        ema.safetensors        averaged weights, if the run keeps them
        optim.safetensors      optimizer state, keys "phase/parameter/slot"; not in a run that was
                               shared: its weights can be used, not trained on
        state.json             step, seconds, rollbacks: what the trainer needs to go on
        MANIFEST.json          SHA-256 of each file above

A checkpoint is written to a temporary sibling, synced to the disk, then renamed. One of the same
step is first renamed to `.old-STEP`, and that is read where a kill left no other: so at every
moment the last one that was saved can be loaded. safetensors has no checksum of its own, hence
the manifest. No pickle is ever written or read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genarium.errors import RunError, UserError, unreadable
from genarium.training.files import sync

TEMPORARY = ".tmp-"
OLD = ".old-"
ALWAYS = {"model.safetensors", "state.json"}
TO_TRAIN = "optim.safetensors"
FILES = {*ALWAYS, TO_TRAIN, "ema.safetensors"}
READINGS = 5  # times that a folder is read which another process changes meanwhile


@dataclass
class Checkpoint:
    """What one moment of a run holds."""

    step: int
    model: dict[str, Tensor]
    ema: dict[str, Tensor] | None = None
    optim: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def poisoned(self) -> list[str]:
        """Names of the model's tensors that hold NaN or an infinity."""
        floats = {k: v for k, v in self.model.items() if v.is_floating_point()}
        return [name for name, value in floats.items() if not value.isfinite().all()]


def on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, which training that goes on does not touch."""
    return {k: v.detach().to("cpu", copy=True) for k, v in state.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU that share no memory, as safetensors wants them."""
    return {
        k: torch.empty(v.shape, dtype=v.dtype).copy_(v.detach())  # also undoes channels-last
        for k, v in tensors.items()
    }


def _paths(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder by their step, oldest first."""
    if not folder.is_dir():
        return {}
    names = [p.name for p in folder.iterdir() if p.is_dir()]
    generations = {int(n.removeprefix(OLD)): n for n in names if n.removeprefix(OLD).isdecimal()}
    generations |= {int(n): n for n in names if n.isdecimal()}  # before one that was put aside
    return {step: folder / generations[step] for step in sorted(generations)}


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, oldest first."""
    return list(_paths(folder))


def sweep(folder: Path) -> None:
    """Mend and remove what a killed save left behind; only for who holds the run."""
    if not folder.is_dir():
        return
    for path in folder.glob(OLD + "*"):
        target = folder / path.name.removeprefix(OLD)
        if target.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(target)
            sync(folder)
    for path in folder.glob(TEMPORARY + "*"):
        shutil.rmtree(path, ignore_errors=True)


def save(folder: Path, checkpoint: Checkpoint, keep: int, also: int | None = None) -> Path:
    """Write `checkpoint` under `folder`, atomically, and drop all but the newest `keep`.

    also: the step of one that is kept however old it is.

    Those of later steps go too: they are damaged, or of a way that the run left. Raises RunError
    when the disk does not take it; the previous checkpoint is then untouched.
    """
    target = folder / f"{checkpoint.step:08d}"
    temporary = folder / f"{TEMPORARY}{checkpoint.step:08d}-{os.getpid()}"
    aside = folder / f"{OLD}{checkpoint.step:08d}"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            sync(folder.parent)
        sweep(folder)
        temporary.mkdir()
        tensors = {"model": checkpoint.model, "ema": checkpoint.ema, "optim": checkpoint.optim}
        _write(temporary, tensors, checkpoint.state)
        for path in temporary.iterdir():
            sync(path)
        sync(temporary)
        if target.exists():
            target.rename(aside)
        temporary.rename(target)
        sync(folder)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            sweep(folder)
        before = steps(folder)
        kept = f"the checkpoint of step {before[-1]} is kept" if before else "nothing was kept"
        raise RunError(
            f"could not save the checkpoint of step {checkpoint.step} in {folder}: "
            f"{_reason(error)}; {kept}: free some space, then `genarium resume`"
        ) from error
    shutil.rmtree(aside, ignore_errors=True)
    there = _paths(folder)
    kept_steps = [step for step in there if step <= checkpoint.step][-keep:]
    for step in there.keys() - {*kept_steps, also}:
        _remove(there[step])
    return target


def _write(
    folder: Path, tensors: Mapping[str, Mapping[str, Tensor] | None], state: Mapping[str, Any]
) -> None:
    """The files of a checkpoint, and the sums of all."""
    for name, values in tensors.items():
        if values is not None:
            save_file(_plain(values), folder / f"{name}.safetensors")
    (folder / "state.json").write_text(json.dumps(state, indent=1))
    sums = {p.name: _sha256(p) for p in sorted(folder.iterdir())}
    (folder / "MANIFEST.json").write_text(json.dumps(sums, indent=1))


def save_weights(folder: Path, checkpoint: Checkpoint, *, half: bool = False) -> Path:
    """Write the weights that are used (averaged ones where the run keeps them) as the only
    checkpoint of a new folder: `load` of weights alone reads it, a training does not go on there.

    half: matrices and kernels as float16, which `load_weights` widens again.
    """
    target = folder / f"{checkpoint.step:08d}"
    target.mkdir(parents=True)
    state = {k: v for k, v in checkpoint.state.items() if k != "best"}  # of other checkpoints too
    weights = checkpoint.ema or checkpoint.model
    _write(target, {"model": _halved(weights) if half else weights}, state)
    return target


def _halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as float16: half the bytes, 11 bits of precision.

    Vectors (offsets, statistics of norms) stay, as they are few bytes; so does what float16 cannot
    hold: a tensor with a number that would become infinite.
    """
    results = dict(weights)
    for name, value in weights.items():
        if value.dtype == torch.float32 and value.dim() > 1:
            narrow = value.half()
            if narrow.isfinite().all():
                results[name] = narrow
    return results


def _remove(path: Path) -> None:
    """Drop a checkpoint; a kill meanwhile leaves no half one under its name."""
    gone = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
    with suppress(OSError):
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def verify(path: Path) -> str | None:
    """None if the checkpoint is whole, else what is wrong with it."""
    try:
        sums = _manifest(path)
        for name, expected in sums.items():
            if not (path / name).is_file():
                return f"{name} is missing"
            if _sha256(path / name) != expected:
                return f"{name} is damaged (its SHA-256 does not match)"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError) as error:
        return f"MANIFEST.json cannot be read ({error})"
    return None


def _manifest(path: Path) -> dict[str, str]:
    """Name -> SHA-256 of a checkpoint's files. Raises OSError, ValueError for what is none."""
    try:
        record = json.loads((path / "MANIFEST.json").read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(record, dict) or not set(record) <= FILES:
        raise ValueError("it names other files than a checkpoint has")
    for name in sorted(ALWAYS - set(record)):
        raise ValueError(f"it lacks {name}")
    return record


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
    for _ in range(READINGS):
        before = _inodes(folder)
        there = _paths(folder)
        asked = there if step is None else {step: there.get(step, folder / f"{step:08d}")}
        chosen, wrong = _first_whole(asked, weights_only)
        # a training that saves meanwhile may have moved or dropped what was read: once more
        if not wrong or _inodes(folder) == before:
            break
    if step is not None and chosen is None:
        known = ", ".join(map(str, there)) or "none"
        ((path, what),) = wrong.items()
        raise UserError(f"--step {step}: checkpoint {path}: {what} (there are: {known})")
    for path, what in wrong.items():
        warnings.warn(f"checkpoint {path} left out: {what}", stacklevel=2)
    if chosen is not None and not weights_only and TO_TRAIN not in _manifest(there[chosen.step]):
        raise UserError(
            f"{folder.parent} holds weights without optimizer state, as they are shared: training "
            "cannot go on from them"
        )
    if chosen is None:
        what = "no whole checkpoint: remove it, then" if wrong else "no checkpoint yet:"
        raise UserError(f"{folder} holds {what} `genarium resume {folder.parent}` starts at step 0")
    return chosen


def _inodes(folder: Path) -> set[tuple[str, int]]:
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {(entry.name, entry.inode()) for entry in entries}


def _first_whole(
    there: Mapping[int, Path], weights_only: bool
) -> tuple[Checkpoint | None, dict[Path, str]]:
    """The last checkpoint that is whole, and what is wrong with those after it."""
    wrong: dict[Path, str] = {}
    for step, path in reversed(list(there.items())):
        problem = verify(path) if path.is_dir() else "it does not exist"
        if problem is None:
            try:
                return _content(step, path, weights_only), wrong
            except (OSError, ValueError, UserError) as error:
                problem = str(error)
        wrong[path] = problem
    return None, wrong


def _content(step: int, path: Path, weights_only: bool) -> Checkpoint:
    known = _manifest(path)
    to_train = not weights_only and TO_TRAIN in known
    return Checkpoint(
        step=step,
        model=read_tensors(path / "model.safetensors"),
        ema=read_tensors(path / "ema.safetensors") if "ema.safetensors" in known else None,
        optim=read_tensors(path / TO_TRAIN) if to_train else {},
        state=json.loads((path / "state.json").read_text(encoding="utf-8")),
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
