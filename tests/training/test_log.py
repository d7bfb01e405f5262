"""metrics.jsonl: damage costs a row, never the rest; a full disk costs no training."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from genarium.errors import RunError
from genarium.training import files, log
from genarium.training.log import Log


def rows(*steps: int) -> list[dict[str, object]]:
    return [{"step": n, "losses": {"a": 0.1 * n}, "metrics": {}} for n in steps]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = Log(tmp_path / "metrics.jsonl")
    for row in rows(1, 2, 3):
        made.write(row)
    return tmp_path / "metrics.jsonl"


def test_rows_come_back(path: Path) -> None:
    assert log.read(path) == rows(1, 2, 3)
    for line in path.read_text().splitlines():
        assert json.loads(line)["step"]  # JSON for everybody


@pytest.mark.parametrize(
    "damaged",
    [
        *(b"", b"{", b"[1]", b"5", b"null", b"{}", b'{"step": "2"}', b"\xff\xfe", b"[" * 9999),
        b'{"step": 2, "losses": {"a": 0.3}, "metrics": {}, "crc32": 1}',
    ],
)
def test_a_damaged_row_is_left_out_and_the_others_stay(path: Path, damaged: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[1] = damaged
    path.write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=r"1 damaged rows left out \(lines 2\)"):
        assert log.read(path) == rows(1, 3)
    with pytest.warns(UserWarning, match="left out"):
        Log(path).rewind(3)
    assert log.read(path) == rows(1, 3)


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    start = content.index(b"\n") + 1
    end = content.index(b"\n", start)
    for bit in range(8 * start, 8 * end, 3):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log.warnings, "warn", lambda *_, **__: None)
            record = log.read(path)
        # in the name of the sum the row itself is whole
        kept = [{k: row[k] for k in ("step", "losses", "metrics")} for row in record]
        assert kept in (rows(1, 3), rows(1, 2, 3), rows(1), rows(3))


def test_a_row_cut_short_by_a_kill_is_dropped_and_the_next_begins_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    assert log.read(path) == rows(1, 2)
    again = Log(path)
    again.rewind(2)
    again.write(rows(3)[0])
    assert log.read(path) == rows(1, 2, 3)


def test_rows_wait_for_space(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    made = Log(path, note=said.append)
    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, content):  # the half of it fits
            return self.file.write(content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *a, **k: Full(opened(*a, **k)))
        for row in rows(4, 5):
            made.write(row)
        assert log.read(path) == rows(1, 2, 3)
    made.write(rows(6)[0])
    made.close()
    assert log.read(path) == rows(1, 2, 3, 4, 5, 6)
    assert len(said) == 1
    assert "no space left on device" in said[0]


def test_rows_that_never_fit_are_said_to_be_lost(tmp_path: Path) -> None:
    said: list[str] = []
    made = Log(tmp_path / "nowhere" / "metrics.jsonl", note=said.append)
    for row in rows(1, 2):
        made.write(row)
    made.close()
    assert len(said) == 2
    assert "the last 2 rows" in said[1]


def test_a_full_disk_at_a_rewind_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(RunError, match="no space left on device"):
        Log(path).rewind(1)
    Log(path).rewind(3)  # nothing to drop, nothing to write


def test_tensorboard_s_full_disk_ends_nothing(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    said: list[str] = []
    made = Log(tmp_path / "metrics.jsonl", True, said.append)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made._writer.add_scalar = full
    for row in rows(1, 2):
        made.write(row)
    made.close()
    assert log.read(tmp_path / "metrics.jsonl") == rows(1, 2)
    assert len(said) == 1
    assert "TensorBoard" in said[0]


def test_a_row_that_is_nested_without_end_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    written = Log(file)
    written.write({"step": 1, "losses": {}})
    written.close()
    file.write_bytes(file.read_bytes() + b"[" * 100_000 + b"\n")
    with pytest.warns(UserWarning, match="left out"):
        assert [row["step"] for row in log.read(file)] == [1]
