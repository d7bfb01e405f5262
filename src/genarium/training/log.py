"""What a run writes down: rows of metrics.jsonl, and optionally TensorBoard events."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genarium.errors import UserError


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
    """metrics.jsonl of one run: a JSON object a line, in the order of the steps."""

    def __init__(self, path: Path | None, tensorboard: bool = False):
        self.path = path
        self._writer = _tensorboard(path.parent / "tensorboard") if tensorboard and path else None

    def write(self, row: dict[str, Any]) -> None:
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._writer is not None:
            for group in ("losses", "metrics"):
                for name, value in row.get(group, {}).items():
                    self._writer.add_scalar(f"{group}/{name}", value, row["step"])

    def rewind(self, step: int) -> None:
        """Drop the rows after `step`: the run goes on from there and writes them anew."""
        if self.path is None or not self.path.is_file():
            return
        kept = [row for row in read(self.path) if row["step"] <= step]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        temporary.replace(self.path)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; a last line cut short by a kill is left out."""
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "--tensorboard needs the extra `track`: pip install 'genarium[track]'"
        ) from None
    return SummaryWriter(os.fspath(folder))
