"""Benchmarks against loops written by hand: both sides train, sample and are scored alike."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def program(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The benchmark, imported as it is when it is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = {*sys.modules}
    yield importlib.import_module(request.param)
    for name in {*sys.modules} - before:
        if name.startswith(("_plain", "_sides", "plain_")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("program", "hand"),
    [("plain_flow", "plain-32"), ("plain_dcgan", "plain-16")],
    indirect=["program"],
)
def test_each_side_trains_and_is_scored(
    program: ModuleType,
    hand: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.modules["_plain"], "SAMPLES", 12)
    tiny = "tiny=flow-matching:width=4,batch=4"
    words = ["digits", "--size", "16", "--seconds", "0.05", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["it", *words, "--side", tiny, "--only", f"{hand},tiny"])
    threads = torch.get_num_threads()
    sys.modules["_plain"].compete(program.__doc__, program.sides, "it")
    torch.set_num_threads(threads)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["side"] for row in rows] == [hand, "tiny"]
    for row in rows:
        assert row["steps"] >= 1
        assert row["seconds"] >= 0.05
        assert row["frechet"] > row["frechet_held_out"] > 0
        samples = np.load(tmp_path / f"{row['side']}-16-0.npy")
        assert samples.dtype == np.uint8
        assert samples.shape == (12, 1, 16, 16)


@pytest.mark.parametrize("program", ["plain_flow"], indirect=True)
def test_the_loop_by_hand_learns_the_mean_velocity(program: ModuleType) -> None:
    """All images alike: the velocity ε - x is known, and its error falls below that of 0."""
    images = torch.full((64, 1, 8, 8), 255, dtype=torch.uint8)
    side = program.Plain(images, 8, 0)
    for _ in range(150):
        side.step()
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.ones(64, 1, 8, 8), torch.randn(64, 1, 8, 8, generator=generator)
    t = torch.rand(64, generator=generator)
    way = t[:, None, None, None]
    with torch.no_grad():
        guess = side.network((1 - way) * x + way * noise, t)
    assert (guess - (noise - x)).square().mean() < 0.5 * (noise - x).square().mean()
    assert side.sample(4).float().mean() > 200, "samples are white, as the images"
