"""What the zoo holds: catalogue.json, read and checked. Needs no torch."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genarium.errors import UserError
from genarium.signatures import unknown

FILE = Path(__file__).parent / "catalogue.json"


@dataclass(frozen=True)
class File:
    """A file of an entry: its SHA-256, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    name: as in zoo:NAME. recipe, taxonomy, paper: what it is. data: the source that it was trained
    on; data_licence, attribution: of them. licence: of the weights. train: what stands behind
    `genarium train`. evaluate: what stands behind `genarium evaluate zoo:NAME` for these scores.
    shape: (C, H, W) of its images. step, parameters: of the weights. minutes: of one processor
    core, for the training; machine: which. half: whether the weights are in half precision;
    precision: the score that decided that, in single and in half precision. scores: rows as
    `genarium evaluate` gives them. context: what they are of (extractor, its hash, counts).
    shipped: whether it is in the package. files: by path in the run folder. published: of the
    first score: value, paper and epochs; empty where no paper has one.
    """

    name: str
    recipe: str
    taxonomy: tuple[str, ...]
    paper: str
    data: str
    data_licence: str
    attribution: str
    licence: str
    train: str
    evaluate: str
    shape: tuple[int, int, int]
    step: int
    parameters: int
    minutes: float
    machine: str
    half: bool
    precision: Mapping[str, Any]
    scores: tuple[Mapping[str, Any], ...]
    context: Mapping[str, Any]
    shipped: bool
    files: Mapping[str, File]
    published: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that trains such a model."""
        return f"genarium train {self.train}"

    @property
    def words(self) -> list[str]:
        """What stands behind `genarium`, word by word."""
        return ["train", *shlex.split(self.train)]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    @property
    def headline(self) -> Mapping[str, Any]:
        """The score that tables show: the first, which tools/zoo.py puts there."""
        return self.scores[0]


@dataclass(frozen=True)
class Catalogue:
    """Every entry by its name, in the order of the file. place: where the files of those are that
    the package does not hold: an address or a folder with a folder of each name; "": nowhere."""

    place: str
    entries: Mapping[str, Entry]

    def get(self, name: str) -> Entry:
        """Raises UserError, which names the nearest one, for a name that is not there."""
        entry = self.entries.get(name)
        if entry is None:
            said = str(unknown(name, [*self.entries], "zoo:")).replace("zoo: ", "zoo:", 1)
            raise UserError(f"{said} (all: `genarium zoo list`)")
        return entry


@functools.cache
def catalogue(file: Path = FILE) -> Catalogue:
    """The catalogue as it is written."""
    record = json.loads(file.read_text(encoding="utf-8"))
    return Catalogue(
        record["place"], {name: _entry(name, each) for name, each in record["entries"].items()}
    )


def _entry(name: str, record: Mapping[str, Any]) -> Entry:
    changed = {
        "taxonomy": tuple(record["taxonomy"]),
        "shape": tuple(record["shape"]),
        "scores": tuple(record["scores"]),
        "files": {path: File(**each) for path, each in record["files"].items()},
    }
    return Entry(name=name, **{**record, **changed})


def interval(row: Mapping[str, Any]) -> str:
    """A score with its 95 % interval, as tables have it."""
    ends = row.get("interval")
    if ends is None:
        return f"{row['value']:.3g}"
    low, high = (f"{end:.3g}" for end in ends)
    return f"{row['value']:.3g} ({low} to {high})"
