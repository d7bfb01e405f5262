"""What is damaged is said: one flipped bit anywhere in a study, a missing file, an odd text."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from pathlib import Path

import pytest

import genarium
from genarium.cli import main
from genarium.errors import UserError
from genarium.study import manifest as manifests
from genarium.study import store as stores
from genarium.study.create import create
from genarium.study.plan import plan
from genarium.study.store import Row, Store
from tests.conftest import tiny_dataset

FLIPS = 200


def answered(study: Path) -> tuple[Path, str, list[Row]]:
    """The database of a study that three people took part in: its path, study, and content."""
    manifest = manifests.read(study)
    store = Store(study / "answers.sqlite", manifest.id)
    for number in range(3):
        token = store.join(lambda used: plan(manifest, used, random.Random(0)))
        for row in store.of(token)[: 46 - number]:
            store.answer(token, row.position, "real" if row.position % 3 else "fake", 700.5)
    rows = store.everything()
    store.close()
    return study / "answers.sqlite", manifest.id, rows


def test_no_flipped_bit_in_the_answers_goes_unnoticed(study: Path) -> None:
    """Each is reported, or changes nothing: SQLite's pages have room that nothing is kept in."""
    path, identity, rows = answered(study)
    whole, draw = path.read_bytes(), random.Random(18)
    reported, silent, said = 0, 0, set[str]()
    for _ in range(FLIPS):
        place, bit = draw.randrange(len(whole)), draw.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            store = Store(path, identity)
            silent += store.everything() != rows
            store.close()
        except UserError as error:
            said.add(str(error))
            assert path.read_bytes() == flipped, "it was left as it is"
            reported += 1
    assert silent == 0
    assert reported > FLIPS // 4
    assert not any("\n" in line for line in said)
    path.write_bytes(whole)
    assert Store(path, identity).everything() == rows


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answer SET answer = 'real' WHERE answer = 'fake' AND participant = 1",
        "UPDATE answer SET response_ms = 7 WHERE position = 5",
        "UPDATE answer SET shown_ms = 7 WHERE position = 5",
        "DELETE FROM answer WHERE position = 45",
        "UPDATE trial SET wanted = 'real' WHERE wanted = 'fake'",
        "UPDATE trial SET picture = 'ab.png' WHERE position = 9",
        "UPDATE trial SET block = 3 WHERE position = 9",
        "UPDATE participant SET token = 'x' WHERE id = 2",
        "DELETE FROM seal WHERE participant = 2",
        "INSERT INTO study VALUES ('other')",
    ],
)
def test_no_changed_row_goes_unnoticed(study: Path, change: str) -> None:
    path, identity, _ = answered(study)
    connection = sqlite3.connect(path)
    assert connection.execute(change).rowcount
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match="damaged"):
        Store(path, identity)


def test_no_flipped_bit_in_the_manifest_goes_unnoticed(study: Path) -> None:
    path, draw = study / "study.json", random.Random(3)
    whole, result = path.read_bytes(), manifests.read(study)
    for _ in range(FLIPS):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with contextlib.suppress(UserError):
            assert manifests.read(study) == result


@pytest.mark.parametrize("verb", ["serve", "report"])
@pytest.mark.parametrize("sums", [True, False])
def test_a_missing_or_changed_mask_is_one_line(
    timed: Path, capsys: pytest.CaptureFixture[str], verb: str, sums: bool
) -> None:
    manifest = manifests.read(timed)
    if not sums:
        without_sums(timed)
    mask = timed / "pictures" / manifest.masks[0]
    if sums:
        mask.write_bytes(mask.read_bytes() + b"x")
        assert main(["study", verb, str(timed)]) == 2
        assert "was changed" in capsys.readouterr().err
    mask.unlink()
    assert main(["study", verb, str(timed)]) == 2
    assert f"{mask} cannot be read" in capsys.readouterr().err


def without_sums(study: Path) -> None:
    """The manifest as earlier versions wrote it."""
    stored = json.loads((study / "study.json").read_text())
    del stored["sha256"], stored["mask_sums"]
    (study / "study.json").write_text(json.dumps(stored))


def test_studies_of_earlier_versions_are_read(study: Path) -> None:
    """No sums in the manifest, no seals in the database, a write-ahead log."""
    identity = manifests.read(study).id
    without_sums(study)
    path = study / "answers.sqlite"
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    for table in stores.TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {stores.APPLICATION}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO study VALUES (?)", (identity,))
    connection.commit()
    connection.close()
    _, _, rows = answered(study)
    assert sum(row.given is not None for row in rows) == 46 + 45 + 44
    assert Store(path, identity).everything() == rows
    assert main(["study", "report", str(study), "--keep-inattentive"]) == 0


@pytest.mark.parametrize("title", ["a\udcffb", "a\nb", "x" * 300])
def test_titles_that_no_page_can_show_are_refused(
    tiny_run: Path, tmp_path: Path, title: str
) -> None:
    with pytest.raises(UserError, match="--title"):
        create([tiny_run], tiny_dataset(), out=tmp_path / "s", n=2, practice=0, title=title)
    assert not (tmp_path / "s").exists()


def test_names_that_are_no_text_are_shown_all_the_same(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run's folder may be called anything; a manifest of an earlier version may hold anything."""
    odd = genarium.load(tiny_run)
    odd.name = "run\udcff"
    made = create([odd], tiny_dataset(), out=tmp_path / "s", n=4, practice=0, checks=0)
    assert made.models[0].name == "run\\xff"
    without_sums(tmp_path / "s")
    stored = json.loads((tmp_path / "s" / "study.json").read_text())
    stored["title"] = "half \ud800"
    (tmp_path / "s" / "study.json").write_text(json.dumps(stored))
    assert manifests.read(tmp_path / "s").title == "half ?"
    answered_by_one(tmp_path / "s")
    assert main(["study", "report", str(tmp_path / "s")]) == 0


def answered_by_one(study: Path) -> None:
    manifest = manifests.read(study)
    store = Store(study / "answers.sqlite", manifest.id)
    token = store.join(lambda used: plan(manifest, used, random.Random(0)))
    for row in store.of(token):
        store.answer(token, row.position, "real", 5.0)
    store.close()
