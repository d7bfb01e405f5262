"""The verbs on codes, from the command line to the table, the figures and the picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium import features as codes
from genarium.cli import main
from genarium.contract import Noise, to_uint8
from genarium.data.choice import fair_rows
from genarium.models.autoencoder.denoising import gaussian, masking
from genarium.training.order import derive

TINY = ["--size", "16", "--steps", "30", "--batch", "32", "--quiet", "--device", "cpu"]
SMALL = ["--width", "4"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe, arguments in (
        ("dae", "denoising-autoencoder", [*SMALL, "--latent", "5", "--amount", "0.4"]),
        ("vae", "vae", [*SMALL, "--latent", "2"]),
        (
            "stack",
            "stacked-autoencoder",
            ["--hidden", "30", "--layers", "2", "--layer-steps", "30"],
        ),
        ("gan", "gan", ["--width", "4"]),
    ):
        start = ["train", recipe, "--data", "digits", *TINY, *arguments]
        assert main([*start, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture
def go(runs: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a verb on a run; gives its JSON."""

    def do(verb: str, run: str, *arguments: str) -> dict:
        capsys.readouterr()
        assert main([verb, str(runs / run), *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return do


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Nine images of two classes, in folders, and a broken file."""
    for i in range(9):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24), dtype=np.uint8)
        path = tmp_path / "photos" / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def test_a_folder_becomes_a_table(go, runs: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.npz"
    result = go("encode", "dae", str(photos), "--out", str(out))
    assert (result["images"], result["dims"], result["labels"]) == (9, 5, True)
    table = codes.read(out)
    assert sorted(table.names) == sorted(f"{'cat' if i % 2 else 'dog'}/{i}.png" for i in range(9))
    assert table.classes == ("cat", "dog")
    run = genarium.load(runs / "dae")
    for name, code, label in zip(table.names, table.codes, table.labels):
        assert table.classes[label] == name.split("/")[0]
        # the file's own pixels, resized as the run's were: the centre of 20 rows and 24 columns
        image = Image.open(photos / name).resize(
            (16, 16), Image.Resampling.LANCZOS, box=(2, 0, 22, 20)
        )
        pixels = torch.from_numpy(np.asarray(image).copy())[None, None]
        torch.testing.assert_close(run.encode(pixels)[0], code, rtol=1e-4, atol=1e-4)
    again = tmp_path / "codes.csv"
    go("encode", "dae", str(photos), "--out", str(again))
    rows = list(csv.DictReader(again.open(encoding="utf-8")))
    assert [row["name"] for row in rows] == list(table.names)
    assert {row["label"] for row in rows} == {"cat", "dog"}


def test_the_runs_own_data_and_one_split_of_them(go, runs: Path) -> None:
    result = go("encode", "dae", "--split", "test")
    table = codes.read(runs / "dae" / "codes.npz")
    assert result["images"] == len(table.names) == 2000
    assert table.names[7] == "test:7"
    run = genarium.load(runs / "dae")
    assert torch.equal(table.codes, run.encode(run.dataset().test.images))
    assert torch.equal(table.labels, run.dataset().test.labels)
    # the other verbs take the table as codes
    assert (
        main(
            [
                "interpolate",
                str(runs / "dae"),
                "--from",
                "test:0",
                "--to",
                str(runs / "dae" / "codes.npz"),
                "--out",
                str(runs / "i.png"),
            ]
        )
        == 0
    )


def test_probe_sets_the_codes_beside_pixels_and_components(go, runs: Path) -> None:
    result = go("probe", "dae", "--labels", "100")
    assert list(result["features"]) == ["codes", "PCA, 5 components", "pixels"]
    run = genarium.load(runs / "dae")
    data = run.dataset()
    rows = codes.balanced(data.train.labels, 100, 0)
    expected = codes.probe(
        (run.encode(data.train.images[rows]), data.train.labels[rows]),
        *((run.encode(s.images), s.labels) for s in (data.validation, data.test)),
    )
    assert result["features"]["codes"]["linear"] == expected.linear
    assert result["features"]["codes"]["labels"] == 100
    assert result["features"]["pixels"]["linear"] > 0.4  # by chance: 0.1
    saved = json.loads((runs / "dae" / "probe.json").read_text())
    assert saved["features"] == result["features"]


@pytest.mark.parametrize("run", ["dae", "stack"])
def test_finetune_saves_both_arms(go, runs: Path, run: str) -> None:
    flags = ["--labels", "20,50", "--seeds", "2", "--steps", "6", "--lr", "0.01"]
    result = go("finetune", run, *flags)
    assert [r["labels"] for r in result["results"]] == [20, 50]
    assert all(len(r["pretrained"]) == len(r["scratch"]) == 2 for r in result["results"])
    saved = json.loads((runs / run / "finetune.json").read_text())
    assert saved["results"] == result["results"]
    again = go("finetune", run, "--labels", "50", *flags[2:])
    assert again["results"] == result["results"][1:]


def test_cluster_scores_both_methods(go, runs: Path) -> None:
    result = go("cluster", "dae", "-n", "500")
    assert set(result["results"]) == {"k-means", "mixture"}
    for scores in result["results"].values():
        assert 0.15 < scores["accuracy"] <= 1
        assert 0 < scores["nmi"] <= 1
        assert 0 < scores["ari"] <= 1
    assert go("cluster", "dae", "-n", "500", "--groups", "3")["groups"] == 3


def test_a_map_and_a_manifold_are_pictures(go, tmp_path: Path) -> None:
    sizes = []
    for arguments in (["--method", "pca"], ["--perplexity", "5"]):
        out = tmp_path / "map.png"
        result = go("map", "vae", "-n", "60", *arguments, "--out", str(out))
        assert result["images"] == 60
        image = Image.open(out).convert("RGB")
        assert len(image.getcolors(1 << 20)) > 50
        sizes.append(image.size)
    assert sizes[1][0] == 2 * sizes[0][0]  # one panel, and two


def test_the_manifold_is_the_decoded_grid(go, runs: Path, tmp_path: Path) -> None:
    from genarium.latent import quantiles

    out = tmp_path / "manifold.png"
    go("manifold", "vae", "--side", "5", "--out", str(out))
    pixels = torch.from_numpy(np.asarray(Image.open(out)).copy())
    assert pixels.shape == (5 * 16, 5 * 16)
    z = quantiles(5)
    run = genarium.load(runs / "vae")
    corner = run.decode(torch.tensor([[z[0], z[4]], [z[4], z[0]]]))
    assert torch.equal(pixels[:16, :16], to_uint8(corner)[0, 0])  # left: low, top: high
    assert torch.equal(pixels[-16:, -16:], to_uint8(corner)[1, 0])
    # of a longer code two numbers move and the others stay
    result = go("manifold", "dae", "--dimensions", "3", "1", "--side", "3", "--out", str(out))
    assert result["dimensions"] == [3, 1]


def test_denoise_damages_as_in_training_or_as_asked_or_not_at_all(
    go, runs: Path, tmp_path: Path
) -> None:
    run = genarium.load(runs / "dae")
    test = run.dataset().test
    clean = test.images[fair_rows(test, 16)]
    noise = Noise(derive(0, "denoise"), 16)
    out = tmp_path / "d.npz"
    for flags, corruption in (([], masking(0.4)), (["--noise", "gaussian:0.2"], gaussian(0.2))):
        noise = Noise(derive(0, "denoise"), 16)
        damaged = to_uint8(2 * corruption(clean / 255.0, noise) - 1)
        result = go("denoise", "dae", *flags, "--out", str(out))
        mse = ((damaged.float() - clean.float()) / 255).square().mean().item()
        assert result["damaged"]["mse"] == pytest.approx(mse, rel=1e-3)
        images = torch.from_numpy(np.load(out)["images"]).permute(0, 3, 1, 2)
        assert torch.equal(images, to_uint8(run.reconstruct(damaged)))
    result = go("denoise", "dae", "test:0-3", "--out", str(out))
    assert "damaged" not in result
    images = torch.from_numpy(np.load(out)["images"]).permute(0, 3, 1, 2)
    assert torch.equal(images, to_uint8(run.reconstruct(test.images[:4])))
    go("denoise", "dae", "--out", str(tmp_path / "d.png"))
    assert (tmp_path / "d.png").is_file()


def test_an_attribute_vector_is_with_less_without(go, runs: Path) -> None:
    from genarium.runs.groups import Groups

    result = go("traverse", "dae", "--toward", "class:!7", "class:7", "--from", "test:0")
    assert result["along"] == "class:!7 to class:7"
    run = genarium.load(runs / "dae")
    named = Groups(run)
    without = named("--toward", "class:!7").originals
    train = run.dataset().train
    others = {image.numpy().tobytes() for image in train.images[train.labels != 7]}
    sevens = {image.numpy().tobytes() for image in train.images[train.labels == 7]}
    drawn = [image.numpy().tobytes() for image in without]
    assert len({*drawn}) > 900
    assert {*drawn} <= others - sevens
    # of all training images, not of the first
    assert not {*drawn} <= {image.numpy().tobytes() for image in train.images[:5000]}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["encode", "GAN"], "cannot encode"),
        (["encode", "DAE", "--out", "x.txt"], "--out x.txt: end it in .npz, .parquet or .csv"),
        (["encode", "DAE", "nowhere/"], "nowhere/"),
        (["probe", "GAN"], "cannot encode"),
        (["probe", "DAE", "--labels", "few"], "--labels few: give a number"),
        (["probe", "DAE", "--labels", "99999"], "--labels 99999: there are 11000"),
        (["probe", "DAE", "PLAIN"], "no labels"),
        (["probe", "DAE", "--out", "x.txt"], "--out x.txt: end it in .json"),
        (["finetune", "DAE", "--labels", "0"], "--labels 0"),
        (["finetune", "DAE", "--labels", "99999"], "--labels 99999: there are 11000"),
        (["cluster", "DAE", "--groups", "9", "-n", "5"], "--groups 9: there are 5"),
        (["map", "DAE", "-n", "20", "--perplexity", "30"], "--perplexity 30"),
        (["map", "DAE", "--out", "x.jpg"], "--out x.jpg: end it in .png"),
        (["manifold", "VAE", "--dimensions", "0", "2"], "--dimensions 0 2"),
        (["manifold", "VAE", "--dimensions", "1", "1"], "two different numbers"),
        (["denoise", "VAE"], "not trained on damaged images"),
        (["denoise", "GAN"], "cannot reconstruct"),
        (["denoise", "DAE", "--noise", "rain:1"], "--noise rain:1: say one of gaussian"),
        (["denoise", "DAE", "--noise", "masking:1.5"], "at most 1"),
        (["denoise", "DAE", "--noise", "gaussian"], "--noise gaussian"),
    ],
)
def test_mistakes_are_one_line(
    command: list[str], words: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()
    for i in range(4):
        Image.new("L", (16, 16), 50 * i).save(tmp_path / "plain" / f"{i}.png")
    places = {"PLAIN": str(tmp_path / "plain")}
    places |= {name.upper(): str(runs / name) for name in ("gan", "dae", "vae")}
    capsys.readouterr()
    assert main([places.get(word, word) for word in command]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
