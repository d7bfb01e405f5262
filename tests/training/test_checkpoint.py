"""Checkpoints survive kills, full disks and flipped bits, and open no pickle."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
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
    found = checkpoints.load(tmp_path)
    assert found.step == 3
    assert found.state == {"step": 3}
    assert found.ema is None
    for name, value in saved.model.items():
        assert torch.equal(found.model[name], value)
        assert found.model[name].dtype == value.dtype


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


def test_killed_in_a_save_leaves_the_previous(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, make(1), keep=2)
    program = f"""
import os, signal
from genarium.training import checkpoint as c
from tests.training.test_checkpoint import make
from pathlib import Path
c._sync = lambda path: os.kill(os.getpid(), signal.SIGKILL)
c.save(Path({str(tmp_path)!r}), make(2), keep=2)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", program], check=False, env=environment)
    assert killed.returncode == -9
    assert any(p.name.startswith(checkpoints.TEMPORARY) for p in tmp_path.iterdir())
    assert checkpoints.load(tmp_path).step == 1
    checkpoints.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["00000001"]


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
