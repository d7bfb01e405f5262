"""Extractors of a user's own, by name, from a folder of GENARIUM_PATH."""

import json

import pytest
import torch

from genarium.cli import main
from genarium.errors import UserError
from genarium.evaluation.extractors.by_name import extractor

torch.set_num_threads(1)

FILE = """
from genarium.evaluation.extractors.extractor import from_module, grey_28
from genarium.evaluation.extractors.own import feature_extractor
from torch import nn


class Means(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = nn.Parameter(scale)

    def forward(self, x):
        return self.scale * x.mean(3).flatten(1), x.new_empty(len(x), 0)


@feature_extractor("row-means")
def row_means(weights):
    import torch
    scale = torch.tensor(float(weights or 1))
    return from_module(
        Means(scale), name="row-means", dims=28, prepare=grey_28, resize="28x28 grey"
    )


@feature_extractor("half-done")
def half_done(weights):
    return None
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # a name of its own: a file of GENARIUM_PATH is imported once a process, by its name
    (tmp_path / "extractors_of_mine.py").write_text(FILE)
    (tmp_path / "unrelated.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    return tmp_path


def test_an_own_extractor_has_a_name(folder):
    images = torch.full((2, 1, 28, 28), 51, dtype=torch.uint8)
    result = extractor("row-means")
    assert torch.allclose(result(images).pool, torch.full((2, 28), 0.2))
    twice = extractor("row-means", weights="2")
    assert torch.allclose(twice(images).pool, torch.full((2, 28), 0.4))
    assert result.hash != twice.hash


def test_unknown_names_suggest_own_ones_too(folder):
    with pytest.raises(UserError, match=r"did you mean 'row-means'.*inception, dinov2.*row-means"):
        extractor("row-mean")


def test_a_function_that_gives_no_extractor_is_one_line(folder):
    with pytest.raises(UserError, match=r"--extractor half-done: .*NoneType.*from_module"):
        extractor("half-done")


def test_from_the_command_line(folder, capsys):
    run = folder / "run"
    small = ["--steps", "2", "--batch", "4", "--width", "4", "--quiet"]
    assert main(["train", "dcgan", "--data", "digits", *small, "--out", str(run)]) == 0
    capsys.readouterr()
    words = ["evaluate", str(run), "-n", "40", "--json", "--extractor"]
    assert main([*words, "row-means", "--weights", "3"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["context"]["extractor"]["name"] == "row-means"
    assert "FID (row-means)" in [row["name"] for row in record["rows"]]
    assert main([*words, "inception"]) == 2
    assert "--weights PATH" in capsys.readouterr().err
    assert main([*words, "inception", "--weights", str(folder / "w.pth")]) == 2
    assert "no such file" in capsys.readouterr().err
