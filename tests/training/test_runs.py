"""The run folder: made once, written whole, and no change of it goes unnoticed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import genarium
from genarium.errors import RunError, UserError
from genarium.runs.folder import RunFolder
from genarium.training import files
from tests.conftest import tiny_dataset

TINY = {"width": 2, "batch": 8, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "made"
    genarium.train("dcgan", tiny_dataset(size=16), out=out, steps=2, **TINY)
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def use(run: Path) -> None:
    genarium.load(run)


def go_on(run: Path) -> None:
    genarium.resume(run, data=tiny_dataset(size=16), steps=3)


# ------------------------------------------------------------------ one flipped bit


@pytest.mark.parametrize("verb", [use, go_on])
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("config.yaml", "lr: 0.001", "lr: 0.003"),
        ("config.yaml", "seed: 0", "seed: 1"),
        ("config.yaml", "# sha256: ", "# sha256: 0"),
        ("run.json", '"height": 16', '"height": 17'),
        ("run.json", '"manifest": "0', '"manifest": "1'),
    ],
)
def test_another_value_is_reported(run: Path, verb, file: str, old: str, new: str) -> None:
    text = (run / file).read_text()
    assert old in text
    changed = text.replace(old, new)
    if new.endswith(": 0"):
        changed = changed[:-2] + "\n"  # as many digits as before, each one place further
    (run / file).write_text(changed)
    with pytest.raises(UserError, match=rf"{file} is not as the run wrote it .*SHA-256"):
        verb(run)


def test_a_configuration_changed_by_hand_can_be_accepted(run: Path) -> None:
    file = run / "config.yaml"
    text = file.read_text().replace("lr: 0.001", "lr: 0.003")
    file.write_text(text)
    again = genarium.resume(run, data=tiny_dataset(size=16), steps=3, accept_changes=True)
    assert again.config["arguments"]["lr"] == 0.003
    use(run)  # the run has written it anew
    file.write_text(text.replace("0.003", "0.004").rpartition("# sha256")[0])
    assert genarium.load(run).config["arguments"]["lr"] == 0.004


def test_a_description_changed_by_hand_can_be_accepted(run: Path) -> None:
    about = json.loads((run / "run.json").read_text())
    about["paper"] = "another"
    (run / "run.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match='removing its entry "sha256"'):
        use(run)
    del about["sha256"]
    (run / "run.json").write_text(json.dumps(about))
    assert genarium.load(run).about["paper"] == "another"


def test_runs_of_older_versions_without_checksums_load(run: Path) -> None:
    about = json.loads((run / "run.json").read_text())
    del about["sha256"]
    (run / "run.json").write_text(json.dumps(about, indent=1))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.rpartition("# sha256")[0])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["crc32"]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert genarium.load(run).history() == rows
    go_on(run)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"5", b"\xff", b"{}", b'{"format": 1}', b"[" * 9999]
)
def test_any_description_is_reported(run: Path, content: bytes) -> None:
    (run / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json"):
        use(run)


def test_flips_in_every_file_of_a_run() -> None:
    """A flip or two a file, of the campaign."""
    tool = Path(__file__).parents[2] / "tools" / "campaigns" / "bit_flips.py"
    command = [sys.executable, str(tool), "--flips", "20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "20 flips, 0 silent" in process.stdout


# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("when", ["open", "fsync", "replace"])
def test_a_description_is_the_old_or_the_new_one(
    run: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(os if when == "fsync" else Path, when, full)
        with pytest.raises(OSError, match="space"):
            files.write(run / "config.yaml", "new")
    assert {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()} == before
    files.write(run / "config.yaml", "new")
    assert (run / "config.yaml").read_text() == "new"


def test_descriptions_are_on_the_disk_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)

    monkeypatch.setattr(os, "fsync", fsync)
    run = RunFolder.create(tmp_path / "run", "vae", "tiny")
    about = {"name": "tiny", "manifest": "0" * 64, "spec": {"height": 1, "width": 1, "channels": 1}}
    run.describe(genarium.runs.configuration.Config("vae"), about, ("yours",), "")
    for name in ("config.yaml", "run.json", "README.md"):
        assert any(name in result for result in synced), name
    assert {"run", tmp_path.name} <= set(synced), "the names in the folder, and its own"


def test_after_a_disk_that_was_full_at_the_start_the_same_command_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write

    def full(path: Path, content: str) -> None:
        if path.name == "run.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    for out in ("run", "there", None):
        with monkeypatch.context() as patch:
            patch.setattr(files, "write", full)
            with pytest.raises(RunError, match=r"no space left on device.*repeat the command"):
                genarium.train("dcgan", tiny_dataset(size=16), out=out, steps=2, **TINY)
        assert genarium.train("dcgan", tiny_dataset(size=16), out=out, steps=2, **TINY).step == 2
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["dcgan-tiny-1"]


# ------------------------------------------------------------------ two at once


def test_trainings_that_start_at_once_get_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exists = Path.exists
    barrier = threading.Barrier(4)

    def slowly(self: Path, **settings: object) -> bool:  # all look before any makes its folder
        result = exists(self, **settings)
        if self.parent.name == "runs" and barrier.n_waiting < 4 and not result:
            barrier.wait(600)
        return result

    monkeypatch.setattr(Path, "exists", slowly)
    paths: list[Path] = []
    workers = [
        threading.Thread(target=lambda: paths.append(RunFolder.create(None, "vae", "d").path))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(p.name for p in paths) == [f"vae-d-{n}" for n in (1, 2, 3, 4)]


def test_a_folder_is_held_from_its_making_on(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "run", "vae", "d")
    with pytest.raises(UserError, match="in use by another process"):
        RunFolder.create(tmp_path / "run", "vae", "d")
    with first.locked():
        pass
    RunFolder.create(tmp_path / "run", "vae", "d")


@pytest.mark.parametrize(
    "names", [["notes.txt"], [".lock", "notes.txt"], ["README.md"], [".lock", "README.md"]]
)
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        RunFolder.create(tmp_path, "vae", "d")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == dict.fromkeys(names, "mine")


def test_whole_trainings_in_threads_equal_one_alone(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = tiny_dataset(size=16)
    steps = [2] * 3
    workers = [
        threading.Thread(
            target=genarium.train, args=("dcgan", dataset), kwargs={"steps": n, **TINY}
        )
        for n in steps
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    alone = (made / "checkpoints" / "00000002" / "model.safetensors").read_bytes()
    result = list(tmp_path.glob("runs/*/checkpoints/00000002/model.safetensors"))
    assert len(result) == len(steps)
    assert all(path.read_bytes() == alone for path in result)
