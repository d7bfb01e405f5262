"""Each verb does its work, from the command line to the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genarium.cli import main
from tests.conftest import VERBS

TINY = ["--data", "digits", "--steps", "4", "--batch", "8", "--width", "4", "--quiet"]


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "gan"
    assert main(["train", "dcgan", *TINY, "--log-every", "2", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def ae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "ae"
    assert main(["train", "autoencoder", *TINY, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_needs_no_torch(verb: str) -> None:
    program = (
        "import sys; from genarium.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    arguments = [*verb.split(), "--help"]
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "usage: genarium" in process.stdout


def test_help_of_a_recipe_shows_its_signature(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "dcgan", "--help"])
    text = capsys.readouterr().out
    for word in ("--width", "--smoothing", "--lr", "--steps", "--size", "--fit", "Radford"):
        assert word in text


def test_models_is_the_taxonomy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["dcgan"]["taxonomy"] == ["implicit"]
    assert rows["pixelcnn"]["taxonomy"] == ["explicit", "tractable"]
    assert "log_prob" in rows["pixelcnn"]["capabilities"]
    assert "sample" not in rows["autoencoder"]["capabilities"]
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert text.index("nonprobabilistic") < text.index("tractable") < text.index("implicit")


def test_run_folder_describes_itself(gan: Path) -> None:
    files = {"config.yaml", "run.json", "metrics.jsonl", "README.md", "checkpoints", "samples"}
    assert files <= {p.name for p in gan.iterdir()}
    about = json.loads((gan / "run.json").read_text())
    assert about["data"]["name"] == "digits"
    assert len(about["data"]["manifest"]) == 64
    assert about["versions"]["torch"]
    assert "genarium resume" in (gan / "README.md").read_text()


def test_sample_to_a_grid_an_array_and_files(
    gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("grid.png", "array.npz", "files"):
        out = tmp_path / name
        assert main(["sample", str(gan), "-n", "6", "--seed", "1", "--out", str(out)]) == 0
    array = np.load(tmp_path / "array.npz")["images"]
    assert array.shape == (6, 28, 28, 1)
    assert array.dtype == np.uint8
    files = sorted((tmp_path / "files").glob("*.png"))
    assert len(files) == 6
    assert np.array_equal(np.asarray(Image.open(files[2])), array[2, :, :, 0])
    assert Image.open(tmp_path / "grid.png").size[0] > 28
    capsys.readouterr()
    assert main(["sample", str(gan), "--out", str(tmp_path / "x.gif")]) == 2
    assert "x.gif" in capsys.readouterr().err
    assert main(["sample", str(gan), "--class", "3"]) == 2
    assert "not conditional" in capsys.readouterr().err


def test_sample_needs_the_run_folder_alone(gan: Path, tmp_path: Path) -> None:
    import shutil

    moved = tmp_path / "elsewhere"
    shutil.copytree(gan, moved)
    assert main(["sample", str(moved), "-n", "4"]) == 0
    assert (moved / "samples.png").is_file()


def test_reconstruct_and_what_cannot(
    ae: Path, gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = tmp_path / "pairs.png"
    assert main(["reconstruct", str(ae), "-n", "8", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == 8
    assert 0 < record["mse"] < 1
    assert out.is_file()
    assert main(["reconstruct", str(gan)]) == 2
    assert "cannot reconstruct" in capsys.readouterr().err
    assert main(["sample", str(ae)]) == 2
    assert "cannot sample" in capsys.readouterr().err
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    assert main(["reconstruct", str(ae), str(folder), "--out", str(out)]) == 0


def test_resume_goes_on_and_extends(
    gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(gan, run)
    capsys.readouterr()
    assert main(["resume", str(run), "--steps", "6", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 6
    rows = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2, 4, 6]


def test_changed_data_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, run = tmp_path / "images", tmp_path / "run"
    folder.mkdir()

    def add(number: int) -> None:
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")

    for number in range(30):
        add(number)
    arguments = ["--data", str(folder), "--steps", "2", "--batch", "4", "--width", "4"]
    assert main(["train", "dcgan", *arguments, "--quiet", "--out", str(run)]) == 0
    add(100)
    capsys.readouterr()
    assert main(["resume", str(run), "--steps", "4", "--quiet"]) == 2
    assert "changed since" in capsys.readouterr().err
    assert main(["resume", str(run), "--steps", "4", "--quiet", "--accept-changes"]) == 0


def test_data_verbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    for name in ("digits", "mnist", "fashion-mnist", "shapes"):
        assert name in text
    assert main(["data", "show", "digits", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["counts"]["test"] == 2000
    assert facts["counts"]["train"] + facts["counts"]["validation"] == 12000


def test_library_has_the_same_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import genarium

    monkeypatch.chdir(tmp_path)
    trained = genarium.train("dcgan", "digits", steps=2, batch=8, width=4, device="cpu")
    assert trained.path == Path("runs/dcgan-digits-1")
    assert genarium.load(trained.path).sample(3, seed=0).shape == (3, 1, 28, 28)
    again = genarium.train("dcgan", "digits", steps=2, batch=8, width=4, device="cpu")
    assert again.path == Path("runs/dcgan-digits-2")
    assert genarium.resume(again.path, steps=3).step == 3
    with pytest.raises(genarium.UserError, match="did you mean width"):
        genarium.train("dcgan", "digits", widht=4)
    genarium.save_grid(trained.sample(4), tmp_path / "grid.png")
    assert (tmp_path / "grid.png").is_file()
