"""The image files below a folder: every real folder once, in an order that never changes."""

from __future__ import annotations

import contextlib
import gc
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from genarium.data.decode import SUFFIXES
from genarium.data.names import shown
from genarium.errors import UserError

TEXTS = (".txt", ".jsonl", ".csv")
KINDS = {".npy": ".npy", ".dcm": "DICOM", ".dicom": "DICOM", ".nii": "NIfTI", ".nii.gz": "NIfTI"}
"""Endings of files that are images where a folder holds no pictures."""
PARQUET = ".parquet"
RUN = "run.json"  # a training's folder holds it, beside config.yaml or checkpoints/
OUTPUT = ".genarium.json"  # a folder that a verb filled with pictures holds it
GRID = "grid.png"  # lies beside such pictures and is none of them
STUDY = "study.json"  # a human study, whose pictures are of models too
LITTER = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector, which makes its rounds after so many new objects.

    A list of ten thousand files makes it walk over all that the process has (with PyTorch loaded
    0.3 s, as long as all the rest), and names hold no cycles.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class ScannedFile(NamedTuple):
    """A file by its image suffix. file: its path, for an image in a file followed by "\\0" and
    where it is in there. name: relative, with "/", in Unicode's form NFC.

    Of strings only: a `Path` costs more to make than a file to look up.
    """

    file: str
    name: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.file)


@dataclass
class Scan:
    """files, sorted; folders: relative names of all folders; others: how many files have no image
    suffix; aliases: links to a folder that was visited already; texts: those of the others that
    may hold captions; made: left out as what this program made (runs/, pictures/); tables: parquet
    files. Where there are no pictures, files are arrays or slices, all of one kind."""

    files: list[ScannedFile] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    others: int = 0
    aliases: list[str] = field(default_factory=list)
    texts: list[ScannedFile] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    tables: list[ScannedFile] = field(default_factory=list)


@uncollected()
def scan(root: Path) -> Scan:
    """Everything below `root`; a folder that cannot be read, or a run's, is a `UserError`.

    Folders below that this program made, runs and single pictures of a verb, are left out: they
    are not the user's pictures. Who means them names them.

    Hidden files and system litter (.DS_Store, ._x.jpg, Thumbs.db ...) are passed over. Links are
    followed after all real folders, each folder (device, inode) once, so loops end.
    """
    result = Scan()
    beside: dict[str, list[ScannedFile]] = {}
    seen: set[tuple[int, int]] = set()
    plain, links = [(root, "")], list[tuple[Path, str]]()
    while plain or links:
        linked = not plain
        folder, name = (links if linked else plain).pop(0 if linked else -1)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                result.aliases.append(name)
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            raise UserError(
                f"--data {shown(str(folder))}: the folder cannot be read ({error.strerror})"
            ) from error
        inside = {entry.name for entry in entries}
        run = RUN in inside and not inside.isdisjoint(("config.yaml", "checkpoints"))
        if run and not name:
            raise UserError(
                f"--data {shown(str(root))}: this is the folder of a run: name a folder of images"
            )
        if name and (run or not inside.isdisjoint((OUTPUT, STUDY))):
            result.made.append(f"{name}/")
            continue
        if name:
            result.folders.add(name)
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in LITTER:
                continue
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.name == GRID and OUTPUT in inside:  # all pictures of the folder on one sheet
                result.made.append(below)
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else plain).append((Path(entry.path), below))
            elif entry.name[entry.name.rfind(".") :].lower() in SUFFIXES:  # Path's costs 10 µs
                result.files.append(ScannedFile(entry.path, unicodedata.normalize("NFC", below)))
            else:
                result.others += 1
                kind = _kind(entry.name)
                if kind is not None:
                    below = unicodedata.normalize("NFC", below)
                    beside.setdefault(kind, []).append(ScannedFile(entry.path, below))
                if entry.name.lower().endswith(TEXTS):
                    below = unicodedata.normalize("NFC", below)
                    result.texts.append(ScannedFile(entry.path, below))
    result.tables = sorted(beside.pop(PARQUET, []), key=lambda f: f.name)
    if not result.files and not result.tables:
        result.files = _arrays(root, beside)
        result.others -= len(result.files)
    result.files.sort(key=lambda f: f.name)
    if len({f.name for f in result.files}) < len(result.files):
        # forms that NFC makes equal keep apart by their bytes
        result.files.sort(key=lambda f: (f.name, os.fsencode(f.file)))
    return result


def _kind(name: str) -> str | None:
    """What a file that is no picture may be, by its name; "" where that has no ending."""
    lower = name.lower()
    ending = ".nii.gz" if lower.endswith(".nii.gz") else lower[lower.rfind(".") :]
    if "." not in lower:
        return ""
    return PARQUET if ending == PARQUET else KINDS.get(ending)


def _arrays(root: Path, beside: dict[str, list[ScannedFile]]) -> list[ScannedFile]:
    """The files of the one kind that there is; those of DICOM often have no ending."""
    bare = [file for file in beside.pop("", ()) if _is_dicom(file.file)]
    if bare:
        beside.setdefault("DICOM", []).extend(bare)
    if len(beside) > 1:
        kinds = " and ".join(f"{len(files)} of {kind}" for kind, files in sorted(beside.items()))
        raise UserError(f"--data {shown(str(root))}: holds {kinds}: name a folder of one kind")
    return next(iter(beside.values()), [])


def _is_dicom(file: str) -> bool:
    with contextlib.suppress(OSError):
        if Path(file).is_file():
            with Path(file).open("rb") as stream:
                return stream.read(132)[128:] == b"DICM"
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads in a circle
