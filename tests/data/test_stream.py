"""Images of folders and .npz files, read batch by batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from genarium.data import DataOptions
from genarium.data.stream import stream
from genarium.errors import UserError


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Grey and coloured images of several sizes, and one that is cut short."""
    for i, shape in enumerate([(8, 8), (8, 8), (8, 8, 3), (6, 9, 3), (6, 9, 3)]):
        Image.fromarray(pixels(*shape, seed=i)).save(tmp_path / f"{i}.png")
    whole = (tmp_path / "4.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def test_a_folder_comes_in_batches_of_one_shape(folder):
    images = stream(folder)
    assert len(images) == 6
    batches = list(images.batches(2))
    assert [tuple(b.shape) for b in batches] == [(2, 1, 8, 8), (1, 3, 8, 8), (2, 3, 6, 9)]
    assert torch.equal(batches[0][1, 0], torch.from_numpy(pixels(8, 8, seed=1)))
    (warning,) = images.warnings
    assert "left out 1 of 6" in warning
    assert "broken.png" in warning


def test_a_folder_can_be_brought_to_one_size(folder):
    images = stream(folder, DataOptions(size="4x5", channels=1))
    assert [tuple(b.shape) for b in images.batches(10)] == [(5, 1, 4, 5)]


@pytest.mark.parametrize("channels", [2, 4])
def test_pictures_are_no_images_of_other_channels(folder, channels):
    with pytest.raises(UserError, match=f"the images have 1 channel, .* asks for {channels}"):
        list(stream(folder, DataOptions(channels=channels)).batches(10))


def test_a_part_of_a_folder(folder):
    some = stream(folder).take(torch.tensor([1, 3]))
    assert len(some) == 2
    assert [tuple(b.shape) for b in some.batches(10)] == [(1, 1, 8, 8), (1, 3, 6, 9)]
    assert some.warnings == []


def test_a_folder_of_broken_files_is_one_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match="all 1 of 1"):
        list(stream(tmp_path).batches(4))
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match="no images"):
        stream(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(7, 5, 6, 3), (7, 3, 5, 6), (7, 5, 6), (7, 5, 6, 1)])
def test_an_array_is_read_in_rows(tmp_path, save, shape):
    array = pixels(*shape)
    save(tmp_path / "a.npz", images=array, labels=np.arange(7))
    images = stream(tmp_path / "a.npz")
    assert len(images) == 7
    batches = list(images.batches(3))
    assert [len(b) for b in batches] == [3, 3, 1]
    expected = torch.from_numpy(array)
    if array.ndim == 3:
        expected = expected[:, None]
    elif shape[-1] in (1, 3):
        expected = expected.permute(0, 3, 1, 2)
    assert torch.equal(torch.cat(batches), expected)
    some = images.take(torch.tensor([0, 6])).take(torch.tensor([1]))
    assert torch.equal(torch.cat(list(some.batches(9))), expected[6:])


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"x": pixels(3, 4, 4).astype(complex)}, "complex128"),
        ({"x": pixels(3, 4, 4, 5)}, "which axis are the channels"),
        ({"x": pixels(3, 4, 4), "y": pixels(3, 4, 4)}, "one array"),
        ({}, "no arrays"),
    ],
)
def test_an_array_that_is_none_is_one_line(tmp_path, arrays, word):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=word) as caught:
        stream(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_short_is_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", images=pixels(9, 8, 8))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:300])
    with pytest.raises(UserError, match="readable"):
        stream(tmp_path / "a.npz")
    with pytest.raises(UserError, match="not a folder"):
        stream(tmp_path / "b.npz")
