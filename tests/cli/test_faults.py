"""Bad input at the command: one clear line, the right status, nothing lost, no traceback."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genarium.cli import main

TINY = ["--data", "digits", "--steps", "4", "--batch", "8", "--width", "4", "--quiet"]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """The one line on stderr of a command that ends with `status`."""
    assert main(arguments) == status
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert captured.out == ""
    return lines[0]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian vae", ["verb trian", "did you mean train?"]),
        ("train vea", ["recipe 'vea'", "did you mean 'vae'?"]),
        ("train", ["name a recipe", "vae"]),
        ("train dcgan --widht 8", ["--widht", "did you mean --width?"]),
        ("train dcgan --width wide", ["--width 'wide'", "whole number"]),
        ("train dcgan --width 0", ["--width '0'", "above 0"]),
        ("train dcgan --lr -1", ["--lr '-1'", "above 0"]),
        ("train dcgan --device meta", ["--device meta is not available"]),
        ("train dcgan --lr nan", ["--lr 'nan'"]),
        ("train dcgan --lr inf", ["--lr 'inf'", "finite"]),
        ("train dcgan --schedule sine", ["--schedule 'sine'", "cosine"]),
        ("train dcgan --batch 0", ["--batch '0'"]),
        ("train dcgan --ema 1", ["--ema '1'", "below 1"]),
        ("train dcgan --device tpu", ["--device tpu"]),
        ("train dcgan --data nowhere", ["--data", "nowhere"]),
        ("train dcgan --data digit", ["did you mean 'digits'?"]),
        ("train dcgan --size big", ["--size"]),
        ("train dcgan --data digits --batch 50000", ["--batch 50000", "11000"]),
        ("train dcgan --data digits --packing 2 --batch 9", ["--batch 9", "multiple of 2"]),
        ("train dcgan --out", ["--out", "expected one argument"]),
        ("train dcgan extra", ["'extra' is not expected"]),
        ("train --config nowhere.yaml", ["nowhere.yaml does not exist"]),
        ("resume nowhere", ["nowhere", "not a run folder"]),
        ("sample", ["RUN"]),
        ("sample nowhere", ["nowhere", "not a run folder"]),
        ("sample weights.pt", ["pickled weights are never opened"]),
        ("sample nowhere -n 0", ["-n '0'", "above 0"]),
        ("sample nowhere --seed x", ["--seed 'x'", "whole number"]),
        ("evaluate nowhere", ["nowhere", "not a run folder"]),
        ("compare nowhere", ["nowhere", "not a run folder"]),
        ("compare nowhere --out page.pdf", ["--out page.pdf", ".html"]),
        ("data show nowhere", ["nowhere"]),
        ("data shw digits", ["shw"]),
    ],
)
def test_bad_command_lines(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, words: list[str]
) -> None:
    line = fails(capsys, *arguments.split())
    assert line.startswith("genarium: error: ")
    for word in words:
        assert word in line
    assert list(here.iterdir()) == [], "nothing was written"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recipe: dcgan\narguments: {widht: 8}", ["widht", "did you mean width?"]),
        ("recipe: dcgan\ntrainig: {steps: 8}", ["trainig", "did you mean training?"]),
        ("recipe: dcgan\narguments:\n  width: 8\n  width: 9", ["width twice", "line 4"]),
        ("recipe: dcgan\narguments: {lr: !!python/object/apply:os.getcwd []}", ["plain YAML"]),
        ("recipe: dcgan\narguments: &a {width: 8}\ntraining: *a", ["aliases"]),
        ("recipe: dcgan\ntraining: 5", ["training must hold"]),
        ("- 1", ["expected the keys"]),
        ("recipe: [", ["plain YAML"]),
        ("recipe: dcgan\ntraining: {steps: many}", ["--steps 'many'", "whole number"]),
        ("recipe: dcgan\ntraining: {flip: 3.5}", ["--flip", "true or false"]),
    ],
)
def test_bad_configuration_files(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    (here / "run.yaml").write_text(text)
    line = fails(capsys, "train", "--config", "run.yaml")
    for word in words:
        assert word in line
    assert [p.name for p in here.iterdir()] == ["run.yaml"]


def test_folder_in_use_full_or_not_writable(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "full").mkdir()
    (here / "full" / "file").touch()
    line = fails(capsys, "train", "dcgan", *TINY, "--out", "full")
    assert "--out full is not empty" in line
    assert "genarium resume full" in line
    assert "is a file" in fails(capsys, "train", "dcgan", *TINY, "--out", "full/file")
    assert "cannot be written" in fails(capsys, "train", "dcgan", *TINY, "--out", "full/file/run")
    assert main(["train", "dcgan", *TINY, "--out", "run"]) == 0
    capsys.readouterr()
    from genarium.runs.folder import RunFolder

    with RunFolder.open("run").locked():
        assert "in use by another process" in fails(capsys, "resume", "run", "--quiet")


def test_yaml_numbers_and_texts_are_taken_by_type(here: Path) -> None:
    """YAML reads 1e-4 as a text and 28 as a number; the type of the setting decides."""
    (here / "run.yaml").write_text(
        "recipe: dcgan\narguments: {lr: 1e-4, width: 4}\n"
        "data: {source: digits, size: 28}\n"
        "training: {steps: 2, batch: 8, device: cpu, ema: 0}"
    )
    assert main(["train", "--config", "run.yaml", "--batch", "4", "--out", "run", "--quiet"]) == 0
    import genarium

    config = genarium.load("run").config
    assert config["arguments"]["lr"] == 1e-4
    assert config["data"]["size"] == "28"
    assert config["training"]["batch"] == 4
    # the file that a run writes repeats the run
    assert main(["train", "--config", "run/config.yaml", "--out", "again", "--quiet"]) == 0
    one, two = genarium.load("run"), genarium.load("again")
    assert all(
        (a == b).all()
        for a, b in zip(one.model.state_dict().values(), two.model.state_dict().values())
    )


# ------------------------------------------------------------------ in a process of its own


def start(*arguments: str, cwd: Path, **settings: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "genarium", *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(tmp_path: Path, number: int, status: int) -> None:
    process = start("train", "dcgan", *TINY, "--steps", "100000", "--out", "run", cwd=tmp_path)
    while not list(tmp_path.glob("run/metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert "genarium resume run" in errors
    assert list(tmp_path.glob("run/checkpoints/0*/MANIFEST.json"))


def test_full_disk(tmp_path: Path) -> None:
    """The kernel refuses to let files grow beyond 20 kB: the run stops with one line."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start("train", "dcgan", *TINY, "--out", "run", cwd=tmp_path, preexec_fn=limit)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "could not save the checkpoint of step 4" in errors
    assert not list(tmp_path.glob("run/checkpoints/*"))


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    process = start("models", cwd=tmp_path)
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=600)
    assert "Traceback" not in errors
