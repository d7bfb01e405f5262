"""Points of the plane from the command line to the page: plots and modes, no grid anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from genarium.cli import main
from genarium.drawing.points import SIDE

TINY = ["--data", "ring8:n=500", "--steps", "4", "--batch", "8", "--quiet"]


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "gan"
    assert main(["train", "gan", *TINY, "--width", "8", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def ae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "ae"
    arguments = ["--net", "dense", "--hidden", "8", "--out", str(folder)]
    assert main(["train", "autoencoder", *TINY, *arguments]) == 0
    return folder


def is_plot(path: Path) -> bool:
    with Image.open(path) as picture:
        return picture.size == (SIDE, SIDE) and picture.mode == "RGB"


def test_training_paints_plots(gan: Path, ae: Path) -> None:
    assert is_plot(gan / "samples" / "00000004.png")
    assert is_plot(ae / "samples" / "00000004.png")


def test_samples_and_reconstructions_are_plots(gan: Path, ae: Path, tmp_path: Path) -> None:
    assert main(["sample", str(gan), "-n", "9", "--out", str(tmp_path / "s.png")]) == 0
    assert is_plot(tmp_path / "s.png")
    assert main(["reconstruct", str(ae), "--out", str(tmp_path / "r.png")]) == 0
    assert is_plot(tmp_path / "r.png")


def test_evaluate_counts_the_modes(gan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(gan), "-n", "200", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in record["rows"]}
    assert {"FID (pixels)", "modes captured", "high quality"} <= set(rows)
    assert "sharpness" not in rows
    assert rows["modes captured"]["reference"] == 8


def test_the_comparison_shows_plots_and_modes(gan: Path, ae: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert main(["compare", str(gan), str(ae), "-n", "100", "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "modes captured" in page
    assert "Nearest training images" not in page
    assert f'width="{SIDE}" height="{SIDE}"' in page
    assert 'width="2"' not in page


def test_data_show_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "points.png"
    assert main(["data", "show", "ring8:n=100", "--out", str(out)]) == 0
    assert "mode 0, mode 1" in capsys.readouterr().out
    assert is_plot(out)
    assert main(["data", "show", "digits", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.size == (242, 242)  # 8 x 8 digits
