"""A run keeps what its stored values mean: in its record, with other images, with changed data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import genarium
from genarium.contract import EIGHT_BIT, Values
from genarium.data import Collection, DataOptions, Part, load, source
from genarium.errors import UserError
from genarium.runs.configuration import Config, write_yaml
from genarium.runs.trained import Trained

DRAW = np.random.default_rng(0)
IMAGES = {
    "counts": DRAW.integers(0, 4000, (60, 2, 8, 8)).astype(np.uint16),
    "heat": (DRAW.random((60, 2, 8, 8)) * 4095 - 1024).astype(np.float32),
}
TINY = {"latent": 2, "width": 4, "steps": 1, "batch": 8, "device": "cpu"}


@source("counts", summary="12 bits of 16", licence="none")
def counts(request: object, *, top: int = 0) -> Collection:
    images = IMAGES["counts"].copy()
    images[0, 0, 0, 0] = top or images[0, 0, 0, 0]
    parts = zip(("train", "validation", "test"), np.array_split(images, 3), strict=True)
    return Collection({name: Part(part) for name, part in parts})


@source("heat", summary="floats", licence="none")
def heat(request: object) -> Collection:
    parts = zip(("train", "validation", "test"), np.array_split(IMAGES["heat"], 3), strict=True)
    return Collection({name: Part(part) for name, part in parts}, unit="HU")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: genarium.train("vae", data=name, out=folder / name, **TINY)  # type: ignore[arg-type]
        for name in IMAGES
    }


def test_the_record_has_the_range_with_its_numbers(runs: dict[str, Trained]) -> None:
    about = genarium.load(runs["counts"].path).about["data"]
    assert about["spec"]["values"]["high"] == [4095.0]
    assert about["info"]["values"]["range"] == "0 to 4,095"
    assert about["info"]["policy"]["range"] == {"type": "uint16", "low": [0.0], "high": [4095.0]}
    assert runs["heat"].about["data"]["info"]["values"]["unit"] == "HU"
    facts = genarium.show_data("counts").text()
    assert "0 to 4,095" in facts
    assert "uint16" in facts


def test_a_run_reads_its_own_data_and_others_by_its_range(runs: dict[str, Trained]) -> None:
    run = genarium.load(runs["counts"].path)
    assert run.dataset().manifest == run.about["data"]["manifest"]
    assert run.data_options().range == "0.0,4095.0"
    assert run.encode("test:0-4").shape == (5, 2)
    assert torch.equal(run.encode("counts"), run.encode(run.dataset().test.images))


def test_an_earlier_run_reads_16_bits_as_8(tmp_path: Path) -> None:
    """It named no range: its data have the manifest that they had."""
    made = genarium.train("vae", data="counts", range="8-bit", out=tmp_path / "run", **TINY)  # type: ignore[arg-type]
    assert made.spec.values == EIGHT_BIT
    stored = made.folder.config()
    data = {name: value for name, value in stored.data.items() if name != "range"}
    write_yaml(
        tmp_path / "run" / "config.yaml", Config("vae", stored.arguments, data, stored.training)
    )
    run = genarium.load(tmp_path / "run")
    assert run.dataset().manifest == run.about["data"]["manifest"]
    assert run.dataset().test.images.dtype == torch.uint8
    assert torch.equal(run.encode("test:0-3"), made.encode("test:0-3"))
    assert load("counts").manifest != run.dataset().manifest


def test_changed_data_are_taken_on_the_range_of_the_run(runs: dict[str, Trained]) -> None:
    run = genarium.load(runs["counts"].path, data="counts:top=40000", accept_changes=True)
    assert load("counts:top=40000").spec.values.high == (65535.0,)
    with pytest.warns(UserWarning, match="not what"):
        assert run.dataset().spec.values.high == (4095.0,)
    other = replace(load("heat"), spec=load("heat").spec)
    run = genarium.load(runs["counts"].path, data=other, accept_changes=True)
    with pytest.raises(UserError, match="float32"):
        run.dataset()


def test_integers_go_in_as_they_are_stored_or_on_minus_1_to_1(runs: dict[str, Trained]) -> None:
    run = runs["counts"]
    images = run.dataset().test.images[:4]
    expected = run.encode(images)
    signed = run.spec.values.signed(images)
    last = images.permute(0, 2, 3, 1).contiguous()
    for same in (images.numpy(), list(images), last.numpy(), signed, run.stored(signed)):
        assert torch.equal(run.encode(same), expected)
    for wrong, words in (
        (images.to(torch.int64), "the data are uint16, 0 to 4,095"),
        (EIGHT_BIT.stored(signed), "of type uint8"),
        (images[:, :1], r"\[N,2,8,8\]"),
        (signed * 127, "give uint16"),
        (signed.abs(), "run.stored"),
    ):
        with pytest.raises(UserError, match=words):
            run.encode(wrong)


def test_floats_go_in_in_their_units(runs: dict[str, Trained]) -> None:
    run = runs["heat"]
    images = run.dataset().test.images[:4]
    expected = run.encode(images)
    for same in (images.double(), images.numpy(), list(images)):
        assert torch.equal(run.encode(same), expected)
    again = run.reconstruct(images)
    assert torch.equal(run.encode(run.stored(again)), run.encode(Verb(again, run.stored(again))))
    for wrong, words in (
        (again, r"run.stored\(images\)"),
        (images.to(torch.int32), "the data are float32"),
        (images * torch.nan, "not finite"),
    ):
        with pytest.raises(UserError, match=words):
            run.encode(wrong)


@dataclass
class Verb:
    """What a verb gives back: on [-1, 1], and as the data are stored."""

    images: Tensor
    values: Tensor


@pytest.mark.parametrize("name", IMAGES)
def test_searches_and_likelihoods_of_other_values(name: str, runs: dict[str, Trained]) -> None:
    run = runs[name]
    images = run.dataset().test.images[:3]
    assert run.score(images).isfinite().all()
    inversion = run.invert("test:0-1", steps=2)
    error = (run.decode(inversion.codes) - run.spec.values.signed(images[:2])) / 2
    assert torch.allclose(error.square().flatten(1).mean(1), inversion.mse, atol=1e-4)


def test_test_images_of_another_type_are_refused(runs: dict[str, Trained]) -> None:
    with pytest.raises(UserError, match="heat: float32: give uint16"):
        runs["counts"].encode("heat")


def test_options_of_other_images(runs: dict[str, Trained]) -> None:
    values = Values("float32", (-1.5, 0.0), (2.25, 1e-3))
    assert DataOptions(range=values.as_option()).range_rule.numbers == (-1.5, 2.25, 0.0, 1e-3)
