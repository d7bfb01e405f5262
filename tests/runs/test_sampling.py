"""Settings of a sampler that several runs are given."""

from __future__ import annotations

from pathlib import Path

import pytest

import genarium
from genarium.errors import UserError
from genarium.runs import sampling


def test_a_value_that_one_of_several_runs_cannot_take_is_told_with_that_run(tmp_path: Path) -> None:
    few = {"steps": 1, "batch": 2, "width": 4, "progress": False}
    runs = [
        genarium.train(name, "digits", out=tmp_path / name, **few)
        for name in ("flow-matching", "ddpm")
    ]
    with pytest.raises(UserError, match=r"^\S*/ddpm: --solver 'euler': choose "):
        sampling.each_with_its_own(runs, {"solver": "euler"})
    with pytest.raises(UserError, match=r"^--denoise: .* only; .* only: leave it out"):
        sampling.each_with_its_own(runs, {"denoise": True})
    with pytest.raises(UserError, match=r"^--no-denoise: "):
        sampling.each_with_its_own(runs, {"denoise": False})
