"""Grey levels as numbers and back."""

from __future__ import annotations

import pytest
import torch

from genarium.contract import dequantize, from_uint8, quantize, to_uint8

EVERY = torch.arange(256, dtype=torch.uint8)


@pytest.mark.parametrize("off", [-0.45, -0.1, 0.0, 0.1, 0.45])
def test_a_number_becomes_the_nearest_level(off: float) -> None:
    levels = EVERY[1:-1]
    assert torch.equal(to_uint8(from_uint8(levels) + off / 127.5), levels)


def test_beyond_black_and_white_lie_black_and_white() -> None:
    assert to_uint8(torch.tensor([-9.0, -1.0, 1.0, 9.0])).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("n", [2, 3, 16, 256])
def test_levels_are_equal_shares_of_256_and_reach_from_end_to_end(n: int) -> None:
    levels = quantize(EVERY, n)
    assert levels.tolist() == [v * n // 256 for v in range(256)]
    numbers = dequantize(torch.arange(n), n)
    torch.testing.assert_close(numbers, torch.linspace(-1, 1, n))
