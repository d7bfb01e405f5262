import textwrap

import numpy as np
import pytest

from genarium import data
from genarium.data import registry
from genarium.errors import UserError


@pytest.fixture
def forget(monkeypatch):
    """Leaves the registry as it was."""
    registry.registered()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


TEN_LINES = """
import numpy as np
from genarium.data import Collection, Part, Request, source

@source("blobs", summary="noise", licence="CC0-1.0")
def blobs(request: Request, *, n: int = 40, seed: int = 0) -> Collection:
    images = np.random.default_rng(seed).integers(0, 256, (n, 1, 6, 6), dtype=np.uint8)
    return Collection({"train": Part(images, np.arange(n) % 2)}, classes=("even", "odd"))
"""


def test_adding_a_data_set_touches_one_file(tmp_path, monkeypatch, forget):
    (tmp_path / "blobs.py").write_text(textwrap.dedent(TEN_LINES))
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
    with pytest.raises(UserError, match="not a folder"):
        data.load(str(tmp_path / "x.png"))
    with pytest.raises(AttributeError):
        _ = data.no_such_thing
