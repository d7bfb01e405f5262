"""A Ctrl-C while torch is half imported waits until it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
interrupts.wait_for_torch()
sys.path.insert(0, sys.argv[1])
import torch
try:
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


def test_a_handler_of_somebody_else_stays() -> None:
    from genarium.cli import interrupts

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.wait_for_torch()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
