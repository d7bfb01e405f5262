"""Codes as a table: names, codes and labels, written as npz, parquet or CSV.

    npz       arrays `names` [N], `codes` [N,D] float32, `labels` [N] (-1: none), `classes` [K]
    parquet   columns name, label (where there are any), z0 .. z(D-1)
    csv       the same columns as text, every digit of a float32

Shapes: N images · D latent size · K classes
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genarium import extras
from genarium.errors import UserError, unreadable

SUFFIXES = (".npz", ".parquet", ".csv")


class Tabular(Protocol):
    """What can be written as a table: a `Table`, or what `genarium.encode` gives."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def codes(self) -> Tensor: ...
    @property
    def labels(self) -> Tensor | None: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    def class_names(self) -> list[str] | None: ...


@dataclass(frozen=True)
class Table:
    """names: of the images, N. codes: [N,D] float32. labels: [N] int64 or None; -1 where an image
    has none. classes: names in label order."""

    names: Sequence[str]
    codes: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = [len(self.names), len(self.codes)]
        rows += [] if self.labels is None else [len(self.labels)]
        if self.codes.ndim != 2 or len(set(rows)) > 1:
            raise ValueError(f"names, codes [N,D] and labels must be as many, not {rows}")

    def class_names(self) -> list[str] | None:
        """The label of each image as text, "" where it has none."""
        if self.labels is None:
            return None
        known = self.classes
        return [
            "" if label < 0 else known[label] if known else str(label)
            for label in self.labels.tolist()
        ]


def check(path: str | Path) -> Path:
    """The path as it is, if a table can be written there. Raises UserError for another suffix, or
    for parquet without its library."""
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {path}: end it in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if file.suffix.lower() == ".parquet":
        _parquet(file)
    return file


def write(table: Tabular, path: str | Path) -> None:
    """Write the table as the suffix says, in one go: a file that is there is replaced whole.

    Raises UserError for an unknown suffix, a missing library or a place that cannot be written.
    """
    out = check(path)
    temporary = out.with_name(f".{out.name}.tmp")
    kind = {".npz": _npz, ".csv": _csv, ".parquet": _write_parquet}[out.suffix.lower()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        kind(table, temporary)
        temporary.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--out {path} cannot be written ({reason}): name another place") from None


def _npz(table: Tabular, path: Path) -> None:
    labels: dict[str, Any] = {} if table.labels is None else {"labels": table.labels.numpy()}
    with path.open("wb") as file:
        np.savez(
            file,
            names=np.array(list(table.names), dtype=np.str_),
            codes=table.codes.float().numpy(),
            classes=np.array(table.classes, dtype=np.str_),
            **labels,
        )


def _csv(table: Tabular, path: Path) -> None:
    named = table.class_names()
    columns = [f"z{d}" for d in range(table.codes.shape[1])]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", *([] if named is None else ["label"]), *columns])
        # %.9g gives every float32 back as it was
        codes = [[f"{value:.9g}" for value in row] for row in table.codes.float().tolist()]
        for i, name in enumerate(table.names):
            rows.writerow([name, *([] if named is None else [named[i]]), *codes[i]])


def _parquet(path: Path) -> Any:
    extras.expect("parquet", f"--out {path}: parquet", otherwise="write .npz or .csv")
    import pyarrow
    import pyarrow.parquet

    return pyarrow


def _write_parquet(table: Tabular, path: Path) -> None:
    arrow = _parquet(path)
    columns: dict[str, Any] = {"name": arrow.array(list(table.names))}
    named = table.class_names()
    if named is not None:
        columns["label"] = arrow.array([name or None for name in named], type=arrow.string())
    for d, column in enumerate(table.codes.float().numpy().T):
        columns[f"z{d}"] = arrow.array(column)
    arrow.parquet.write_table(arrow.table(columns), path)


def read(path: str | Path) -> Table:
    """A table that `write` wrote as .npz. Raises UserError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            labels = torch.from_numpy(stored["labels"]) if "labels" in stored else None
            return Table(
                stored["names"].tolist(),
                torch.from_numpy(stored["codes"]),
                labels,
                tuple(stored["classes"].tolist()),
            )
    except unreadable():
        raise UserError(f"{path}: not codes that `genarium encode` wrote as .npz") from None
