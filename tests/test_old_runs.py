"""Run folders of earlier versions: they load, draw, score and go on training as they did then.

`GENARIUM_EXACT=1` compares every bit, which holds on the kind of processor that made the fixture
(x86 with AVX-512 and bf16 units); otherwise numbers may differ in their last digits.
"""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genarium
from genarium.training import files
from tests.conftest import tiny_dataset

ROOT = Path(__file__).parents[1]
PACKED = ROOT / "tests" / "fixtures" / "runs-0.1.zip"
EXACT = os.environ.get("GENARIUM_EXACT") == "1"

with zipfile.ZipFile(PACKED) as packed:
    EXPECTED: dict[str, Any] = json.loads(packed.read("expected.json"))
CASES = sorted(EXPECTED)


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("maker", ROOT / "tools" / "make_run_fixtures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = _maker()


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(PACKED) as packed:
        for name in packed.namelist():
            if name.startswith(f"{request.param}/"):
                packed.extract(name, tmp_path)
    return tmp_path / request.param


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(run: Any, expected: dict[str, Any], images: dict[str, np.ndarray]) -> None:
    result, numbers = MAKER.outcome(run)
    assert numbers["step"] == expected["step"]
    assert numbers["manifest"] == expected["manifest"]
    assert result.keys() == images.keys()
    if EXACT:
        assert numbers["sha256"] == expected["sha256"]
    assert numbers["weights"].keys() == expected["weights"].keys()
    for name, value in expected["weights"].items():
        assert numbers["weights"][name] == pytest.approx(value, rel=2e-3, abs=1e-6), name
    if "log_prob" in expected:
        assert numbers["log_prob"] == pytest.approx(expected["log_prob"], rel=1e-3)
    for kind, wanted in images.items():
        close = np.abs(result[kind].astype(int) - wanted.astype(int)) <= (0 if EXACT else 2)
        assert close.mean() >= (1 if EXACT else 0.98), kind


@pytest.mark.parametrize("folder", CASES, indirect=True)
def test_an_old_run_is_what_it_was_and_goes_on_as_it_did(folder: Path) -> None:
    then = EXPECTED[folder.name]
    with np.load(folder / "expected.npz") as stored:
        images = {name: stored[name] for name in stored.files}
    now = {k: v for k, v in images.items() if not k.startswith("resumed_")}
    later = {k.removeprefix("resumed_"): v for k, v in images.items() if k not in now}
    run = genarium.load(folder)
    check(run, then["now"], now)
    if "scores" in then["now"]:
        scores = MAKER.scores(run)
        for name, value in then["now"]["scores"].items():
            assert scores[name] == pytest.approx(value, rel=1e-9 if EXACT else 0.02), name
    check(genarium.resume(folder, steps=5), then["resumed"], later)


def test_a_configuration_of_then_is_trained_as_it_was(tmp_path: Path) -> None:
    """What a run's file lacks came later; what a file by hand lacks is at its default."""
    text = "recipe: mean-flow\narguments:\n  width: 4\n  blocks: 1\n"
    ours, hers = tmp_path / "config.yaml", tmp_path / "mine.yaml"
    ours.write_text(files.marked(text))
    hers.write_text(text)
    chosen = {}
    for file in (ours, hers):
        run = genarium.train(config=file, data=tiny_dataset(), out=tmp_path / file.stem, steps=1)
        chosen[file] = {k: run.config["arguments"][k] for k in ("whole", "tangent", "frequency")}
    assert chosen == {
        ours: {"whole": 0.0, "tangent": "pair", "frequency": 100.0},
        hers: {"whole": 0.5, "tangent": "learned", "frequency": 8.0},
    }
    hers.write_text(files.marked(text).replace("width: 4", "width: 8"))  # changed by hand
    run = genarium.train(config=hers, data=tiny_dataset(), out=tmp_path / "changed", steps=1)
    assert run.config["arguments"]["whole"] == 0.5
