"""Tables of codes: what is written comes back, bit for bit."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from genarium.errors import UserError
from genarium.features import Table, read, write

CODES = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * 1e-3
NAMES = ["a/0.png", "a/1.png", 'b/ü,"2".png', "b/3.png", "4.png"]


def table(labels: bool = True) -> Table:
    result = torch.tensor([0, 0, 1, 1, -1]) if labels else None
    return Table(NAMES, CODES, result, ("a", "b"))


@pytest.mark.parametrize("labels", [True, False])
def test_npz_comes_back(tmp_path: Path, labels: bool) -> None:
    write(table(labels), tmp_path / "new" / "codes.npz")
    result = read(tmp_path / "new" / "codes.npz")
    assert list(result.names) == NAMES
    assert torch.equal(result.codes, CODES)
    assert result.classes == ("a", "b")
    assert (result.labels is None) is not labels
    assert not labels or torch.equal(result.labels, table().labels)


@pytest.mark.parametrize("labels", [True, False])
def test_csv_keeps_every_digit(tmp_path: Path, labels: bool) -> None:
    write(table(labels), tmp_path / "codes.csv")
    rows = list(csv.DictReader((tmp_path / "codes.csv").open(encoding="utf-8")))
    assert [row["name"] for row in rows] == NAMES
    codes = np.array([[row[f"z{d}"] for d in range(3)] for row in rows], np.float32)
    assert np.array_equal(codes, CODES.numpy())
    assert [row.get("label") for row in rows] == (
        ["a", "a", "b", "b", ""] if labels else [None] * 5
    )


@pytest.mark.parametrize("labels", [True, False])
def test_parquet_comes_back(tmp_path: Path, labels: bool) -> None:
    import pyarrow.parquet

    write(table(labels), tmp_path / "codes.parquet")
    result = pyarrow.parquet.read_table(tmp_path / "codes.parquet").to_pydict()
    assert result["name"] == NAMES
    codes = np.array([result[f"z{d}"] for d in range(3)], np.float32).T
    assert np.array_equal(codes, CODES.numpy())
    assert result.get("label") == (["a", "a", "b", "b", None] if labels else None)


def test_a_place_or_a_kind_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"--out x.txt: end it in .npz, .parquet or .csv"):
        write(table(), "x.txt")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write(table(), tmp_path / "file" / "codes.npz")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"genarium\[parquet\]"):
        write(table(), tmp_path / "codes.parquet")
    with pytest.raises(UserError, match="not codes"):
        read(tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_rows_must_agree() -> None:
    with pytest.raises(ValueError, match="as many"):
        Table(NAMES[:3], CODES)
