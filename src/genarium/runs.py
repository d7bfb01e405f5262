"""Run folders: everything that one training leaves behind, readable without this program.

runs/vae-digits-1/
    config.yaml      the resolved configuration; `--config` takes it
    run.json         what the data looked like, their manifest hash, versions, hardware
    metrics.jsonl    losses, speed and learning rate, a row every `log_every` steps
    checkpoints/     safetensors, each folder with a SHA-256 manifest
    samples/         a grid of images a checkpoint
    README.md        what this is and which commands go on from here
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genarium.config import Config, read_yaml, write_yaml
from genarium.errors import UserError, unwritable

FORMAT = 1


class RunFolder:
    """The paths and descriptions of one run."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.metrics = path / "metrics.jsonl"

    # ------------------------------------------------------------------ making one

    @classmethod
    def create(cls, out: str | os.PathLike[str] | None, recipe: str, data: str) -> RunFolder:
        """A new, empty run folder: `out`, or the next free runs/RECIPE-DATA-N.

        Raises UserError when `out` already holds something or cannot be made.
        """
        if out is None:
            stem = f"{recipe}-{_slug(data)}"
            number = 1
            while (Path("runs") / f"{stem}-{number}").exists():
                number += 1
            path = Path("runs") / f"{stem}-{number}"
        else:
            path = Path(out)
            if path.exists() and not path.is_dir():
                raise UserError(f"--out {path} is a file: name a folder")
            if path.is_dir() and any(path.iterdir()):
                raise UserError(
                    f"--out {path} is not empty: name a new folder, or go on with "
                    f"`genarium resume {path}`"
                )
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise unwritable(path, error, "folder") from None
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """An existing run folder. Raises UserError when it is none."""
        folder = Path(path)
        if folder.suffix in (".pt", ".pth", ".ckpt", ".pkl", ".bin"):
            raise UserError(f"{folder}: pickled weights are never opened: name a run folder")
        if not folder.is_dir():
            raise UserError(f"{folder} is not a run folder: it does not exist")
        if not (folder / "run.json").is_file():
            raise UserError(f"{folder} is not a run folder: it has no run.json")
        return cls(folder)

    def describe(
        self, config: Config, data: Mapping[str, Any], taxonomy: tuple[str, ...], paper: str
    ) -> None:
        """Write config.yaml, run.json and README.md: before step 0."""
        write_yaml(self.path / "config.yaml", config)
        about = {
            "format": FORMAT,
            "taxonomy": list(taxonomy),
            "paper": paper,
            "data": dict(data),
            "versions": versions(),
            "hardware": hardware(),
        }
        (self.path / "run.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        (self.path / "README.md").write_text(self._readme(config, about), encoding="utf-8")

    def _readme(self, config: Config, about: Mapping[str, Any]) -> str:
        name, data = self.path.name, about["data"]
        arguments = "\n".join(f"- {k}: {v}" for k, v in config.arguments.items())
        shape = "×".join(str(data["spec"][k]) for k in ("height", "width", "channels"))
        return f"""# {name}

A **{config.recipe}** ({" / ".join(about["taxonomy"])}; {about["paper"]}), trained by Genarium
{about["versions"]["genarium"]} on **{data["name"]}** ({shape}; manifest `{data["manifest"][:12]}`).

{arguments}

| file | what it is |
|---|---|
| `config.yaml` | every setting; `genarium train --config config.yaml` repeats the run |
| `run.json` | the data's description, versions, hardware |
| `metrics.jsonl` | losses, speed and learning rate over the steps |
| `checkpoints/` | weights and optimizer state (safetensors, with SHA-256 manifests) |
| `samples/` | image grids over the steps |

    genarium resume {name}      # go on exactly where it stopped
    genarium sample {name}      # new images, if this model can draw any
    genarium evaluate {name}    # its scores
"""

    # ------------------------------------------------------------------ reading one

    def config(self) -> Config:
        content = read_yaml(self.path / "config.yaml")
        try:
            return Config(**content)
        except TypeError:
            raise UserError(f"{self.path / 'config.yaml'} lacks sections: restore it") from None

    def about(self) -> dict[str, Any]:
        file = self.path / "run.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read: {error}") from None
        if found.get("format") != FORMAT:
            raise UserError(
                f"{file} is of format {found.get('format')}, this version reads {FORMAT}"
            )
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the kernel lets go when the process dies.

        Raises UserError when another process holds it.
        """
        try:
            file = (self.path / ".lock").open("w")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(f"{self.path} cannot be written ({reason}): free it first") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{self.path} is in use by another process: wait for it, or use another --out"
                ) from None
            yield


def _slug(text: str) -> str:
    stem = Path(text).name or "data"
    return "".join(c if c.isalnum() else "-" for c in stem.split(":")[0]).strip("-")[:40] or "data"


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    from importlib.metadata import version

    names = ("genarium", "torch", "numpy", "pillow", "accelerate", "safetensors")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def hardware() -> dict[str, Any]:
    """What the run computes on, as far as it decides numbers and speed."""
    import torch

    from genarium.training import allocator

    found: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "allocator": allocator.state(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def spec_to_dict(spec: Any) -> dict[str, Any]:
    return asdict(spec)


def spec_from_dict(found: Mapping[str, Any]) -> Any:
    from genarium.contract import Attribute, Spec

    second = found.get("second")
    return Spec(
        channels=int(found["channels"]),
        height=int(found["height"]),
        width=int(found["width"]),
        classes=tuple(found["classes"]),
        attributes=tuple(
            Attribute(name, tuple(values)) for name, values in found.get("attributes", ())
        ),
        vectors=tuple((name, int(length)) for name, length in found.get("vectors", ())),
        binarized=str(found.get("binarized", "")),
        second=(int(second[0]), int(second[1]), int(second[2])) if second else None,
        paired=bool(found.get("paired", False)),
        caption_bytes=int(found.get("caption_bytes", 0)),
    )
