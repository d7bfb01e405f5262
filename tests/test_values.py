"""What stored values mean: there and back, levels, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Batch, Values, from_uint8, quantize, to_uint8
from genarium.errors import UserError

EVERY_16 = torch.arange(65536).to(torch.uint16).view(1, 1, 256, 256)
EVERY_8 = torch.arange(256).to(torch.uint8).view(1, 1, 16, 16)
TWELVE = Values("uint16", (0.0,), (4095.0,), "bits")
FLOATS = Values("float32", (-1024.0,), (3071.0,), "data", "HU")


def within(values: Values) -> Tensor:
    low, high = int(values.low[0]), int(values.high[0])
    return torch.arange(low, high + 1).to(values.torch_dtype).view(1, 1, 1, -1)


def test_eight_bits_are_what_they_were_to_the_bit() -> None:
    assert torch.equal(EIGHT_BIT.signed(EVERY_8), from_uint8(EVERY_8))
    assert torch.equal(EIGHT_BIT.unit_interval(EVERY_8), EVERY_8.float() / 255)
    assert torch.equal(EIGHT_BIT.stored(EIGHT_BIT.signed(EVERY_8)), EVERY_8)
    for levels in (2, 3, 16, 256):
        assert torch.equal(EIGHT_BIT.quantize(EVERY_8, levels), quantize(EVERY_8, levels))
    x = torch.linspace(-1.2, 1.2, 9999)
    assert torch.equal(EIGHT_BIT.stored(x), to_uint8(x))


@pytest.mark.parametrize(
    "values",
    [
        TWELVE,
        Values("uint16", (0.0,), (65535.0,)),
        Values("uint16", (300.0,), (40000.0,), "data"),
        Values("uint8", (3.0,), (77.0,), "data"),
    ],
    ids=str,
)
def test_whole_numbers_come_back_exactly(values: Values) -> None:
    stored = within(values)
    x = values.signed(stored)
    assert float(x.min()) == -1.0
    assert float(x.max()) == 1.0
    assert torch.equal(values.stored(x), stored)
    assert values.levels == stored.numel()
    assert torch.equal(
        values.quantize(stored, values.levels), torch.arange(stored.numel()).view(stored.shape)
    )


def test_floats_come_back_to_a_millionth_of_the_range() -> None:
    stored = torch.empty(3, 2, 50, 50).uniform_(-1024, 3071, generator=torch.manual_seed(0))
    again = FLOATS.stored(FLOATS.signed(stored))
    assert again.dtype == torch.float32
    assert float((again - stored).abs().max()) <= 1e-6 * (3071 + 1024)
    assert FLOATS.levels == 0


def test_channels_may_have_ranges_of_their_own() -> None:
    values = Values("uint16", (0.0, 100.0), (1000.0, 300.0), "data")
    stored = torch.tensor([[0, 1000], [100, 300]]).to(torch.uint16).view(1, 2, 1, 2)
    x = values.signed(stored)
    assert x.flatten().tolist() == [-1.0, 1.0, -1.0, 1.0]
    assert torch.equal(values.stored(x), stored)
    assert values.levels == 0
    assert values.quantize(stored, 4).flatten().tolist() == [0, 3, 0, 3]
    assert Values("uint16", (0.0, 7.0), (255.0, 262.0)).levels == 256


def test_what_lies_beyond_the_range_becomes_its_end() -> None:
    values = Values("uint16", (10.0,), (20.0,), "10,20")
    stored = torch.tensor([0, 10, 20, 65535]).to(torch.uint16).view(1, 1, 1, 4)
    assert values.signed(stored).flatten().tolist() == [-1.0, -1.0, 1.0, 1.0]
    assert values.quantize(stored, 11).flatten().tolist() == [0, 0, 10, 10]
    assert values.pictures(stored).flatten().tolist() == [0, 0, 255, 255]


def test_levels_of_a_coarser_likelihood_are_equal_parts() -> None:
    counts = torch.bincount(TWELVE.quantize(within(TWELVE), 256).flatten())
    assert counts.tolist() == [16] * 256
    x = torch.tensor([-1024.0, 3071.0, 1023.5]).view(1, 1, 1, 3)
    assert FLOATS.quantize(x, 10).flatten().tolist() == [0, 9, 5]


def test_pictures_for_the_eye_are_of_eight_bits() -> None:
    assert EIGHT_BIT.pictures(EVERY_8) is EVERY_8
    shown = Values("uint16", (0.0,), (65535.0,)).pictures(EVERY_16)
    assert torch.equal(shown.flatten().long(), (EVERY_16.flatten().long() + 128) // 257)


def test_a_batch_reads_its_images_by_its_values() -> None:
    stored = within(TWELVE)
    batch = Batch(stored, values=TWELVE)
    assert torch.equal(batch.signed(), TWELVE.signed(stored))
    assert torch.equal(batch.unit(), TWELVE.unit_interval(stored))
    assert torch.equal(batch.levels(4096), TWELVE.quantize(stored, 4096))
    floats = torch.zeros(1, 1, 2, 2)
    assert Batch(floats, values=FLOATS).signed() is not floats  # never changed in place
    FLOATS.signed(floats)
    assert not floats.any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Values("int32"), "int32"),
        (lambda: Values("uint8", (5.0,), (5.0,)), "range 5,5"),
        (lambda: Values("float32", (0.0,), (float("inf"),)), "range 0,inf"),
        (lambda: Values("uint16", (0.5,), (9.0,)), "whole numbers"),
        (lambda: Values("uint8", (0.0, 1.0), (9.0,)), "one pair"),
        (lambda: Values("uint16", (0.0,), (70000.0,)), "0 to 65535"),
        (lambda: Values("uint8", (-1.0,), (9.0,)), "0 to 255"),
        (lambda: Batch(EVERY_16), "uint16: give uint8"),
        (lambda: TWELVE.signed(EVERY_8), "uint8: give uint16"),
        (lambda: TWELVE.stored(EVERY_8), "give floats"),
    ],
)
def test_refusals_name_what_is_wrong(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words):
        make()


@pytest.mark.parametrize(
    ("values", "n"),
    [
        (TWELVE, 4096),
        (TWELVE, 256),
        (TWELVE, 7),
        (Values("uint8", (0.0,), (100.0,)), 101),
        (Values("uint8", (0.0,), (100.0,)), 64),
        (Values("uint16", (0.0,), (65535.0,)), 65536),
        (FLOATS, 256),
        (FLOATS, 3),
    ],
    ids=str,
)
def test_an_image_of_levels_has_these_levels_once_it_is_stored(values: Values, n: int) -> None:
    levels = torch.arange(n).view(1, 1, 1, -1)
    image = values.from_levels(levels, n)
    assert torch.equal(values.quantize(values.stored(image), n), levels)
    assert (float(image.min()), float(image.max())) == (-1.0, 1.0)


def test_values_above_the_low_end_are_exact() -> None:
    values = Values("uint16", (100.0,), (60000.0,))
    stored = torch.tensor([0, 100, 101, 59999, 60000, 65535]).to(torch.uint16).view(1, 1, 1, 6)
    assert values.above_low(stored).flatten().tolist() == [0, 0, 1, 59899, 59900, 59900]


def test_values_compare_by_their_numbers() -> None:
    assert Values("uint16", (0.0,), (4095.0,), "data", "HU") == TWELVE
    assert Values("uint16", (0.0,), (4094.0,)) != TWELVE
    assert TWELVE.as_option() == "0.0,4095.0"
    assert FLOATS.span == "-1,024 to 3,071 HU"
