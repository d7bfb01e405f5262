"""Weights that a user brings (`--weights`): a file, or an address with its SHA-256; never a pickle.

safetensors and TensorFlow's frozen graphs hold numbers and names, so reading them runs nothing.
A pickle (.pt, .pth, .ckpt, .bin) is a program: it is refused by its suffix or its first bytes,
whatever it is called, and not opened further. docs/evaluation.md says how to convert one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genarium.data import DataOptions, cache
from genarium.data.download import Official, fetch
from genarium.errors import UserError, unreadable

PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin")
LARGEST = 2 << 30  # bytes of a download
IN_FOLDER = "model.safetensors"  # what a snapshot of a model on the Hub calls its weights


def locate(weights: str, *, progress: bool = True) -> Path:
    """The file that `--weights` names: a path, a folder with `model.safetensors`, or an address.

    An address carries its digest, "https://host/file.safetensors#sha256=64 HEX DIGITS"; the file
    is downloaded into the cache once and its SHA-256 is checked each time.

    Raises UserError if there is no such file, or the address has no digest or another content.
    """
    if re.match(r"[a-z][a-z0-9+.-]*://", weights):
        return _downloaded(weights, progress)
    path = Path(weights).expanduser()
    if path.is_dir():
        path = path / IN_FOLDER
    if not path.is_file():
        raise UserError(f"--weights {weights}: no such file; name one, see docs/evaluation.md")
    return path


def _downloaded(address: str, progress: bool) -> Path:
    url, _, digest = address.partition("#sha256=")
    if not url.startswith(("https://", "http://")):
        raise UserError(f"--weights {address}: give a path, or an address with https://")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise UserError(
            f"--weights {address}: an address needs the SHA-256 of the file: add #sha256=DIGEST, "
            "64 hex digits"
        )
    base, _, name = url.rpartition("/")
    root = cache.root(DataOptions())
    folder = root / "weights" / digest[:12]
    _refuse_suffix(name, address)
    fetch(
        Official("weights", name, digest, LARGEST),
        (f"{base}/",),
        folder,
        root,
        progress,
        otherwise="download the file by other means and name it with --weights PATH",
    )
    return folder / name


def _refuse_suffix(name: str, weights: str) -> None:
    if Path(name).suffix.lower() in PICKLES:
        raise UserError(
            f"--weights {weights}: a pickle can run code when it is read, so it is not opened: "
            "convert it to .safetensors, see docs/evaluation.md"
        )


def first_bytes(path: Path, count: int = 8) -> bytes:
    """The beginning of a file; UserError if it cannot be read, or is a pickle under any name."""
    _refuse_suffix(path.name, str(path))
    try:
        with path.open("rb") as stream:
            start = stream.read(count)
    except OSError as error:
        raise UserError(f"--weights {path}: {(error.strerror or str(error)).lower()}") from None
    # a pickle of protocol 2 and later, or the zip archive that torch.save puts one into
    if re.match(rb"\x80[\x02-\x05]|PK\x03\x04", start):
        _refuse_suffix("renamed.pt", str(path))
    return start


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU."""
    first_bytes(path)
    try:
        return load_file(path)
    except unreadable() as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--weights {path}: not a whole safetensors file ({reason}); get it again"
        ) from None


def fit(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load `tensors` into `network`, as float32.

    Batch counters (`num_batches_tracked`), which no evaluation reads, may be there or not. Raises
    UserError, naming the first three, for missing, unknown or misshapen tensors and for values that
    are not finite.
    """
    counters = {k for k in network.state_dict() if k.endswith("num_batches_tracked")}
    wanted = {k: v for k, v in network.state_dict().items() if k not in counters}
    given = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    _stop(path, "lacks", [k for k in wanted if k not in given])
    _stop(path, "also holds", [k for k in given if k not in wanted])
    shapes = [
        f"{k} {list(given[k].shape)} instead of {list(wanted[k].shape)}"
        for k in wanted
        if given[k].shape != wanted[k].shape
    ]
    _stop(path, "holds", shapes)
    floats = {k: given[k].to(torch.float32) for k in wanted}
    _stop(path, "has NaN or infinity in", [k for k, v in floats.items() if not v.isfinite().all()])
    network.load_state_dict(floats, strict=False)


def _stop(path: Path, what: str, names: list[str]) -> None:
    if not names:
        return
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    raise UserError(
        f"--weights {path}: {what} {shown}; these are not this extractor's weights, see "
        "docs/evaluation.md"
    )
