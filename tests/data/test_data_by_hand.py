"""Data, pixel by pixel: what a planted fault showed that no other test holds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from genarium.data import text
from genarium.data.collection import BITS, _bits_by_place, bits
from genarium.data.decode import decode
from genarium.data.resize import fit_array
from genarium.data.sources.shapes import FACTORS, SMALLEST, caption, render


def test_an_array_is_resized_as_its_picture() -> None:
    """Rows stay rows: of a picture that is not square."""
    images = np.random.default_rng(0).integers(256, size=(2, 3, 5, 9), dtype=np.uint8)
    result = fit_array(images, 10, 12, 3, "stretch", (0, 0, 0))
    for image, made in zip(images, result, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        wanted = np.asarray(picture.resize((12, 10), Image.Resampling.LANCZOS))
        assert np.array_equal(made, wanted.transpose(2, 0, 1))


def test_a_shape_in_the_middle_looks_the_same_from_all_sides() -> None:
    """The middle of a picture lies between its pixels: a circle there is its own mirror image."""
    row = np.zeros((1, len(FACTORS)), np.float32)
    row[0, FACTORS.index("size")] = 0.3
    for height, width in ((16, 16), (15, 20)):
        (picture,) = render(row, height, width)
        assert picture.max() > 0
        assert np.array_equal(picture, picture[:, ::-1])
        assert np.array_equal(picture, picture[:, :, ::-1])


def test_fewer_captions_come_round_again() -> None:
    result = text.table(["one\ntwo", "alone", ""], 8, 5)
    words = [[text.text_of(row) for row in image] for image in result]
    assert words == [["one", "two", "one", "two", "one"], ["alone"] * 5, [""] * 5]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_picture_is_grey_only_if_all_three_colours_agree(channel: int) -> None:
    pixels = np.full((3, 4, 3), 100, np.uint8)
    modes = []
    for value in (100, 101):
        pixels[1, 2, channel] = value
        stored = io.BytesIO()
        Image.fromarray(pixels).save(stored, "png")
        modes.append(decode(stored.getvalue())[0].mode)
    assert modes == ["L", "RGB"]


def test_every_image_of_every_block_is_drawn_by_one_sequence_of_numbers() -> None:
    grey = np.random.default_rng(1).integers(256, size=(2100, 1, 2, 2), dtype=np.uint8)
    uniform = np.random.Generator(np.random.PCG64([BITS, 2])).random(grey.shape)
    wanted = np.where(uniform * 255.0 < grey, 255, 0)
    assert np.array_equal(_bits_by_place(grey, 2), wanted)
    assert (bits(np.full((9, 1, 1, 1), 255, np.uint8)) == 255).all()


@pytest.mark.parametrize("y", [-0.9, 0.0, 0.9])
@pytest.mark.parametrize("x", [-0.9, 0.0, 0.9])
def test_a_caption_says_where_the_picture_shows_it(x: float, y: float) -> None:
    row = np.zeros((1, len(FACTORS)), np.float32)
    row[0, [FACTORS.index(name) for name in ("size", "x", "y")]] = SMALLEST, x, y
    lit = render(row, 48, 48)[0].max(0) > 0
    down, right = (places.mean() - 23.5 for places in np.nonzero(lit))
    words = caption(row[0])
    assert ("top" in words, "bottom" in words) == (down < -4, down > 4)
    assert ("left" in words, "right" in words) == (right < -4, right > 4)
