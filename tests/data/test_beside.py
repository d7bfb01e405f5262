"""Files of values that Genarium wrote, read as data: their range and unit come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genarium.contract import Values
from genarium.data import DataOptions, load
from genarium.data.files.beside import described, said
from genarium.drawing.values import encoded

CODES = Values("uint16", (6.0,), (4095.0,), "data", "counts")
EACH = Values("float32", (-1.0, 0.0, 2.0), (1.5, 4.0, 3.0), "data", "HU")
ENTRIES = {"low": [0.0], "high": [4095.0], "unit": "mm", "rule": "given"}


def some(values: Values, channels: int) -> torch.Tensor:
    x = torch.rand(20, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return values.stored(2 * x - 1)


@pytest.mark.parametrize("name", ["x.npz", "x.tif:pages=images"])
@pytest.mark.parametrize(("about", "channels"), [(CODES, 1), (CODES, 4), (EACH, 3)])
def test_a_file_of_many(tmp_path: Path, name: str, about: Values, channels: int) -> None:
    path = tmp_path / name.partition(":")[0]
    images = some(about, channels)
    path.write_bytes(encoded(images, path, about))
    rule = "auto" if about.integer else "full"
    made = load(f"{tmp_path}/{name}", DataOptions(range=rule, cache=tmp_path / "cache"))
    assert made.spec.values == about
    assert made.spec.values.unit == about.unit
    both = torch.cat([made.train.images, made.validation.images, made.test.images])
    assert {image.numpy().tobytes() for image in both} == {i.numpy().tobytes() for i in images}


@pytest.mark.parametrize(
    ("about", "channels", "ending"),
    [(CODES, 1, "png"), (CODES, 1, "tif"), (CODES, 4, "tif"), (EACH, 3, "tif")],
)
def test_a_folder(tmp_path: Path, about: Values, channels: int, ending: str) -> None:
    for number, image in enumerate(some(about, channels)):
        path = tmp_path / "set" / f"{number}.{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(image[None], path, about, alone=True))
    rule = "auto" if about.integer else "full"
    made = load(tmp_path / "set", DataOptions(range=rule, cache=tmp_path / "cache"))
    values = made.spec.values
    assert values.unit == about.unit
    # a folder has one range for all channels, which holds those of each
    assert (values.low, values.high) == ((min(about.low),), (max(about.high),))


def test_a_range_of_each_colour_where_the_colours_become_grey(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(encoded(some(EACH, 3), path, EACH))
    made = load(path, DataOptions(range="full", channels=1, cache=tmp_path / "cache"))
    assert (made.spec.values.low, made.spec.values.high) == ((-1.0,), (4.0,))


@pytest.mark.parametrize(
    "change",
    [
        {"low": [0.5]},
        {"low": [4095.0]},
        {"high": [70000.0]},
        {"high": [float("nan")]},
        {"high": 4095.0},
        {"low": [0.0, 0.0], "high": [1.0, 1.0]},
        {"low": "dark"},
        {"unit": 3},
        {"unit": "m" * 100},
        {"more": 1},
    ],
)
def test_what_others_call_low(change: dict[str, object]) -> None:
    kind = np.dtype("uint16")
    assert said(ENTRIES, kind, 3) == (((0.0,), (4095.0,)), "mm")
    assert said({**ENTRIES, **change}, kind, 3) == (None, "")
    text = '{"low": ' + "[" * 5000
    assert described(text, kind, 3) == described("{}", kind, 3) == (None, "")
