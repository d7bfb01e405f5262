"""The score of a checkpoint: what each kind of model is scored by, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import genarium
from genarium import recipes
from genarium.data import Dataset
from genarium.errors import UserError
from genarium.runs.validation import Validation
from genarium.training.best import Scored
from tests.conftest import make_trainer, tiny_dataset

NAMES = {
    "autoencoder": "reconstruction MSE",
    "vae": "bits/dim (upper bound)",
    "pixelcnn": "bits/dim",
    "dcgan": "FID (efficientnet-lite0)",
    "cgan": "FID (efficientnet-lite0)",
    "pix2pix": "a2b L1",
    "cyclegan": "mean of 2 L1",
}


def scored(name: str, dataset: Dataset) -> Scored:
    model = make_trainer(name, dataset).model.eval()
    result = Validation(model, dataset)
    result.prepare()
    first = result(model)
    assert first == result(model), "the same model, the same score"
    return first


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_is_scored_by(name: str) -> None:
    result = scored(name, tiny_dataset())
    assert result.name == NAMES[name]
    assert result.value is not None
    assert result.value > 0


def test_an_error_is_that_of_the_validation_images() -> None:
    dataset = tiny_dataset()
    model = make_trainer("autoencoder", dataset).model.eval()
    with torch.no_grad():
        again = (model.reconstruct(dataset.validation.images) + 1) / 2
    error = (again - dataset.validation.images / 255).square().mean().item()
    assert scored("autoencoder", dataset).value == pytest.approx(error, rel=1e-5)


def test_samples_that_are_training_images_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tiny_dataset(n=200)
    model = make_trainer("dcgan", dataset).model.eval()
    assert "no sign of copying" in Validation(model, dataset)(model).note
    stolen = dataset.train.images.float() / 127.5 - 1
    monkeypatch.setattr(
        type(model), "sample", lambda self, n, **_: stolen[torch.arange(n) % len(stolen)]
    )
    result = Validation(model, dataset)(model)
    assert "copi" in result.note
    assert "no sign" not in result.note


def test_samples_that_are_no_numbers_have_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tiny_dataset()
    model = make_trainer("dcgan", dataset).model.eval()
    monkeypatch.setattr(
        type(model), "sample", lambda self, n, **_: torch.full((n, *dataset.spec.shape), torch.nan)
    )
    result = Validation(model, dataset)(model)
    assert result.value is None
    assert "not finite" in result.note


@pytest.mark.parametrize(
    ("name", "left", "words"),
    [
        ("vae", 1, "keep_best: the data have 1 validation images and the score needs 2"),
        ("dcgan", 0, "keep_best: the data have 0 validation images and the score needs 20"),
    ],
)
def test_too_few_validation_images_are_refused(
    tmp_path: Path, name: str, left: int, words: str
) -> None:
    dataset = tiny_dataset()
    held = dataset.validation
    few = dataclasses.replace(
        held,
        images=held.images[:left],
        labels=held.labels[:left],
        extra={key: value[:left] for key, value in held.extra.items()},
    )
    dataset = dataclasses.replace(dataset, validation=few)
    out = tmp_path / "run"
    with pytest.raises(UserError, match=words):
        genarium.train(name, dataset, out=out, steps=2, batch=8, keep_best=True, device="cpu")
    assert not out.exists()


def test_patience_without_a_best_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UserError, match=r"patience.* 3: .* give keep_best"):
        genarium.train("vae", tiny_dataset(), out=out, steps=2, batch=8, patience=3, device="cpu")
    assert not out.exists()


def test_a_run_loads_its_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([2.0, 1.0, 3.0, 4.0, 5.0])
    monkeypatch.setattr(
        Validation, "__call__", lambda self, model: Scored("error", next(values), 64)
    )
    out = tmp_path / "run"
    settings = {**recipes.get("vae").tiny, "batch": 8, "device": "cpu", "keep": 1}
    run = genarium.train(
        "vae",
        tiny_dataset(),
        out=out,
        steps=10,
        checkpoint_every=2,
        keep_best=True,
        patience=1,
        **settings,
    )
    assert [row["best"] for row in run.history() if row.get("event") == "score"] == [2, 4, 4]
    assert run.step == genarium.load(out).step == genarium.load(out, step="best").step == 4
    last = genarium.load(out, step="last")
    assert last.step == 6
    assert len(genarium.sample(out, n=2, step="last").images) == 2
    with pytest.raises(UserError, match="this run is loaded at step 6"):
        genarium.sample(last, n=2, step="best")
    with pytest.warns(UserWarning, match="a larger patience goes on"):
        genarium.resume(out, data=tiny_dataset())
    with pytest.raises(UserError, match="give a larger patience"):
        genarium.resume(out, data=tiny_dataset(), steps=12)
    again = genarium.resume(out, data=tiny_dataset(), patience=9)
    assert (again.step, again.history()[-1]["step"]) == (4, 10)


def test_the_command_takes_best_and_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from genarium.cli import main

    out = tmp_path / "run"
    settings = {**recipes.get("vae").tiny, "batch": 8, "device": "cpu"}
    genarium.train("vae", tiny_dataset(), out=out, steps=2, **settings)
    sample = ["sample", str(out), "-n", "2", "--out", str(tmp_path / "a.png")]
    assert main([*sample, "--step", "last"]) == 0
    assert main([*sample, "--step", "best"]) == 2
    assert "--step best: " in capsys.readouterr().err
    assert main([*sample, "--step", "newest"]) == 2
    assert "--step 'newest'" in capsys.readouterr().err
