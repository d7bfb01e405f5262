"""The fixed bits of MNIST: lines of digits, read as they stand."""

from pathlib import Path

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions
from genarium.data.sources import binarized_mnist as module
from genarium.errors import UserError

NAMES = ("train", "valid", "test")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Official files of five, three and two images."""
    monkeypatch.setattr(module, "ROWS", {"train": 5, "valid": 3, "test": 2})
    draw = np.random.default_rng(0)
    for name, rows in module.ROWS.items():
        bits = draw.integers(0, 2, (rows, 784))
        lines = "".join(" ".join(map(str, row)) + " \n" for row in bits)
        (tmp_path / f"binarized_mnist_{name}.amat").write_text(lines)
    return tmp_path


def test_bits_are_those_of_the_files(folder: Path) -> None:
    result = data.load("binarized-mnist", DataOptions(from_dir=str(folder)))
    for name, split in zip(NAMES, (result.train, result.validation, result.test)):
        expected = np.loadtxt(folder / f"binarized_mnist_{name}.amat")
        assert (split.images.numpy().reshape(len(expected), 784) == expected * 255).all()
    assert result.spec.shape == (1, 28, 28)
    assert result.spec.binarized == "static"
    again = data.load("binarized-mnist", DataOptions(from_dir=str(folder)))
    assert again.manifest == result.manifest
    static = data.load("binarized-mnist", DataOptions(from_dir=str(folder), binarize="static"))
    assert (static.train.images == result.train.images).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_text(path.read_text()[:-4]), "does not hold 2 lines of 784"),
        (lambda path: path.write_text(path.read_text().replace("1", "2", 1)), "digits 0 or 1"),
        (lambda path: path.unlink(), "binarized_mnist_test.amat: no such file"),
    ],
)
def test_wrong_files_are_refused(folder: Path, change, words: str) -> None:
    change(folder / "binarized_mnist_test.amat")
    with pytest.raises(UserError, match=words):
        data.load("binarized-mnist", DataOptions(from_dir=str(folder)))


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "--from DIR"), ({"size": "32"}, "28x28"), ({"channels": 3}, "28x28")],
)
def test_what_cannot_be_is_said(folder: Path, options: dict, words: str) -> None:
    where = {"from_dir": str(folder)} if options else {}
    with pytest.raises(UserError, match=words):
        data.load("binarized-mnist", DataOptions(**where, **options))
