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
import hashlib
import itertools
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from genarium import extras
from genarium.errors import RunError, UserError, unwritable
from genarium.hub import address
from genarium.runs.configuration import Config, as_it_was, read_yaml, write_yaml
from genarium.training import files, world

FORMAT = 1
OURS = {
    *("config.yaml", "run.json", "README.md", "metrics.jsonl"),
    *("checkpoints", "samples", "tensorboard"),
}
TEMPORARY = re.compile(r"\.writable|\..*\.tmp")


class RunFolder:
    """The paths and descriptions of one run. shared: its name, of a run of the Hub or the zoo."""

    def __init__(self, path: Path, shared: address.Shared | None = None):
        self.path, self.shared = path, shared
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.metrics = path / "metrics.jsonl"
        self._lock: IO[str] | None = None
        self._made = False

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.shared.name if self.shared else self.path.resolve().name

    @property
    def home(self) -> Path:
        """Where results go unasked: the folder itself; of a run of the Hub or the zoo a folder of
        its name in the working folder, for caches and packages are not ours to write into."""
        return Path(self.shared.name) if self.shared else self.path

    # ------------------------------------------------------------------ making one

    @classmethod
    def create(cls, out: str | os.PathLike[str] | None, recipe: str, data: str) -> RunFolder:
        """A new, empty run folder: `out`, or the next free runs/RECIPE-DATA-N.

        It is held for this process until the end of `locked`. What a run left that never saved
        a checkpoint counts as nothing and is removed. Raises UserError when `out` holds anything
        else or cannot be made.
        """
        if out is None:
            folder = cls(_next(f"{recipe}-{_slug(data)}"))
            folder._made = True
            folder._hold()
            return folder
        path = Path(out)
        folder = cls(path)
        if path.exists() and not path.is_dir():
            raise UserError(f"--out {path} is a file: name a folder")
        folder._expect_nothing()
        try:
            folder._made = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error, "folder") from None
        folder._hold()
        try:
            folder._expect_nothing()  # another process may have been faster
        except UserError:
            folder._release()
            raise
        folder._clear()
        return folder

    def _expect_nothing(self) -> None:
        """Raise UserError unless the folder is empty, absent, or of a run that saved nothing."""
        names = {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()
        rest = {n for n in names if n != ".lock" and not TEMPORARY.fullmatch(n)}
        begun = ".lock" in names and rest <= OURS and (not rest or "config.yaml" in rest)
        if names and not (begun and not self.saved()):
            raise UserError(
                f"--out {self.path} is not empty: name a new folder, or go on with "
                f"`genarium resume {self.path}`"
            )

    def saved(self) -> bool:
        """Is there any checkpoint, whole or not?"""
        entries = self.checkpoints.iterdir() if self.checkpoints.is_dir() else ()
        return any(not p.name.startswith(".tmp-") for p in entries)

    def _clear(self) -> None:
        """Remove all but the lock."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != ".lock":
                path.unlink()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """An existing run folder, or that of a run of the Hub or the zoo.

        Raises UserError when it is none.
        """
        shared = address.of(path)
        if shared is not None:
            from genarium.hub.fetch import fetch

            shared, place = fetch(shared)
            return cls(place, shared)
        folder = Path(path)
        if folder.suffix in (".pt", ".pth", ".ckpt", ".pkl", ".bin"):
            raise UserError(f"{folder}: pickled weights are never opened: name a run folder")
        if not folder.is_dir():
            raise UserError(f"{folder} is not a run folder: it does not exist")
        if not (folder / "run.json").is_file():
            raise UserError(f"{folder} is not a run folder: it has no run.json")
        return cls(folder)

    @classmethod
    def to_resume(cls, path: str | os.PathLike[str]) -> RunFolder:
        """An existing run folder of a training. Raises UserError when it is none."""
        shared = address.of(path)
        if shared is not None:
            raise UserError(
                f"{shared}: a run that is shared has no optimizer state, so training cannot go on: "
                "start a new one with `genarium train`"
            )
        return cls.open(path)

    def describe(
        self, config: Config, data: Mapping[str, Any], taxonomy: tuple[str, ...], paper: str
    ) -> None:
        """Write config.yaml, README.md and, last, run.json: before step 0.

        Raises RunError when the disk does not take them; nothing is left then.
        """
        about = {
            "format": FORMAT,
            "taxonomy": list(taxonomy),
            "paper": paper,
            "data": dict(data),
            "versions": versions(),
            "hardware": hardware(config.training.get("threads")),
        }
        try:
            with self._writing("repeat the command"):
                write_yaml(self.path / "config.yaml", config)
                files.write(self.path / "README.md", self._readme(config, about))
                text = json.dumps({**about, "sha256": digest(about)}, indent=1)
                files.write(self.path / "run.json", text)
                files.sync(self.path.parent)
        except RunError:
            self._clear()
            if self._made:
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def configure(self, config: Config) -> None:
        """Put a changed configuration in the place of the old. Raises RunError on a full disk."""
        with self._writing("`genarium resume` again"):
            write_yaml(self.path / "config.yaml", config)

    @contextmanager
    def _writing(self, remedy: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RunError(
                f"{self.path} cannot be written ({reason}): free some space, then {remedy}"
            ) from error

    def _readme(self, config: Config, about: Mapping[str, Any]) -> str:
        name, data = self.path.name, about["data"]
        arguments = "\n".join(f"- {k}: {v}" for k, v in config.arguments.items())
        shape = "×".join(str(data["spec"][k]) for k in ("height", "width", "channels"))
        values = data.get("info", {}).get("values")
        shape += f"; {values['type']}, {values['range']}, {values['rule']}" if values else ""
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

    genarium resume {name}{world.flag(world.size())}      # go on exactly where it stopped
    genarium sample {name}      # new images, if this model can draw any
    genarium evaluate {name}    # its scores
"""

    # ------------------------------------------------------------------ reading one

    def config(self, accept_changes: bool = False) -> Config:
        """The run's configuration; accept_changes: also one that was changed by hand.

        Raises UserError for a damaged or changed one.
        """
        file = self.path / "config.yaml"
        if not accept_changes and file.is_file() and files.changed(file.read_bytes()):
            raise UserError(
                f"{file} is not as the run wrote it (its SHA-256 does not match): restore it, or "
                "accept it as it is by removing its last line"
            )
        content = read_yaml(file)
        try:
            return Config(**as_it_was(content))
        except TypeError:
            raise UserError(f"{file} lacks sections: restore it") from None

    def about(self) -> dict[str, Any]:
        """What run.json says. Raises UserError for a damaged one."""
        file = self.path / "run.json"
        try:
            record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{file} cannot be read ({error}): restore it") from None
        if not isinstance(record, dict):
            raise UserError(f"{file} is no description of a run: restore it")
        said = record.pop("sha256", None)  # runs of older versions have none
        if said is not None and said != digest(record):
            raise UserError(
                f"{file} is not as the run wrote it (its SHA-256 does not match): restore it, or "
                'accept it as it is by removing its entry "sha256"'
            )
        if record.get("format") != FORMAT:
            raise UserError(
                f"{file} is of format {record.get('format')}, this version reads {FORMAT}"
            )
        for name, kind in (("data", dict), ("hardware", dict), ("taxonomy", list)):
            if not isinstance(record.get(name), kind):
                raise UserError(f"{file} lacks `{name}`: restore it")
        return record

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the kernel lets go when the process dies.

        Raises UserError when another process holds it.
        """
        if self._lock is None:
            self._hold()
        try:
            yield
        finally:
            self._release()

    def _hold(self) -> None:
        try:
            file = (self.path / ".lock").open("w")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(f"{self.path} cannot be written ({reason}): free it first") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UserError(
                f"{self.path} is in use by another process: wait for it, or use another --out"
            ) from None
        self._lock = file

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _next(stem: str) -> Path:
    """Make the first free runs/STEM-N; of several processes each gets its own."""
    for number in itertools.count(1):
        path = Path("runs") / f"{stem}-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error, "folder") from None
        return path
    raise AssertionError


def digest(about: Mapping[str, Any]) -> str:
    """SHA-256 of what a run.json says, however it is laid out."""
    text = json.dumps(about, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _slug(text: str) -> str:
    stem = Path(text).name or "data"
    return "".join(c if c.isalnum() else "-" for c in stem.split(":")[0]).strip("-")[:40] or "data"


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    from importlib.metadata import version

    names = ["genarium", "torch", "numpy", "pillow", "safetensors"]
    if not extras.missing("processes"):
        names.append("accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def hardware(threads: int | None = None) -> dict[str, Any]:
    """What the run computes on, as far as it decides numbers and speed."""
    import torch

    from genarium.training import allocator

    result: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "allocator": allocator.state(),
    }
    if torch.cuda.is_available():
        result["gpu"] = torch.cuda.get_device_name(0)
    return result


def spec_to_dict(spec: Any) -> dict[str, Any]:
    return asdict(spec)


def spec_from_dict(result: Mapping[str, Any]) -> Any:
    from genarium.contract import Attribute, Spec, Tones

    second, tones = result.get("second"), result.get("tones")
    return Spec(
        channels=int(result["channels"]),
        height=int(result["height"]),
        width=int(result["width"]),
        classes=tuple(result["classes"]),
        attributes=tuple(
            Attribute(name, tuple(values)) for name, values in result.get("attributes", ())
        ),
        vectors=tuple((name, int(length)) for name, length in result.get("vectors", ())),
        binarized=str(result.get("binarized", "")),
        second=(int(second[0]), int(second[1]), int(second[2])) if second else None,
        paired=bool(result.get("paired", False)),
        caption_bytes=int(result.get("caption_bytes", 0)),
        tones=Tones(tuple(map(float, tones[0])), float(tones[1])) if tones else None,
        values=_values(result.get("values")),
        second_values=_values(result.get("second_values")),
        shown=tuple(map(int, result.get("shown", ()))),
    )


def _values(known: Mapping[str, Any] | None) -> Any:
    """What stored values mean; runs of earlier versions, which say nothing of it, are of 8 bits."""
    from genarium.contract import EIGHT_BIT, Values

    if known is None:
        return EIGHT_BIT
    low, high = (tuple(map(float, known[name])) for name in ("low", "high"))
    return Values(str(known["dtype"]), low, high, str(known["rule"]), str(known["unit"]))
