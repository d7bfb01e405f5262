"""One picture, or one and its copies: every verb does its work or says what is missing."""

import numpy as np
import pytest
from PIL import Image

from genarium.cli import main

VERBS = {
    "vae": ("sample", "evaluate", "reconstruct", "score", "interpolate", "traverse", "encode"),
    "autoencoder": ("evaluate", "reconstruct", "interpolate", "traverse", "encode", "invert"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("few")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    for name, count in (("one", 1), ("copies", 4)):
        (home / name).mkdir()
        for k in range(count):
            Image.fromarray(pixels).save(home / name / f"{k}.png")
    for side in "AB":
        (home / "pair" / side).mkdir(parents=True)
        image = np.random.default_rng(ord(side)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(image).save(home / "pair" / side / "x.png")
    return home


def went(capsys, *words: str) -> tuple[int, str]:
    """The exit status and the error, which is one line."""
    status = main([str(word) for word in words])
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == (status != 0), errors
    return status, "".join(errors)


@pytest.mark.parametrize("recipe", VERBS)
@pytest.mark.parametrize("kind", ["one", "copies"])
def test_every_verb_of_a_run_on_one_picture(home, tmp_path, monkeypatch, capsys, kind, recipe):
    monkeypatch.chdir(tmp_path)
    tiny = ["--steps", "1", "--batch", "1", "--quiet", "--out", "run"]
    assert went(capsys, "train", recipe, "--data", home / kind, *tiny)[0] == 0
    for verb in VERBS[recipe]:
        status, error = went(capsys, verb, "run")
        assert status in (0, 2), verb
        if verb in ("evaluate", "reconstruct", "score", "invert"):
            assert "no images" in error or "no test images" in error


@pytest.mark.parametrize(
    ("recipe", "source"), [("pix2pix", "pairs:dir={0}"), ("cyclegan", "unpaired:a={0}/A,b={0}/B")]
)
def test_one_pair_and_one_image_of_each_kind(home, tmp_path, monkeypatch, capsys, recipe, source):
    monkeypatch.chdir(tmp_path)
    tiny = ["--steps", "1", "--batch", "1", "--width", "2", "--quiet", "--out", "run"]
    data = source.format(home / "pair")
    assert went(capsys, "train", recipe, "--data", data, *tiny)[0] == 0
    assert list((tmp_path / "run" / "samples").glob("*.png"))
    for verb in ("translate", "evaluate"):
        status, error = went(capsys, verb, "run")
        assert status == 2
        assert "holds no images" in error
    image = str(home / "pair" / "A" / "x.png")
    assert went(capsys, "translate", "run", image, "--out", "out")[0] == 0
    assert "--overwrite" in went(capsys, "translate", "run", image, "--out", "out")[1]
    assert went(capsys, "translate", "run", image, "--out", "out", "--overwrite")[0] == 0


def test_a_picture_set_of_many_that_one_kind_lacks(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").mkdir()
    for k in range(12):
        pixels = np.random.default_rng(k).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "many" / f"{k}.png")
    tiny = ["--steps", "1", "--batch", "1", "--width", "2", "--quiet", "--out", "run"]
    data = f"unpaired:a=many,b={home / 'pair' / 'B'}"
    assert went(capsys, "train", "cyclegan", "--data", data, *tiny)[0] == 0
    assert "holds no images" in went(capsys, "evaluate", "run", "-n", "2")[1]
