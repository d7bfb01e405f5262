"""What a run writes down: rows of metrics.jsonl, and optionally TensorBoard events."""

from __future__ import annotations

import errno
import json
import os
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genarium import extras
from genarium.errors import RunError
from genarium.training import files


class Means:
    """Running means of named scalars, kept on their device until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        value = value.detach()
        if name in self._sums:
            self._sums[name] = self._sums[name] + value
            self._counts[name] += 1
        else:
            self._sums[name], self._counts[name] = value.to(torch.float32), 1

    def stacked(self) -> tuple[list[str], Tensor]:
        """Names and their means as one tensor (one transfer, one all-reduce)."""
        names = sorted(self._sums)
        if not names:
            return [], torch.zeros(0)
        return names, torch.stack([self._sums[k] / self._counts[k] for k in names])

    def clear(self) -> None:
        self._sums.clear()
        self._counts.clear()


class Log:
    """metrics.jsonl of one run: a JSON object a line, in the order of the steps.

    A full disk ends no training: rows that it does not take wait, and `note` is told once.
    """

    def __init__(
        self,
        path: Path | None,
        tensorboard: bool = False,
        note: Callable[[str], None] = lambda text: None,
    ):
        self.path, self._note = path, note
        self.last: dict[str, Any] = {}  # the last row, whether or not it is kept
        self._writer = _tensorboard(path.parent / "tensorboard") if tensorboard and path else None
        self._waiting: list[str] = []

    def write(self, row: dict[str, Any]) -> None:
        self.last = row
        if self.path is None:
            return
        first = not self._waiting
        self._waiting.append(_line(row))
        try:
            self._flush(self.path)
        except OSError as error:
            if first:
                self._note(f"{self.path} cannot be written ({_reason(error)}): rows wait for space")
        if self._writer is not None:
            try:
                for group in ("losses", "metrics", "learning_rate"):
                    for name, value in row.get(group, {}).items():
                        self._writer.add_scalar(f"{group}/{name}", value, row["step"])
            except OSError as error:
                self._no_tensorboard(error)

    def _flush(self, path: Path) -> None:
        content = "".join(self._waiting).encode()
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(end)
                raise
        self._waiting.clear()

    def _no_tensorboard(self, error: OSError) -> None:
        self._writer = None
        self._note(f"TensorBoard's files cannot be written ({_reason(error)}): no more of them")

    def rewind(self, step: int) -> None:
        """Drop the rows after `step`: the run goes on from there and writes them anew.

        Raises RunError when the disk does not take the rest.
        """
        if self.path is None or not self.path.is_file():
            return
        rows = read(self.path)
        kept = "".join(_line(row) for row in rows if row["step"] <= step)
        try:
            if kept.encode() != self.path.read_bytes():
                files.write(self.path, kept)
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({_reason(error)}): free some space, then "
                "`genarium resume`"
            ) from error

    def close(self) -> None:
        if self.path is not None and self._waiting:
            try:
                self._flush(self.path)
            except OSError as error:
                lost = len(self._waiting)
                self._note(f"the last {lost} rows of {self.path} are lost ({_reason(error)})")
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                self._no_tensorboard(error)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _line(row: Mapping[str, Any]) -> str:
    """A row as its line: JSON that ends with the CRC-32 of the JSON without it."""
    text = json.dumps(row)
    return f'{text[:-1]}, "crc32": {zlib.crc32(text.encode())}}}\n'


def _row(line: bytes) -> dict[str, Any]:
    """The row of a line. Raises ValueError for a damaged one; rows of old runs have no sum."""
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("not a row of a log")
    if "crc32" in row:
        said = row.pop("crc32")
        if zlib.crc32(json.dumps(row).encode()) != said:
            raise ValueError("its CRC-32 does not match")
    return row


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl.

    Damaged ones are left out with a warning; a last line that a kill cut short, without.
    """
    if not path.is_file():
        return []
    *lines, last = path.read_bytes().split(b"\n")
    rows, damaged = [], []
    for number, line in enumerate([*lines, last], start=1):
        try:
            rows.append(_row(line))
        except (ValueError, RecursionError):
            if number <= len(lines):
                damaged.append(number)
    if damaged:
        some = ", ".join(map(str, damaged[:3])) + (", ..." if len(damaged) > 3 else "")
        warnings.warn(f"{path}: {len(damaged)} damaged rows left out (lines {some})", stacklevel=2)
    return rows


def _tensorboard(folder: Path) -> Any:
    extras.expect("track", "--tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(os.fspath(folder))
