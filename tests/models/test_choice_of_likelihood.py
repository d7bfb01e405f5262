"""`--decoder auto`: what the data are decides, and the run says and keeps what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genarium
from genarium import data, recipes
from genarium.contract import Spec, Tones
from genarium.data.dataset import LOOKED_AT, tones_of
from genarium.nn.distributions import likelihood_for
from genarium.runs.folder import spec_from_dict, spec_to_dict
from tests.conftest import tiny_dataset

GREY, BLACK_AND_WHITE = Tones((0.4,), 0.3), Tones((0.1,), 0.9)


def test_tones_are_the_mean_of_each_channel_and_the_share_at_the_ends() -> None:
    images = np.zeros((10, 3, 4, 4), np.uint8)
    images[:, 0] = 255
    images[:, 1, :2] = 31  # the darkest eighth of 256 levels is 0 to 31
    images[:, 1, 2:] = 32
    images[:, 2, :1] = 224
    images[:, 2, 1:] = 223
    result = tones_of(images)
    assert result.mean == pytest.approx((1.0, 31.5 / 255, (224 + 3 * 223) / 4 / 255))
    assert result.ends == pytest.approx((1 + 0.5 + 0.25) / 3)


def test_a_large_set_is_read_in_part_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOOKED_AT >= 2**20
    monkeypatch.setattr("genarium.data.dataset.LOOKED_AT", 50)
    images = np.repeat(np.arange(100, dtype=np.uint8), 4).reshape(100, 1, 2, 2)
    assert tones_of(images).mean[0] * 255 == pytest.approx(49.5, abs=5)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Spec(1, 28, 28, tones=BLACK_AND_WHITE), "bernoulli"),
        (Spec(1, 28, 28, tones=GREY), "gaussian"),
        (Spec(1, 28, 28), "bernoulli"),
        (Spec(1, 28, 28, binarized="static", tones=GREY), "bernoulli"),
        (Spec(3, 28, 28, binarized="dynamic", tones=Tones((0.5,) * 3, 0.2)), "bernoulli"),
        (Spec(3, 28, 28), "gaussian"),
        (Spec(3, 28, 28, tones=Tones((0.9,) * 3, 0.99)), "gaussian"),
        (Spec(5, 28, 28, tones=Tones((0.5,) * 5, 0.95)), "gaussian"),
        (Spec(1, 1, 2, tones=Tones((0.5,), 0.9)), "gaussian"),
    ],
)
def test_the_likelihood_follows_from_the_data(spec: Spec, expected: str) -> None:
    assert likelihood_for(spec) == expected


def test_digits_of_any_size_stay_black_and_white_and_shapes_do_not() -> None:
    for size in ("16", "28"):
        result = data.load("digits", data.DataOptions(size=size), progress=False)
        assert likelihood_for(result.spec) == "bernoulli"
    grey = data.load("shapes:n=200", data.DataOptions(channels=1), progress=False)
    assert likelihood_for(grey.spec) == "gaussian"


@pytest.mark.parametrize("name", ["vae", "cvae", "iwae"])
@pytest.mark.parametrize(("channels", "density"), [(1, "Bernoulli"), (3, "Gaussian")])
def test_a_recipe_called_by_itself_chooses_too(name: str, channels: int, density: str) -> None:
    recipe = recipes.get(name)
    model: Any = recipe(Spec(channels, 8, 8, ("a", "b")), **recipe.tiny)
    assert density in model.density
    asked: Any = recipe(Spec(channels, 8, 8, ("a", "b")), decoder="logistic", **recipe.tiny)
    assert "logistic" in asked.density


class Heard:
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def update(self, step: int, share: float, rate: float, row: dict[str, Any] | None) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None: ...


def test_a_run_says_and_keeps_what_was_chosen(tmp_path: Path) -> None:
    heard = Heard()
    settings = {"steps": 1, "batch": 8, "device": "cpu", "latent": 2, "width": 4}
    run = genarium.train("vae", tiny_dataset(3), out=tmp_path / "a", progress=heard, **settings)
    assert any("--decoder auto: gaussian" in note for note in heard.notes)
    assert run.config["arguments"]["decoder"] == "gaussian"
    again = genarium.load(tmp_path / "a")
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    assert torch.equal(run.reconstruct(images), again.reconstruct(images))
    told = Heard()
    asked = {**settings, "decoder": "logistic"}
    genarium.train("vae", tiny_dataset(3), out=tmp_path / "b", progress=told, **asked)
    assert not any("--decoder" in note for note in told.notes)


def test_specs_of_runs_keep_the_tones_and_older_ones_load_without() -> None:
    spec = Spec(1, 8, 8, tones=Tones((0.25,), 0.5))
    stored = spec_to_dict(spec)
    assert spec_from_dict(stored).tones == spec.tones
    del stored["tones"]
    assert spec_from_dict(stored).tones is None
    assert spec_from_dict(stored) == spec, "of one form"
