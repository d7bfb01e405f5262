"""`evaluate IMAGES --against IMAGES`: no model, any sizes, few images, broken files."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main


def pictures(folder, count, seed, sides=(12, 12)):
    folder.mkdir()
    draw = np.random.default_rng(seed)
    for i in range(count):
        size = (int(draw.integers(*sides)), 12) if sides[0] < sides[1] else sides
        Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def a(tmp_path):
    return pictures(tmp_path / "a", 10, 0, (9, 15))


@pytest.fixture
def b(tmp_path):
    return pictures(tmp_path / "b", 12, 1)


def finite(value):
    if isinstance(value, dict):
        return all(finite(v) for v in value.values())
    if isinstance(value, list):
        return all(finite(v) for v in value)
    return not isinstance(value, float) or math.isfinite(value)


def test_ten_images_of_mixed_sizes_and_a_broken_one(a, b, capsys):
    (a / "zz.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    assert main(["evaluate", str(a), "--against", str(b), "--metrics", "all", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert finite(record)
    rows = {row["name"].split(" (")[0]: row for row in record["rows"]}
    assert {"FID", "KID", "precision", "recall", "density", "coverage"} <= set(rows)
    assert rows["FID"]["interval"][0] <= rows["FID"]["value"] <= rows["FID"]["interval"][1]
    assert record["context"]["samples"] == 10
    words = " ".join(record["warnings"])
    for word in ("zz.png", "sizes", "left out sharpness", "FLD", "FID∞"):
        assert word in words
    assert main(["evaluate", str(a), "--against", str(b), "--size", "12"]) == 0
    assert "sharpness" in capsys.readouterr().out.split("warning")[0]


def test_npz_data_set_tensor_and_function(b, tmp_path):
    array = np.random.default_rng(2).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "c.npz", images=array)
    tensor = torch.from_numpy(array)[:, None]
    generator = torch.Generator().manual_seed(0)
    first = genarium.evaluate(tmp_path / "c.npz", against="digits", metrics="fid,is")
    second = genarium.evaluate(tensor, against="digits", metrics="fid,is")
    assert [row.name for row in first.rows] == ["FID (digits-cnn)", "IS (digits-cnn)"]
    assert [row.value for row in first.rows] == [row.value for row in second.rows]
    assert first.context["reference"]["split"] == "digits test"
    drawn = genarium.evaluate(
        lambda n: torch.rand(n, 1, 12, 12, generator=generator) * 2 - 1,
        against=str(b),
        n=12,
        train=b,
        metrics="fid,fld",
    )
    assert drawn.context["samples"] == 12
    assert drawn.get("FID").value > 0


def test_the_same_folder_is_at_distance_zero(b):
    scores = genarium.evaluate(b, against=b)
    assert scores.get("FID").value == 0
    assert scores.get("precision").value == scores.get("recall").value == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["A"], "--against"),
        (["A", "--against", "nothing"], "nothing"),
        (["nothing", "--against", "B"], "nothing"),
        (["A", "--against", "B", "--metrics", "fidd"], "did you mean 'fid'"),
        (["A", "--against", "B", "--size", "big"], "--size"),
        (["A", "--against", "B", "--step", "3"], "--step"),
        (["A", "--train", "B"], "--train"),
        (["A", "--against", "EMPTY"], "no images"),
    ],
)
def test_mistakes_are_one_line(a, b, tmp_path, capsys, arguments, word):
    (tmp_path / "EMPTY").mkdir()
    names = {"A": str(a), "B": str(b), "EMPTY": str(tmp_path / "EMPTY")}
    assert main(["evaluate", *(names.get(part, part) for part in arguments)]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_images_are_read_in_batches(b, monkeypatch):
    """Never more than a batch of them at a time."""
    from genarium.data.stream import Folder

    largest = []
    batches = Folder.batches

    def watching(self, batch):
        for part in batches(self, batch):
            largest.append(len(part))
            yield part

    monkeypatch.setattr(Folder, "batches", watching)
    from genarium.data.stream import stream
    from genarium.evaluation.evaluate import evaluate_images

    evaluate_images(stream(b), stream(b), extractor="fashion-proxy", batch=5)
    assert max(largest) == 5
