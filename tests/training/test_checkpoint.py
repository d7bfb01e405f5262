"""Checkpoints survive kills, full disks and flipped bits, and open no pickle."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from genarium.errors import RunError, UserError
from genarium.training import checkpoint as checkpoints
from genarium.training.checkpoint import Checkpoint


def make(step: int, value: float = 1.0) -> Checkpoint:
    weights = {"w": torch.full((2, 3), value), "n": torch.tensor(7)}
    return Checkpoint(step, weights, None, {"all/w/exp_avg": torch.zeros(2, 3)}, {"step": step})


def test_round_trip_in_any_memory_layout(tmp_path: Path) -> None:
    saved = make(3)
    saved.model["c"] = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    saved.model["shared"] = saved.model["w"]
    checkpoints.save(tmp_path, saved, keep=2)
    checkpoint = checkpoints.load(tmp_path)
    assert checkpoint.step == 3
    assert checkpoint.state == {"step": 3}
    assert checkpoint.ema is None
    for name, value in saved.model.items():
        assert torch.equal(checkpoint.model[name], value)
        assert checkpoint.model[name].dtype == value.dtype


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (1, 2, 30, 100):
        checkpoints.save(tmp_path, make(step), keep=2)
    assert checkpoints.steps(tmp_path) == [30, 100]
    assert checkpoints.load(tmp_path, 30).step == 30
    with pytest.raises(UserError, match=r"--step 2: .*there are: 30, 100"):
        checkpoints.load(tmp_path, 2)


@pytest.mark.parametrize("file", ["model.safetensors", "optim.safetensors", "state.json"])
def test_one_flipped_bit_is_noticed_and_the_one_before_taken(tmp_path: Path, file: str) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, make(step), keep=2)
    damaged = tmp_path / "00000002" / file
    content = bytearray(damaged.read_bytes())
    content[-2] ^= 1
    damaged.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"00000002 left out: {file} is damaged"):
        assert checkpoints.load(tmp_path).step == 1
    (tmp_path / "00000001" / "MANIFEST.json").unlink()
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(UserError, match="holds no whole checkpoint"),
    ):
        checkpoints.load(tmp_path)


def test_a_kill_at_any_moment_of_a_save_loses_nothing() -> None:
    """At each file operation of a save, of the same step and of a new one, and some at random."""
    tool = Path(__file__).parents[2] / "tools" / "campaigns" / "kills.py"
    command = [sys.executable, str(tool), "--random", "6"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert process.returncode == 0, process.stdout + process.stderr
    kills, lost = map(int, re.findall(r"\d+", process.stdout.splitlines()[-1]))
    assert kills > 40
    assert lost == 0


def test_all_is_on_the_disk_before_a_checkpoint_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    synced: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").resolve().name
        synced.append((name, (folder / "00000001").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    path = checkpoints.save(folder, make(1), keep=1)
    before = {name for name, named in synced if not named}
    assert before >= {p.name for p in path.iterdir()}, "each file"
    assert any(name.startswith(checkpoints.TEMPORARY) for name in before), "their names"
    assert tmp_path.name in before, "the name of the new folder"
    assert synced[-1] == ("checkpoints", True), "the new name"


def test_a_save_that_fails_between_its_two_renames_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(tmp_path, make(1), keep=1)
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.name.startswith(checkpoints.TEMPORARY):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(RunError, match="step 1 is kept"):
        checkpoints.save(tmp_path, make(1, 2.0), keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["00000001"]
    assert checkpoints.load(tmp_path).model["w"][0, 0] == 1


def test_a_damaged_checkpoint_of_a_later_step_does_not_push_out_whole_ones(tmp_path: Path) -> None:
    """The newest is damaged, the run falls back and goes on with another --checkpoint-every."""
    for step in (4, 8):
        checkpoints.save(tmp_path, make(step), keep=2)
    (tmp_path / "00000008" / "model.safetensors").write_bytes(b"")
    checkpoints.save(tmp_path, make(6), keep=1)
    assert checkpoints.steps(tmp_path) == [6]
    assert checkpoints.load(tmp_path).step == 6


def test_reading_beside_a_training_that_saves(tmp_path: Path) -> None:
    """`sample` of a run that trains: what is moved or dropped meanwhile is looked for again."""
    checkpoints.save(tmp_path, make(1), keep=1)
    verify, saves = checkpoints.verify, iter([(2, 2.0), (3, 3.0)])

    def meanwhile(path: Path) -> str | None:
        for step, value in saves:
            checkpoints.save(tmp_path, make(step, value), keep=1)
            break
        return verify(path)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(checkpoints, "verify", meanwhile)
        assert checkpoints.load(tmp_path).step == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b"5", b'{"../../x": "0"}', b'{"model.safetensors\\u0000": "0"}'],
)
def test_any_manifest_is_reported(tmp_path: Path, content: bytes) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, make(step), keep=2)
    (tmp_path / "00000002" / "MANIFEST.json").write_bytes(content)
    with pytest.warns(UserWarning, match=r"00000002 left out: MANIFEST\.json cannot be read"):
        assert checkpoints.load(tmp_path).step == 1


def test_full_disk_keeps_the_previous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(tmp_path, make(1), keep=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(
        RunError, match=r"no space left on device; the checkpoint of step 1 is kept"
    ):
        checkpoints.save(tmp_path, make(2), keep=2)
    assert [p.name for p in tmp_path.iterdir()] == ["00000001"]


def test_pickles_and_broken_files_are_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    for name in ("model.pt", "model.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(UserError, match=name):
            checkpoints.read_tensors(tmp_path / name)
    assert not (tmp_path / "owned").exists()
    whole = checkpoints.save(tmp_path, make(1), keep=1) / "model.safetensors"
    for cut in (whole.read_bytes()[:-5], whole.read_bytes() + b"trailing", b""):
        (tmp_path / "cut.safetensors").write_bytes(cut)
        with pytest.raises(UserError, match="not a whole safetensors file"):
            checkpoints.read_tensors(tmp_path / "cut.safetensors")


def test_weights_that_do_not_fit_are_named() -> None:
    model = torch.nn.Linear(3, 2)
    good = model.state_dict()
    with pytest.raises(UserError, match=r"weight is \(2, 4\), the model wants \(2, 3\)"):
        checkpoints.load_weights(model, {**good, "weight": torch.zeros(2, 4)}, "run")
    with pytest.raises(UserError, match="bias is missing"):
        checkpoints.load_weights(model, {"weight": good["weight"]}, "run")
    with pytest.raises(UserError, match=r"NaN or infinite weights in bias"):
        checkpoints.load_weights(model, {**good, "bias": torch.tensor([1.0, torch.nan])}, "run")


def test_manifest_lists_every_file(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(1), keep=1)
    listed = set(json.loads((path / "MANIFEST.json").read_text()))
    assert listed | {"MANIFEST.json"} == {p.name for p in path.iterdir()}


def test_a_manifest_that_is_nested_without_end_is_damage(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_text("[" * 100_000)
    assert "cannot be read" in str(checkpoints.verify(tmp_path))


def test_a_checkpoint_without_its_manifest_is_not_whole(tmp_path: Path) -> None:
    weights = {"weight": torch.ones(2)}
    saved = checkpoints.save(tmp_path, Checkpoint(1, weights, state={"step": 1}), keep=2)
    assert checkpoints.verify(saved) is None
    (saved / "MANIFEST.json").unlink()
    assert checkpoints.verify(saved) == "MANIFEST.json is missing"
