"""The verbs of the latent space, from the command line to the picture."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium import latent
from genarium.cli import main
from genarium.data.choice import fair, fair_rows
from genarium.evaluation.extractors import by_name as features
from genarium.evaluation.extractors.extractor import Features
from genarium.runs import labelled

TINY = ["--steps", "40", "--batch", "8", "--width", "4", "--latent", "4", "--quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gan, vae and ae on digits, shapes (a vae), and a pixelcnn, which does not decode."""
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe, data in (
        ("gan", "dcgan", "digits"),
        ("cgan", "cgan", "digits"),
        ("vae", "vae", "digits"),
        ("ae", "autoencoder", "digits"),
        ("shapes", "vae", "shapes:n=120"),
    ):
        lr = "0.02" if "gan" in recipe else "0.01"
        arguments = ["train", recipe, "--data", data, *TINY, "--lr", lr]
        arguments += ["--out", str(folder / name)]
        if name == "gan":  # deconvolutions of few weights, which an inversion can follow closely
            arguments += ["--architecture", "dcgan", "--ema", "0"]
        assert main(arguments) == 0
    for name in ("gan", "vae"):  # else equal pictures would prove nothing
        images = genarium.load(folder / name).sample(8)
        assert (images - images.mean(0)).abs().max() > 0.1, name
    few = ["--data", "digits", "--steps", "1", "--batch", "2", "--width", "4", "--blocks", "1"]
    assert main(["train", "pixelcnn", *few, "--quiet", "--out", str(folder / "pixels")]) == 0
    return folder


@pytest.fixture
def go(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a verb on a run; gives its JSON and the picture's pixels [H,W] or [H,W,3]."""

    def do(verb: str, run: str, *arguments: str) -> tuple[dict, np.ndarray]:
        out = tmp_path / "picture.png"
        capsys.readouterr()
        assert main([verb, str(runs / run), *arguments, "--out", str(out), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["out"] == str(out)
        return record, np.asarray(Image.open(out))

    return do


@pytest.fixture
def fails(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The one line of a verb that refuses; it wrote nothing."""

    def do(verb: str, run: str, *arguments: str) -> str:
        before = sorted((runs / run).iterdir())
        capsys.readouterr()
        assert main([verb, str(runs / run), *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1, captured.err
        assert sorted((runs / run).iterdir()) == before
        return captured.err

    return do


def cell(picture: np.ndarray, row: int, column: int, pad: int = 1, side: int = 28) -> np.ndarray:
    top, left = (pad + place * (side + pad) for place in (row, column))
    return picture[top : top + side, left : left + side]


def sample(runs: Path, run: str, number: int, n: int = 64, seed: int = 0) -> np.ndarray:
    """A cell of the grid of `genarium sample`."""
    images = genarium.load(runs / run).sample(n, seed)
    return ((images[number] + 1) * 127.5).round().to(torch.uint8).numpy()[0]


def near(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal but for rounding: images that were decoded in batches of another size."""
    return int(np.abs(a.astype(int) - b).max()) <= 1


# -- codes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", ["gan", "vae"])
def test_codes_belong_to_samples(runs: Path, run: str) -> None:
    trained = genarium.load(runs / run)
    codes = trained.codes(300, seed=5)  # more than one chunk
    torch.testing.assert_close(trained.decode(codes), trained.sample(300, seed=5))
    assert not torch.equal(codes, trained.codes(300, seed=6))


def test_invert_of_a_run_starts_from_the_encoder(runs: Path) -> None:
    trained = genarium.load(runs / "ae")
    images = trained.dataset().test.images[:4]
    before = trained.reconstruct(images)
    error = ((before - (images / 127.5 - 1)) / 2).square().flatten(1).mean(1)
    result = trained.invert(images, steps=30, lr=0.05, prior_weight=0)
    assert bool((result.mse < error).all())


# -- verbs ------------------------------------------------------------------------------------


def test_interpolate_walks_between_the_samples_that_were_named(go, runs: Path) -> None:
    result, picture = go("interpolate", "gan", "--from", "3,5", "--to", "17,18", "--steps", "5")
    assert (result["kind"], result["rows"], result["steps"]) == ("spherical", 2, 5)
    for row, (start, end) in enumerate([(3, 17), (5, 18)]):
        assert near(cell(picture, row, 0), sample(runs, "gan", start))
        assert near(cell(picture, row, 4), sample(runs, "gan", end))
    other, straight = go(
        "interpolate", "gan", "--from", "3,5", "--to", "17,18", "--steps", "5", "--linear"
    )
    assert other["kind"] == "linear"
    assert not np.array_equal(cell(straight, 0, 2), cell(picture, 0, 2))


def test_interpolate_by_default_and_from_another_grid(go, runs: Path) -> None:
    result, picture = go("interpolate", "gan")
    assert result["rows"] == 6
    assert picture.shape == (6 * 29 + 1, 10 * 29 + 1)
    result, picture = go("interpolate", "gan", "-n", "3", "--seed", "7", "--from", "2", "--to", "0")
    assert near(cell(picture, 0, 0), sample(runs, "gan", 2, n=3, seed=7))


def test_interpolate_an_autoencoder_goes_straight_between_test_images(go, runs: Path) -> None:
    result, picture = go("interpolate", "ae")
    assert result["kind"] == "linear"
    test = genarium.load(runs / "ae").dataset().test
    rows = fair_rows(test, 12).tolist()
    assert len({*test.labels[rows[:10]].tolist()}) == 10  # each class once
    # the originals stand at both ends
    assert np.array_equal(cell(picture, 0, 0), test.images[rows[0], 0].numpy())
    assert np.array_equal(picture[1:29, -29:-1], test.images[rows[6], 0].numpy())
    assert result["from"] == "test:" + ",".join(map(str, rows[:6]))


def test_one_end_serves_all_and_a_class_is_its_mean(go) -> None:
    result, _ = go("interpolate", "vae", "--from", "class:3", "--to", "test:0-3")
    assert result["rows"] == 4


def test_arithmetic_adds_means(go, runs: Path) -> None:
    terms = ["--plus", "1,2,3", "--minus", "4,5,6", "--plus", "7,8,9"]
    result, picture = go("arithmetic", "gan", *terms, "--noise", "0")
    assert result["terms"] == "1,2,3 - 4,5,6 + 7,8,9"
    trained = genarium.load(runs / "gan")
    codes = trained.codes(64)
    expected = codes[1:4].mean(0) - codes[4:7].mean(0) + codes[7:10].mean(0)
    torch.testing.assert_close(torch.tensor(result["code"]), expected)
    # exemplars at the left, the result (nine times without noise) at the right
    assert near(picture[1:29, 4:32], sample(runs, "gan", 1))
    right = picture[:88, -90:-3]
    for row in range(3):
        for column in range(3):
            assert near(cell(right, row, column), cell(right, 1, 1))
    middle = cell(right, 1, 1)
    _, noisy = go("arithmetic", "gan", *terms, "--noise", "2")
    right = noisy[:88, -90:-3]
    assert near(cell(right, 1, 1), middle), "the result itself, amid its neighbours"
    for row, column in ((0, 0), (0, 1), (2, 2)):
        assert not near(cell(right, row, column), middle)


def test_arithmetic_of_classes_and_factors(go, runs: Path) -> None:
    result, picture = go(
        "arithmetic", "shapes", "--plus", "colour:red+x:low", "--minus", "class:star"
    )
    assert result["terms"] == "colour:red+x:low - class:star"
    assert picture.ndim == 3
    trained = genarium.load(runs / "shapes")
    train = trained.dataset().train
    factors = train.extra["factors"]
    star = train.images[train.labels == 4]
    red_left = train.images[(factors[:, 1] == 0) & (factors[:, 3] <= factors[:, 3].quantile(1 / 3))]
    expected = trained.encode(red_left).mean(0) - trained.encode(star).mean(0)
    torch.testing.assert_close(torch.tensor(result["code"]), expected, rtol=1e-4, atol=1e-5)


def test_classes_of_a_gan_are_those_that_the_classifier_recognises(
    go, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a stand-in: dark and bright samples, by the sum of the pixels."""

    def judge(images: torch.Tensor) -> Features:
        mean = images.float().mean((1, 2, 3))
        logits = 100 * torch.stack([mean <= mean.median(), mean > mean.median()], 1).float()
        return Features(torch.empty(len(images), 0), logits)

    class Judge:
        classes = ("dark", "bright")

        def __call__(self, images: torch.Tensor) -> Features:
            return judge(images)

    monkeypatch.setattr(features, "extractor", lambda name: Judge())
    labelled.recognised.cache_clear()
    result, _ = go("arithmetic", "gan", "--plus", "class:bright")
    trained = genarium.load(runs / "gan")
    codes = trained.codes(labelled.DRAWN)
    mean = ((trained.decode(codes) + 1) * 127.5).round().mean((1, 2, 3))
    expected = codes[mean > mean.median()][: labelled.MOST].mean(0)
    torch.testing.assert_close(torch.tensor(result["code"]), expected, rtol=1e-4, atol=1e-4)


def test_traverse_each_dimension_one_dimension_and_a_turn(go, runs: Path) -> None:
    result, picture = go("traverse", "gan", "--range", "-2", "2", "--steps", "5")
    assert list(result["variance"]) == ["0", "1", "2", "3"]
    assert picture.shape == (4 * 29 + 1, 5 * 29 + 1)
    trained = genarium.load(runs / "gan")
    code = trained.codes(64)[0].clone()
    code[1] = 2.0
    image = ((trained.decode(code[None])[0, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    assert near(cell(picture, 1, 4), image)
    result, picture = go("traverse", "gan", "--dimension", "3", "--from", "0-4")
    assert result["along"] == "dimension 3"
    assert picture.shape == (5 * 29 + 1, 9 * 29 + 1)
    result, picture = go("traverse", "gan", "--toward", "1,2", "3,4", "--from", "8")
    assert near(cell(picture, 0, 4), sample(runs, "gan", 8)), "nothing is added in the middle"
    codes = trained.codes(64)
    end = codes[8] + codes[3:5].mean(0) - codes[1:3].mean(0)
    image = ((trained.decode(end[None])[0, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    assert near(cell(picture, 0, 8), image)


def test_traverse_of_codes_as_large_as_an_image_walks_along_some_of_them(tmp_path: Path) -> None:
    """All 784 of an image's noise would be as many rows, of each nine pictures."""
    arguments = ["--data", "digits", "--steps", "1", "--batch", "2", "--width", "4", "--quiet"]
    run = str(tmp_path / "path")
    assert main(["train", "mean-flow", *arguments, "--out", run]) == 0
    made = genarium.traverse(run, steps=2, range=(-1, 1))
    assert made.images.shape == (32, 2, 1, 28, 28)
    assert made.along == "32 of 784 dimensions"
    columns = [int(name) for name in made.variance]
    assert {b - a for a, b in itertools.pairwise(columns)} <= {24, 25}, "evenly over the image"
    assert (columns[0], 783 - columns[-1]) == (12, 12)
    for row, column in enumerate(columns):
        moved = (made.codes[row, 1] - made.codes[row, 0]).nonzero().flatten().tolist()
        assert moved == [column]
    assert "dimensions that change the image most" in made.report()


def test_traverse_without_a_prior_counts_in_standard_deviations(go, runs: Path) -> None:
    _, picture = go("traverse", "ae", "--dimension", "2", "--from", "test:0", "--range", "0", "1")
    trained = genarium.load(runs / "ae")
    images = trained.dataset().test.images
    codes = trained.encode(images[fair(len(images), 1000, 0)])
    code = trained.encode(images[:1]).clone()
    code[0, 2] = codes[:, 2].mean() + codes[:, 2].std(correction=0)
    image = ((trained.decode(code)[0, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    assert near(cell(picture, 0, 8), image)


def test_invert_finds_a_sample_again_and_its_codes_serve_other_verbs(
    go, runs: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "five.png"
    Image.fromarray(sample(runs, "gan", 5)).save(photo)
    result, picture = go("invert", "gan", str(photo), "--steps", "60")
    assert result["n"] == 1
    assert result["mse"] < 1e-5
    assert np.array_equal(cell(picture, 0, 0, pad=2), sample(runs, "gan", 5))
    stored = np.load(result["codes"])
    assert stored["codes"].shape == (1, 4)
    assert stored["mse"][0] == pytest.approx(result["mse"])
    other, walk = go("interpolate", "gan", "--from", result["codes"], "--to", "0")
    assert other["rows"] == 1
    assert int(np.abs(cell(walk, 0, 0).astype(int) - sample(runs, "gan", 5)).max()) < 10


def test_invert_reads_a_folder_of_any_images(go, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    result, _ = go("invert", "vae", str(folder), "test:4", "--steps", "2", "--restarts", "1")
    assert len(result["each"]) == 4


def test_images_of_a_gan_are_inverted_when_asked(go) -> None:
    arguments = ["--from", "test:0", "--to", "test:1", "--invert", "--steps", "3"]
    _, picture = go("interpolate", "gan", *arguments)
    assert picture.shape[1] == 3 * 29 + 1 + 2 * 30 + 8, "the originals stand beside the walk"


def test_a_conditional_gan_keeps_its_condition(go, runs: Path) -> None:
    trained = genarium.load(runs / "cgan")
    assert trained.noise == 4
    result, _ = go("arithmetic", "cgan", "--plus", "class:3", "--minus", "class:5", "--plus", "0")
    codes = trained.codes(64)[0]
    assert result["code"][4:] == pytest.approx(
        [float(codes[4 + k]) + (k == 3) - (k == 5) for k in range(10)]
    )
    number = int(codes[4:].argmax() + 5) % 10  # another class than chance gave to sample 0
    _, picture = go("interpolate", "cgan", "--class", str(number), "--from", "0", "--to", "2")
    first = trained.sample(64, 0, number)[0, 0]
    assert near(cell(picture, 0, 0), ((first + 1) * 127.5).round().to(torch.uint8).numpy())
    assert not near(cell(picture, 0, 0), sample(runs, "cgan", 0))
    a, b = trained.codes(64)[[1]], trained.codes(64)[[2]]
    assert not torch.equal(a[:, 4:], b[:, 4:]), "two classes, or the walk shows nothing"
    _, picture = go("interpolate", "cgan", "--from", "1", "--to", "2", "--steps", "3")
    walks = [latent.interpolate(a, b, 3, noise=noise)[:, 1] for noise in (4, None)]
    right, wrong = (
        ((trained.decode(z)[0, 0] + 1) * 127.5).round().to(torch.uint8).numpy() for z in walks
    )
    assert near(cell(picture, 0, 1), right)
    assert not near(cell(picture, 0, 1), wrong)
    result, _ = go("traverse", "cgan")
    assert list(result["variance"]) == ["0", "1", "2", "3"], "the noise, not the class"
    result, _ = go("invert", "cgan", "test:0-2", "--steps", "2")
    condition = np.load(result["codes"])["codes"][:, 4:]
    assert np.array_equal(np.sort(condition, 1), np.tile([0.0] * 9 + [1.0], (3, 1)))


def test_pictures_go_into_the_run_folder(
    runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for verb in ("interpolate", "traverse"):
        assert main([verb, str(runs / "gan")]) == 0
        assert (runs / "gan" / f"{verb}.png").is_file()
    assert main(["arithmetic", str(runs / "gan"), "--plus", "0"]) == 0
    assert main(["invert", str(runs / "gan"), "test:0", "--steps", "1"]) == 0
    text = capsys.readouterr().out
    assert "dimensions that change the image most:" in text
    assert "mean squared error" in text
    assert (runs / "gan" / "invert.npz").is_file()


# -- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["interpolate", "arithmetic --plus 1", "traverse", "invert"])
def test_a_model_that_cannot_decode(fails, verb: str) -> None:
    name, *rest = verb.split()
    assert "cannot decode" in fails(name, "pixels", *rest)


@pytest.mark.parametrize(
    ("verb", "run", "arguments", "words"),
    [
        ("interpolate", "gan", "--from 3", "--from 3: give --to as well"),
        ("interpolate", "gan", "--to 3", "--to 3: give --from as well"),
        ("interpolate", "gan", "--from 1,2 --to 3,4,5", "has 2 codes, --to 3,4,5 has 3"),
        ("interpolate", "gan", "--from 64 --to 3", "samples 0 to 63; more with -n"),
        ("interpolate", "gan", "--from 7-3 --to 3", "7-3 runs backwards"),
        ("interpolate", "gan", "--from 3 --to nowhere.png", "--to nowhere.png: no such file"),
        ("interpolate", "gan", "--from 3 --to test:x", "give numbers"),
        ("interpolate", "gan", "--from 3 --to test:0", "add --invert"),
        ("interpolate", "gan", "-n 1", "needs two samples"),
        ("interpolate", "gan", "--steps 1", "--steps '1': give a number of at least 2"),
        ("interpolate", "gan", "--class 3", "not conditional"),
        ("interpolate", "gan", "--code 3", "no latent code"),
        ("interpolate", "cgan", "--code 3 --class 3", "give one of the two"),
        ("interpolate", "gan", "--out walk.txt", "--out walk.txt: end it in .png"),
        ("interpolate", "gan", "--step 77", "77"),
        ("interpolate", "ae", "--from 1 --to 2", "name test images, as test:1"),
        ("interpolate", "vae", "--from test:0 --to test:2000", "test images 0 to 1999"),
        ("arithmetic", "gan", "", "name what to add"),
        ("arithmetic", "gan", "--minus 1", "name what to add"),
        ("arithmetic", "gan", "--plus 1 --noise -1", "--noise '-1': give a number of at least 0"),
        ("arithmetic", "gan", "--plus colour:red", "only class:NAME"),
        ("arithmetic", "vae", "--plus class:eleven", "choose one of 0, 1, 2"),
        ("arithmetic", "vae", "--plus colour:red", "'colour' is not a label of the data"),
        ("arithmetic", "shapes", "--plus colour:brown", "choose one of red, orange"),
        ("arithmetic", "shapes", "--plus x:left", "x is a number: say x:low or x:high"),
        ("arithmetic", "shapes", "--plus class:star+class:ring", "none of 120 training images"),
        ("traverse", "gan", "--dimension 4", "say 0 to 3, or all"),
        ("traverse", "gan", "--dimension x", "say 0 to 3, or all"),
        ("traverse", "gan", "--dimension 1 --toward 1 2", "exclude each other"),
        ("traverse", "gan", "--range 0 inf", "give a finite number"),
        ("traverse", "gan", "--range 0 x", "--range '0' 'x': give a number"),
        ("invert", "gan", "nowhere", "nowhere does not exist"),
        ("invert", "gan", "--lr 0", "--lr '0': give a number above 0"),
        ("invert", "gan", "--restarts 0", "--restarts '0'"),
    ],
)
def test_bad_input(fails, verb: str, run: str, arguments: str, words: str) -> None:
    assert words in fails(verb, run, *arguments.split())


def test_files_that_are_not_images_or_codes(fails, runs: Path, tmp_path: Path) -> None:
    text, codes, empty = tmp_path / "text.png", tmp_path / "codes.npz", tmp_path / "empty"
    text.write_text("no image")
    assert re.search(r"text\.png: .*leave the file out", fails("invert", "gan", str(text)))
    empty.mkdir()
    assert "holds no images" in fails("invert", "gan", str(empty))
    codes.write_bytes(b"no codes")
    line = fails("interpolate", "gan", "--from", str(codes), "--to", "0")
    assert "not codes that `genarium invert` wrote" in line
    np.savez(codes, codes=np.zeros((2, 3), np.float32))
    line = fails("interpolate", "gan", "--from", str(codes), "--to", "0")
    assert "codes [2, 3], the model's have 4 columns" in line


def test_a_class_that_no_sample_shows(fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "SURE", 1.1)
    labelled.recognised.cache_clear()
    line = fails("arithmetic", "gan", "--plus", "class:7")
    labelled.recognised.cache_clear()
    assert "none of 2,000 samples is recognised as one" in line
