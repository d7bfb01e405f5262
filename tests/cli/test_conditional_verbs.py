"""Conditional models from the command line: classes, attributes, and codes that stay."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.contract import to_uint8
from genarium.errors import UserError

TINY = ["--steps", "30", "--batch", "8", "--width", "4", "--latent", "3"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, data, more in (
        ("digits", "digits", []),
        ("shapes", "shapes:n=120", ["--condition", "attributes"]),
    ):
        arguments = ["train", "cvae", "--data", data, *TINY, "--lr", "0.02", *more, "--quiet"]
        assert main([*arguments, "--out", str(folder / name)]) == 0
    return folder


def test_sample_class_is_the_same_noise_as_another_class(runs: Path) -> None:
    run = genarium.load(runs / "digits")
    three, five = run.codes(4, 0, "3"), run.codes(4, 0, "5")
    assert torch.equal(three[:, :3], five[:, :3])
    assert torch.equal(run.relabelled(three, "5"), five)
    assert not torch.equal(run.sample(4, 0, "3"), run.sample(4, 0, "5"))


def test_traverse_classes_changes_the_label_and_keeps_the_code(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "classes.png"
    flags = ["--classes", "--from", "test:0-2", "--out", str(out)]
    assert main(["traverse", str(runs / "digits"), *flags]) == 0
    picture = np.asarray(Image.open(out))
    assert picture.shape[:2] == (3 * 29 + 1, 10 * 29 + 1)
    run = genarium.load(runs / "digits")
    codes = run.encode(run.dataset().test.images[:3])
    wanted = to_uint8(run.decode(run.relabelled(codes, "7")))[1, 0]
    assert (picture[30:58, 7 * 29 + 1 : 7 * 29 + 29] == wanted.numpy()).all()


def test_an_attribute_is_changed_and_the_others_stay(runs: Path, tmp_path: Path) -> None:
    run = genarium.load(runs / "shapes")
    codes = run.encode(run.dataset().test.images[:2], run.dataset().test.extra["factors"][:2])
    red = run.relabelled(codes, "colour:red")
    names = [a.name for a in run.spec.attributes]
    widths = [max(1, len(a.values)) for a in run.spec.attributes]
    at = 3 + sum(widths[: names.index("colour")])
    changed = (red != codes).any(0).nonzero().flatten().tolist()
    assert set(changed) <= set(range(at, at + 8))
    assert (red[:, at] == 1).all()
    out = tmp_path / "colours.png"
    assert main(["traverse", str(runs / "shapes"), "--classes", "colour", "--out", str(out)]) == 0
    assert np.asarray(Image.open(out)).shape[1] == 8 * 33 + 1


def test_sample_takes_attributes(runs: Path, tmp_path: Path) -> None:
    asked = ["--class", "shape:star+colour:red", "-n", "4", "--out", str(tmp_path / "x.png")]
    assert main(["sample", str(runs / "shapes"), *asked]) == 0
    run = genarium.load(runs / "shapes")
    rows = run.labels("size:0.2+shape:star", 2)
    assert rows.shape == (2, 7)
    assert rows[0, 0] == 4
    assert rows[0, 2] == pytest.approx(0.2)
    assert rows.isnan().sum() == 10


@pytest.mark.parametrize(
    ("run", "asked", "says"),
    [
        ("shapes", "star", "NAME:VALUE"),
        ("shapes", "taste:sweet", "NAME:VALUE"),
        ("shapes", "colour:dark", "one of red"),
        ("shapes", "size:big", "a number"),
        ("shapes", "size:inf", "finite"),
        ("digits", "11", "choose one of 0"),
    ],
)
def test_a_wrong_condition_names_the_flag_and_the_remedy(
    runs: Path, run: str, asked: str, says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        genarium.load(runs / run).sample(1, condition=asked)
    assert f"--class {asked}" in str(error.value)


def test_classes_goes_by_itself_and_needs_a_conditional_model(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["traverse", str(runs / "digits"), "--classes", "--range", "0", "1"]) == 2
    assert "--classes goes by itself" in capsys.readouterr().err
    assert main(["traverse", str(runs / "shapes"), "--classes", "size"]) == 2
    assert "choose shape, colour, background" in capsys.readouterr().err
    plain = ["train", "vae", *TINY, "--steps", "1", "--quiet", "--out", str(tmp_path / "vae")]
    assert main(plain) == 0
    capsys.readouterr()
    assert main(["traverse", str(tmp_path / "vae"), "--classes"]) == 2
    assert "is not conditional" in capsys.readouterr().err


def test_score_with_more_samples_is_a_tighter_bound(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    totals = []
    for k in (1, 20):
        flags = ["test:0-19", "--k", str(k), "--class", "7", "--out", str(tmp_path / "s.csv")]
        assert main(["score", str(runs / "digits"), *flags, "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["k"] == k
        totals.append(math.fsum(row["nats"] for row in record["scores"]))
    assert totals[0] < totals[1]
