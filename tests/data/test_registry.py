import re
from pathlib import Path

import numpy as np
import pytest

from genarium import data
from genarium.data import registry
from genarium.errors import UserError


@pytest.fixture
def forget(monkeypatch):
    """Leaves the registry as it was."""
    registry.registered()
    monkeypatch.setattr(registry._known, "_known", dict(registry._known._known))


DOCS = Path(__file__).parents[2] / "docs" / "data.md"
(TEN_LINES,) = re.findall(r"```python\n([^`]*@source[^`]*)```", DOCS.read_text(encoding="utf-8"))


def test_the_documented_source_is_ten_lines_at_most():
    assert "blobs" in TEN_LINES
    assert len(TEN_LINES.splitlines()) <= 10


def test_adding_a_data_set_touches_one_file(tmp_path, monkeypatch, forget):
    (tmp_path / "blobs.py").write_text(TEN_LINES)
    (tmp_path / "other.py").write_text("raise SystemExit('must not be imported')")
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    assert "blobs" in [s.name for s in data.list_sources()]
    blobs = data.load("blobs:n=60", data.DataOptions(size="8"))
    assert blobs.spec.shape == (1, 8, 8)
    assert blobs.spec.classes == ("even", "odd")
    # the splits that it does not give are cut from train by content
    assert [len(blobs.split(s)) for s in ("train", "validation", "test")] == [48, 6, 6]
    assert blobs.manifest == data.load("blobs:n=60", data.DataOptions(size="8")).manifest
    assert blobs.manifest != data.load("blobs:n=60,seed=1", data.DataOptions(size="8")).manifest


def test_extra_arrays_and_captions_are_cut_with_the_images(forget):
    @data.source("pairs", summary="", licence="")
    def pairs(request: data.Request) -> data.Collection:
        images = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones(
            (1, 1, 2, 2), np.uint8
        )
        numbers = np.arange(30)
        part = data.Part(images, None, {"number": numbers}, [str(i) for i in numbers])
        return data.Collection({"train": part})

    for name in ("train", "validation", "test"):
        split = data.load("pairs").split(name)
        assert split.labels is None
        assert split.images[:, 0, 0, 0].tolist() == split.extra["number"].tolist()
        assert split.captions == [str(i) for i in split.extra["number"].tolist()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("digts", "did you mean 'digits'"),
        ("fashion_mnist", "did you mean 'fashion-mnist'"),
        ("no/such/folder", "no/such/folder.*does not exist"),
        ("/no/such/folder", "/no/such/folder.*does not exist"),
        ("qqqq", "digits, "),
        ("FOLDER", "does not exist"),
        ("", "is empty"),
        ("a\0b", "does not exist"),
    ],
)
def test_unknown_sources(text, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        data.load(text)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="one picture, and data are many"):
        data.load(str(tmp_path / "x.png"))
    with pytest.raises(AttributeError):
        _ = data.no_such_thing


def test_a_broken_file_of_the_user_is_named(tmp_path, monkeypatch, forget):
    (tmp_path / "broken.py").write_text("def (")
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"GENARIUM_PATH.*broken\.py"):
        data.list_sources()


@pytest.mark.parametrize(
    "part",
    [
        data.Part(np.zeros((4, 1, 2, 2), np.float64)),
        data.Part(np.zeros((4, 2, 2), np.uint8)),
        data.Part(np.zeros((4, 0, 2, 2), np.uint8)),
        data.Part(np.zeros((4, 1, 2, 2), np.uint8), np.zeros(3, int)),
        data.Part(np.zeros((4, 1, 2, 2), np.uint8), extra={"x": np.zeros(5)}),
        data.Part(np.zeros((4, 1, 2, 2), np.uint8), captions=["one"]),
    ],
)
def test_a_source_that_gives_wrong_arrays_is_told(part, forget):
    @data.source("wrong", summary="", licence="")
    def wrong(request: data.Request) -> data.Collection:
        return data.Collection({"train": part})

    with pytest.raises(ValueError, match="train: "):
        data.load("wrong")
