"""Answers on disk: each once, in turn, never made anew."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from genarium.errors import UserError
from genarium.study import manifest as manifests
from genarium.study.plan import plan
from genarium.study.store import BUSY_S, OutOfTurn, Store


@pytest.fixture
def path(study: Path) -> Path:
    return study / "answers.sqlite"


@pytest.fixture
def identity(study: Path) -> str:
    return manifests.read(study).id


@pytest.fixture
def store(study: Path) -> Store:
    return Store(study / "answers.sqlite", manifests.read(study).id)


def join(store: Store, study: Path) -> str:
    manifest = manifests.read(study)
    return store.join(lambda used: plan(manifest, used, random.Random(0)))


def test_the_first_answer_stays(store: Store, study: Path) -> None:
    token = join(store, study)
    assert store.answer(token, 0, "real", 800.0)
    assert not store.answer(token, 0, "fake", 900.0)
    given = store.of(token)[0].given
    assert given is not None
    assert (given.answer, given.response_ms, given.shown_ms) == ("real", 800.0, None)
    assert sum(row.given is not None for row in store.everything()) == 1


def test_answers_come_in_turn(store: Store, study: Path) -> None:
    token = join(store, study)
    with pytest.raises(OutOfTurn, match="5 is not next: 0 is"):
        store.answer(token, 5, "real", 1.0)
    with pytest.raises(KeyError):
        store.answer("nobody", 0, "real", 1.0)
    rows = store.of(token)
    for row in rows:
        store.answer(token, row.position, "real", 1.0)
    with pytest.raises(OutOfTurn):
        store.answer(token, len(rows), "real", 1.0)


def test_participants_are_shown_the_least_used_pictures(store: Store, study: Path) -> None:
    tokens = {join(store, study) for _ in range(3)}
    assert len(tokens) == 3
    assert len(store.everything()) == 3 * 46  # 4 of practice, 40 pictures, 2 checks
    assert store.of("nobody") == []


def test_a_commit_is_synced_and_nothing_personal_is_kept(store: Store, path: Path) -> None:
    connection = store._open()
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(participant)")]
    assert columns == ["id", "token"]
    connection.close()


def test_a_locked_database_is_waited_for(store: Store, study: Path, path: Path) -> None:
    assert BUSY_S == 10
    token = join(store, study)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    begun = time.monotonic()
    timer.start()
    assert store.answer(token, 0, "real", 1.0)
    assert time.monotonic() - begun > 0.3
    timer.join()
    other.close()


def test_a_database_locked_for_long_is_an_error_and_no_answer(
    store: Store, study: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = join(store, study)
    monkeypatch.setattr("genarium.study.store.BUSY_S", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.answer(token, 0, "real", 1.0)
    other.execute("ROLLBACK")
    other.close()
    assert store.of(token)[0].given is None


@pytest.mark.parametrize("damage", ["header", "middle", "empty", "text", "missing", "folder"])
def test_a_damaged_database_is_one_line_and_left_as_it_is(
    store: Store, study: Path, path: Path, identity: str, damage: str
) -> None:
    for _ in range(3):
        join(store, study)
    store.close()
    whole = path.read_bytes()
    changed: bytes | None = {
        "header": b"x" * 100 + whole[100:],
        "middle": whole[:4096] + b"\xff" * 8192 + whole[12288:],
        "empty": b"",
        "text": b"no database\n" * 500,
    }.get(damage)
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(UserError, match=r"answers\.sqlite .*(restore it|try again)") as caught:
        Store(path, identity)
    assert "\n" not in str(caught.value)
    if changed is not None:
        assert path.read_bytes() == changed
    else:
        assert path.is_dir() == (damage == "folder")
        assert path.exists() == (damage == "folder")


def test_the_database_of_another_study_is_refused(path: Path) -> None:
    with pytest.raises(UserError, match="belongs to another study"):
        Store(path, "other")
