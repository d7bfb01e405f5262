"""Grids to the pixel, PNG files that give the images back."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genarium.drawing.images import as_uint8, data_uri, grid, png_bytes, promote, save_png
from genarium.errors import RunError, UserError


def numbered(n: int, channels: int = 1, height: int = 2, width: int = 3) -> torch.Tensor:
    """Image i is all i + 1."""
    values = torch.arange(1, n + 1, dtype=torch.uint8).view(-1, 1, 1, 1)
    return values.expand(-1, channels, height, width).clone()


def test_every_pixel_of_a_grid_is_where_the_formula_puts_it() -> None:
    images, pad, columns, fill = torch.randint(256, (5, 3, 4, 6), dtype=torch.uint8), 2, 3, 9
    whole = grid(images, columns=columns, pad=pad, fill=fill)
    assert whole.shape == (3, 2 * (4 + pad) + pad, columns * (6 + pad) + pad)
    expected = torch.full_like(whole, fill)
    for i, image in enumerate(images):
        top, left = pad + i // columns * (4 + pad), pad + i % columns * (6 + pad)
        expected[:, top : top + 4, left : left + 6] = image
    assert torch.equal(whole, expected)


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (4, 2), (5, 3), (64, 8), (65, 9)])
def test_without_columns_the_grid_is_the_smallest_square(n: int, columns: int) -> None:
    assert grid(numbered(n), pad=0).shape[2] == columns * 3


def test_no_padding_leaves_no_gap() -> None:
    assert grid(numbered(2), columns=2, pad=0).tolist() == [[[1, 1, 1, 2, 2, 2]] * 2]


def test_floats_are_scaled_clamped_and_nan_is_grey() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, float("nan"), float("inf")]).view(1, 1, 1, 6)
    assert as_uint8(values).flatten().tolist() == [0, 0, 128, 255, 128, 255]


def test_uint8_survives_the_way_to_floats_and_back() -> None:
    from genarium.contract import from_uint8

    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_uint8(from_uint8(levels)), levels)


def test_grey_beside_colour_becomes_colour() -> None:
    grey, colour = numbered(1), numbered(1, channels=3) + 5
    assert [b.shape[1] for b in promote(grey, colour)] == [3, 3]
    whole = grid([grey, colour], columns=2, pad=0)
    assert whole[:, 0, 0].tolist() == [1, 1, 1]
    assert whole[:, 0, 3].tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(0, 1, 2, 2), "at least one"),
        (torch.zeros(1, 0, 2, 2), "expected"),
        (torch.zeros(2, 2, 2), "expected"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.int64), "int64"),
        ([torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 3, 2)], "one size"),
        ([], "at least one"),
    ],
)
def test_bad_batches_are_refused(images: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        grid(images)


def test_columns_under_one_are_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        grid(numbered(1), columns=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_lossless(tmp_path: Path, channels: int) -> None:
    image = torch.randint(256, (channels, 5, 7), dtype=torch.uint8)
    path = save_png(tmp_path / "new" / "one.png", image)
    read = torch.from_numpy(np.array(Image.open(path)))
    assert torch.equal(read if channels == 1 else read.permute(2, 0, 1), image.squeeze(0))


def test_png_of_a_batch_is_its_grid_and_two_axes_are_grey() -> None:
    assert png_bytes(numbered(4)) == png_bytes(grid(numbered(4)))
    assert Image.open(io.BytesIO(png_bytes(numbered(1)[0, 0]))).size == (3, 2)


def test_data_uri_holds_the_png() -> None:
    kind, _, content = data_uri(numbered(2)).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == png_bytes(numbered(2))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write") as caught:
        save_png(tmp_path / "file" / "one.png", numbered(1))
    assert "\n" not in str(caught.value)


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match="no space"):
        save_png(path, numbered(1))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
