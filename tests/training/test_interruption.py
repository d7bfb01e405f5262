"""A training goes on or saves, whatever becomes of its terminal; and it leaves torch as it was."""

from __future__ import annotations

import errno
import io
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from genarium.contract import Batch, Step
from genarium.errors import Interrupted, PeerGone
from genarium.training import checkpoint as checkpoints
from genarium.training import progress
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer
from tests.conftest import make_trainer, tiny_dataset
from tests.training.test_trainer import A, Players, data, trainer

# ------------------------------------------------------------------ signals


def test_a_closing_terminal_s_second_sighup_does_not_kill(tmp_path: Path) -> None:
    made = trainer(steps=100)
    made.attach(tmp_path)

    def poison(_: int) -> bool:
        if made.step == 5:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
        return False

    made.model.poison = poison
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(Interrupted, match="SIGHUP at step 6") as stop:
            made.fit()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stop.value.status == 129
    assert checkpoints.load(tmp_path / "checkpoints").step == 6


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_ignored_signals_stay_ignored(number: signal.Signals) -> None:
    """`nohup genarium train`, and `genarium train &` in a script."""
    made = trainer(steps=4)
    made.model.poison = lambda _: os.kill(os.getpid(), number)  # type: ignore[func-returns-value]
    before = signal.signal(number, signal.SIG_IGN)
    try:
        made.fit()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert made.step == 4


# ------------------------------------------------------------------ what watches


class Broken:
    """A progress whose output fails from the first moment on."""

    def __init__(self, error: Exception):
        self.error, self.calls = error, 0

    def _fail(self, *_: object) -> None:
        self.calls += 1
        raise self.error

    update = note = close = _fail


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF])
def test_a_progress_that_fails_is_dropped(tmp_path: Path, number: int) -> None:
    made = trainer(steps=4)
    broken = Broken(OSError(number, os.strerror(number)))
    made.attach(tmp_path, broken)
    made.fit()
    assert broken.calls == 1
    assert checkpoints.load(tmp_path / "checkpoints").step == 4


def test_a_mistake_in_a_progress_is_not_hidden(tmp_path: Path) -> None:
    made = trainer(steps=4)
    made.attach(tmp_path, Broken(ValueError("a mistake")))
    with pytest.raises(ValueError, match="a mistake"):
        made.fit()


@pytest.mark.parametrize("stderr", [None, "closed"])
def test_no_stderr_no_progress(monkeypatch: pytest.MonkeyPatch, stderr: str | None) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if stderr else None)
    assert isinstance(progress.live("run"), progress.Silent)


def test_samples_that_the_disk_does_not_take_end_no_training(tmp_path: Path) -> None:
    made = trainer(steps=4)
    said: list[str] = []

    class Notes(progress.Silent):
        def note(self, text: str) -> None:
            said.append(text)

    def paint(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made.attach(tmp_path, Notes(), paint)
    made.fit()
    assert checkpoints.load(tmp_path / "checkpoints").step == 4
    assert said == ["no samples of step 4: No space left on device"]


COMMAND = [sys.executable, "-m", "genarium", "train", "dcgan", "--data", "digits", "--batch", "8"]
COMMAND += ["--width", "2", "--checkpoint-every", "100000", "--log-every", "1", "--out", "run"]


def begun(folder: Path, process: subprocess.Popen[bytes]) -> None:
    while not (folder / "run" / "metrics.jsonl").is_file():
        assert process.poll() is None
        time.sleep(0.01)


def test_a_terminal_that_closes(tmp_path: Path) -> None:
    """The kernel sends SIGHUP and refuses all output; the run is saved, exit status 129."""
    ours, theirs = pty.openpty()
    program = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    program += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *COMMAND[1:], "--steps", "1000000"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)

    def read() -> None:
        while not closing.is_set() and os.read(ours, 1 << 16):
            pass

    closing = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    begun(tmp_path, process)
    closing.set()
    reader.join()  # the bar writes several times a second
    os.close(ours)
    assert process.wait() == 129
    assert checkpoints.load(tmp_path / "run" / "checkpoints").step > 0


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "2>&1 >&- | true"])
def test_a_stderr_that_is_closed_full_or_gone(tmp_path: Path, redirected: str) -> None:
    """The progress is told to write at each step; the run ends as if somebody had read it."""
    program = (
        "import sys; from genarium.training import progress; from genarium.cli import main\n"
        "progress.Lines.__init__.__defaults__ = (0.0,)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "train.py").write_text(program)
    arguments = " ".join([*COMMAND[3:], "--steps", "6"])
    line = f"set -o pipefail; '{sys.executable}' train.py {arguments} {redirected}"
    # buffered, as Python is unless this says otherwise: what is left at the end counts too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
    process = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment, check=False, capture_output=True
    )
    assert process.returncode == 0, process.stderr
    assert checkpoints.load(tmp_path / "run" / "checkpoints").step == 6


# ------------------------------------------------------------------ torch's generators


class Dropping(Players):
    """Players whose loss depends on the global generator."""

    def step(self, batch: Batch, phase: str) -> Step:
        first = torch.rand(())
        with_other = torch.rand(())
        loss = (self.a.weight * nn.functional.dropout(torch.ones(3), 0.5)).sum()
        return Step({"loss": loss * first + with_other * self.a.weight.sum()}, {})


def dropping(steps: int = 60) -> Trainer:
    options = TrainOptions(batch=4, device="cpu", steps=steps)
    return Trainer(Dropping(A), data(), options)


def test_a_training_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    made = make_trainer("vae", tiny_dataset())
    made.fit()
    dropping().fit()
    assert torch.equal(torch.rand(3), expected)


def test_a_training_does_not_depend_on_the_global_generator() -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made = dropping()
        made.fit()
        results.append(made.model.a.weight.detach())
    assert torch.equal(*results)


def test_trainings_in_threads_do_not_disturb_each_other() -> None:
    alone = dropping()
    alone.fit()
    together = [dropping() for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a switch wherever there can be one
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    try:
        workers = [threading.Thread(target=made.fit) for made in together]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    for made in together:
        assert made.step == 60
        assert torch.equal(made.model.a.weight, alone.model.a.weight)
    assert torch.equal(torch.rand(2), expected)


def test_a_lost_process_in_a_model_s_own_meeting_is_one_line() -> None:
    """Batch norm sums over processes within the turn."""
    made = trainer()

    def poison(_: int) -> bool:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer")

    made.model.poison = poison
    with pytest.raises(PeerGone, match="another process of this run ended"):
        made.fit()
