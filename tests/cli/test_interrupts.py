"""A Ctrl-C while torch is half imported waits until it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genarium.cli import interrupts

TORCH = """
import time
print("half", flush=True)
for _ in range(int({steps})):
    time.sleep(0.01)  # a signal is seen between two of them
print("whole", flush=True)
"""
PROGRAM = """
import sys, time
from genarium.cli import interrupts
sys.path.insert(0, sys.argv[1])
try:
    with interrupts.after_torch():
        import torch
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_import_ends_first(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(TORCH.format(steps=40))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=120)
    assert (said, errors) == ("whole\ninterrupted\n", "")


@contextmanager
def handled(by: object) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, by)  # type: ignore[arg-type]
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_somebody_else_stays() -> None:
    with handled(signal.SIG_IGN), interrupts.after_torch():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_python_s_own_is_back_afterwards() -> None:
    with handled(signal.default_int_handler):
        with interrupts.after_torch():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
