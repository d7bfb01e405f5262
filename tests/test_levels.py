"""Grey levels and 8 bits: every number of levels survives being saved as an image."""

from __future__ import annotations

import pytest
import torch

from genarium import recipes
from genarium.contract import Spec, dequantize, from_levels, quantize, to_uint8


def test_levels_come_back_from_8_bits_for_every_number_of_levels() -> None:
    for n in range(2, 257):
        levels = torch.arange(n)
        grey = to_uint8(from_levels(levels, n))
        assert torch.equal(quantize(grey, n), levels), n
        assert (grey.int().diff() > 0).all(), n
        # an image of levels, saved and read again, is the same image
        assert torch.equal(to_uint8(from_levels(quantize(grey, n), n)), grey), n


def test_what_survived_before_is_the_same_to_the_bit() -> None:
    same = 0
    for n in range(2, 257):
        levels = torch.arange(n)
        even = dequantize(levels, n)
        if torch.equal(quantize(to_uint8(even), n), levels):
            same += 1
            assert torch.equal(from_levels(levels, n), even), n
    assert same == 45
    for n in (2, 256):
        assert torch.equal(from_levels(torch.arange(n), n), dequantize(torch.arange(n), n))


def test_a_level_is_shown_within_a_grey_step_or_two_of_its_even_place() -> None:
    for n in range(2, 257):
        moved = 127.5 * (from_levels(torch.arange(n), n) - dequantize(torch.arange(n), n)).abs()
        assert moved.max() <= 1.5, n


@pytest.mark.parametrize("levels", [2, 3, 7, 100, 200, 255, 256])
@pytest.mark.parametrize("name", ["pixelcnn", "row-lstm"])
def test_samples_are_scored_as_what_was_drawn(name: str, levels: int) -> None:
    torch.manual_seed(0)
    recipe = recipes.get(name)
    model = recipe(Spec(1, 6, 6), **{**recipe.tiny, "levels": levels}).eval()
    drawn = model.sample_levels(20, generator=torch.Generator().manual_seed(1))
    images = to_uint8(model.sample(20, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(model.quantize(images), drawn)
    keep = torch.zeros(6, 6, dtype=torch.bool)
    keep[:3] = True
    completed = to_uint8(model.complete(images, keep))
    assert torch.equal(completed[:, :, :3], images[:, :, :3])
