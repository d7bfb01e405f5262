"""What is installed, where it computes, and what is missing."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import genarium
from genarium import extras
from genarium.cli import main
from genarium.training.device import device_of

here = sys.modules["genarium.api.environment"] if genarium.environment else None


def without_build(said: str) -> str:
    """2.13.0 of 2.13.0+cu130: torch names its build, what is installed need not."""
    return said.partition("+")[0]


def test_command_and_function_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["environment", "--json"]) == 0
    said, result = json.loads(capsys.readouterr().out), genarium.environment()
    assert said["versions"] == result.versions
    assert said["versions"]["genarium"] == genarium.__version__ == version("genarium")
    assert without_build(said["versions"]["torch"]) == without_build(torch.__version__)
    assert said["device"] == device_of("auto")
    assert said["works"] is True
    assert 0 < said["free"] <= said["memory"]
    assert said["extras"] == {name: not extras.missing(name) for name in extras.EXTRAS}


def test_version_begins_with_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"genarium {version('genarium')}"
    assert f"torch {without_build(torch.__version__)}" in second
    assert third.startswith("computes on the ")


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = genarium.environment()
    assert result.extras["features"] is False
    (line,) = [x for x in result.text().splitlines() if x.startswith("  features")]
    assert line.endswith(": pip install 'genarium[features]'")
    assert "features" not in result.version()


def test_a_gpu_that_pytorch_cannot_use_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("genarium.training.device.device_of", lambda name: "cpu")
    driver = tmp_path / "version"
    monkeypatch.setattr(here, "NVIDIA", driver)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert genarium.environment().advice == []
    driver.touch()
    (line,) = genarium.environment().advice
    assert "an NVIDIA GPU is here" in line
    assert "has no CUDA" in line
    driver.unlink()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    (line,) = genarium.environment().advice
    assert "the CPU build takes 4 GB less" in line


def test_a_device_that_computes_wrongly_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "equal", lambda a, b: False)
    result = genarium.environment()
    assert not result.works
    assert result.advice[0].endswith("say --device cpu")
    assert "WRONGLY" in result.text()
