"""`complete` and `score`: what an explicit density is for."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.contract import quantize, to_uint8
from tests.conftest import tiny_dataset

TINY = ["--data", "digits", "--steps", "2", "--batch", "8", "--device", "cpu", "--quiet"]
PIXELCNN = ["--levels", "4", "--blocks", "1", "--width", "6", "--head", "6"]


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "pixelcnn"
    assert main(["train", "pixelcnn", *TINY, *PIXELCNN, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "vae"
    flags = ["--latent", "2", "--width", "4", "--out", str(folder)]
    assert main(["train", "vae", *TINY, *flags]) == 0
    return folder


def test_completions_keep_what_is_kept_and_differ_elsewhere(pixels: Path) -> None:
    run = genarium.load(pixels)
    images = run.dataset().test.images[:3]
    keep = torch.zeros(28, 28, dtype=torch.bool)
    keep[:14] = True
    result = run.complete(images, keep, seed=1)
    levels = quantize(to_uint8(result), 4)
    assert torch.equal(levels[:, :, :14], quantize(images, 4)[:, :, :14])
    assert torch.equal(result, run.complete(images, keep, seed=1))
    other = run.complete(images, keep, seed=2)
    assert not torch.equal(result[:, :, 14:], other[:, :, 14:])
    # a mask of each image's own
    own = torch.stack([keep, ~keep, keep])[:, None]
    levels = quantize(to_uint8(run.complete(images, own)), 4)
    assert torch.equal(levels[1, :, 14:], quantize(images, 4)[1, :, 14:])


def test_the_verb_draws_several_completions(
    pixels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.zeros((28, 28), np.uint8)
    mask[:, 10:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    capsys.readouterr()
    for keep in ("top", "left", str(tmp_path / "mask.png")):
        out = tmp_path / "out.png"
        command = ["complete", str(pixels), "test:0-2", "--keep", keep, "--draws", "3"]
        assert main([*command, "--out", str(out), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == 3
        # three rows of original, kept part and three draws
        width, height = Image.open(out).size
        assert width / height == pytest.approx(5 / 3, rel=0.05)


def test_scores_are_sorted_likelihoods(
    pixels: Path, vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for run in (pixels, vae):
        out = tmp_path / "scores.csv"
        assert main(["score", str(run), "test:0-9", "--out", str(out), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["exact"] is (run == pixels)
        rows = list(csv.DictReader(out.open(encoding="utf-8")))
        assert sorted(row["name"] for row in rows) == sorted(f"test:{k}" for k in range(10))
        nats = [float(row["nats"]) for row in rows]
        assert nats == sorted(nats)
        trained = genarium.load(run)
        expected = trained.score(trained.dataset().test.images[:10])
        assert nats == pytest.approx(expected.sort().values.tolist(), abs=1e-3)
        bits = -nats[0] / (784 * np.log(2))
        assert float(rows[0]["bits_per_dim"]) == pytest.approx(bits, abs=1e-5)
        assert out.with_suffix(".png").is_file()


def test_a_folder_is_scored_by_file(
    pixels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    digit = genarium.load(pixels).dataset().test.images[0, 0].numpy()
    Image.fromarray(digit).save(folder / "digit.png")
    noise = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    capsys.readouterr()
    assert main(["score", str(pixels), str(folder), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert sorted(Path(row["name"]).name for row in scores) == ["digit.png", "noise.png"]
    assert (pixels / "scores.csv").is_file()


def test_the_score_tells_two_sets_apart(
    pixels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "noise"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number}.png")
    out = tmp_path / "scores.csv"
    command = ["score", str(pixels), "test:0-19", "--out", str(out)]
    capsys.readouterr()
    assert main([*command, "--against", str(folder), "test:20-21", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert len(rows) == len(record["scores"]) == 25
    usual, strange = (
        [float(row["nats"]) for row in rows if row["set"] == name] for name in ("images", "against")
    )
    assert (len(usual), len(strange)) == (20, 5)
    pairs = [(a > b) + (a == b) / 2 for a in usual for b in strange]
    assert record["auroc"] == pytest.approx(sum(pairs) / 100)
    # a data set by its name: its test split, at the model's size and colours
    assert main([*command, "--against", "shapes:n=40", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["scores"]]
    assert "shapes:0" in names
    assert main([*command, "--against", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "the chance that one of the 20 images is likelier" in said
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    means = {}
    for name in ("images", "against"):
        bits = [float(row["bits_per_dim"]) for row in rows if row["set"] == name]
        means[name] = f"{sum(bits) / len(bits):.4f}"
    assert means["images"] != means["against"]
    expected = f"of 20 images, .*: {means['images']} bits/dim on average; of the 3 others "
    assert re.search(expected + means["against"], said), said


def test_images_are_binarized_as_the_run_s_data_were(tmp_path: Path) -> None:
    from genarium.runs.selection import given

    run = genarium.train(
        "pixelcnn", "digits", out=tmp_path / "run", binarize="static", levels=2, blocks=0,
        width=4, head=4, steps=1, batch=8, device="cpu",
    )  # fmt: skip
    assert run.model.density == "statically binarized pixels (Bernoulli)"
    grey = np.full((28, 28), 128, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    result = given(run, "x", str(tmp_path / "grey.png")).images
    assert set(result.unique().tolist()) == {0, 255}
    assert 300 < int((result == 255).sum()) < 484  # of 784, half expected: six deviations
    assert set(given(run, "x", "test:0-3").images.unique().tolist()) == {0, 255}
    assert set(given(run, "x", "shapes:n=20").images.unique().tolist()) == {0, 255}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["complete", "VAE"], "cannot complete"),
        (["complete", "PIXELS", "--keep", "bottom"], "--keep bottom: give top, left, or a mask"),
        (["complete", "PIXELS", "--keep", "SMALL"], "the mask is 5x4"),
        (["complete", "PIXELS", "--out", "x.jpg"], "--out x.jpg"),
        (["complete", "PIXELS", "--class", "3"], "--class"),
        (["complete", "PIXELS", "test:99999"], "test images 0 to 1999"),
        (["score", "PIXELS", "nowhere/"], "nowhere/ does not exist"),
        (["score", "PIXELS", "--out", "x.png"], "end it in .csv"),
        (["score", "PIXELS", "--against", "nowhere/"], "--against nowhere/ does not exist"),
        (["score", "PIXELS", "--from", "x"], "--from x: say --against"),
    ],
)
def test_wrong_input_is_one_line(
    command: list[str],
    words: str,
    pixels: Path,
    vae: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = tmp_path / "small.png"
    Image.new("L", (4, 5)).save(small)
    places = {"VAE": str(vae), "PIXELS": str(pixels), "SMALL": str(small)}
    capsys.readouterr()
    assert main([places.get(word, word) for word in command]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert words in error


def test_a_gan_has_no_likelihood(tmp_path: Path) -> None:
    from genarium.errors import UserError

    gan = genarium.train(
        "dcgan", tiny_dataset(), out=tmp_path / "gan", steps=1, batch=8, latent=2, width=2
    )
    with pytest.raises(UserError, match="has no likelihood"):
        gan.score(tiny_dataset().test.images)
