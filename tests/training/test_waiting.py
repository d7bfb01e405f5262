"""The command lets PyTorch's threads sleep sooner, unless the environment says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from genarium.training.waiting import ROUNDS, VARIABLES, wait_briefly

PROGRAM = """
import os, sys
from genarium.cli import main
status = main(["show", "no-such-run"])
print("torch" in sys.modules, os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "rounds"),
    [
        ({}, str(ROUNDS)),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
    ],
)
def test_it_is_said_before_pytorch_is_loaded(given: dict[str, str], rounds: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | given
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.split()[-1] == rounds


def test_where_pytorch_is_loaded_it_would_be_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    wait_briefly()
    assert not any(name in os.environ for name in VARIABLES)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv(VARIABLES[0], "")
    wait_briefly()
    assert os.environ[VARIABLES[0]] == str(ROUNDS)
