"""What a path given to a verb means: an array and what is said of it, a stack, a picture."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from genarium.data import DataOptions
from genarium.errors import UserError
from genarium.runs.listing import of_path
from genarium.runs.selection import is_loose
from tests.data.written import some, write_tiff

AS_8 = DataOptions(range="8-bit")


def test_pages_of_a_tiff_are_images_with_and_without_a_word(tmp_path: Path) -> None:
    images = some("uint8", n=5)
    write_tiff(tmp_path / "x.tif", images[:, 0])
    for said in ("", "pages=images"):
        result = of_path("x", tmp_path / "x.tif", AS_8, said)
        assert torch.equal(result.all().images, torch.from_numpy(images))
        assert [name.rpartition(":")[2] for name in result.names] == [*"01234"]
        assert not result.chosen
    one = of_path("x", tmp_path / "x.tif", AS_8, "pages=channels").all().images
    assert torch.equal(one[0], torch.from_numpy(images[:, 0]))
    assert is_loose(f"{tmp_path}/x.tif:pages=images")


def test_a_tiff_of_one_page_is_a_picture(tmp_path: Path) -> None:
    images = some("uint8", n=1)
    write_tiff(tmp_path / "x.tif", images[0, 0])
    result = of_path("x", tmp_path / "x.tif", AS_8)
    assert result.chosen
    assert result.names == [str(tmp_path / "x.tif")]


def test_of_pages_of_several_kinds_the_first_is_read_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A photograph with a small one of itself."""
    tifffile = pytest.importorskip("tifffile")
    images = some("uint16", n=1)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(images[0, 0], metadata=None)
        file.write(images[0, 0, ::2, ::2], metadata=None)
    with caplog.at_level(logging.WARNING, "genarium.data"):
        result = of_path("x", tmp_path / "x.tif", DataOptions()).all()
    assert torch.equal(result.images, torch.from_numpy(images))
    assert "several pages, of which the first is read" in caplog.text


def test_what_is_said_of_an_array_is_what_data_takes(tmp_path: Path) -> None:
    images = some("uint8", n=4, channels=3, height=3)
    np.savez(tmp_path / "x.npz", a=images, b=images[::-1], y=np.arange(4) % 2)
    wanted = torch.from_numpy(images[::-1].copy())
    result = of_path("x", tmp_path / "x.npz", AS_8, "b,layout=NCHW")
    assert torch.equal(result.all().images, wanted)
    labelled = of_path("x", tmp_path / "x.npz", AS_8, "a,labels=y,layout=NCHW")
    assert labelled.classes == ("0", "1")


def test_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "x.tif", some("uint8", n=3)[:, 0])
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="unknown argument 'page=2': did you mean pages"):
        of_path("x", tmp_path / "x.tif", AS_8, "page=2")
    with pytest.raises(UserError, match="of a picture nothing can be said"):
        of_path("x.png:pages=images", tmp_path / "x.png", AS_8, "pages=images")
    with pytest.raises(UserError, match=r"it takes name, layout, labels, pages, axis$"):
        of_path("x", tmp_path / "x.tif", AS_8, "zzz=2")
