"""Checkerboards: the power at the strides' frequencies, closed forms and untrained networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from genarium.evaluation.metrics.spectrum import spectrum, stride_power
from genarium.models.gan.networks.residual import ResidualGenerator
from genarium.models.gan.networks.resize import ResizeGenerator
from genarium.models.gan.networks.skip_excitation import SkipExcitationGenerator
from genarium.nn.dcgan import DCGANGenerator

SIZES = [(16, 16), (28, 28), (48, 64), (64, 64)]


def noise(n: int = 600, side: int = 32) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_spectrum_is_the_windowed_transform() -> None:
    x = noise(3, 16).double()
    down = torch.hann_window(16, dtype=torch.float64)
    x0 = (x - x.mean((2, 3), keepdim=True)) * down[:, None] * down
    at = torch.arange(16, dtype=torch.float64)
    wave = torch.exp(-2j * torch.pi * (3 * at[:, None] + 5 * at) / 16)
    expected = (x0 * wave).sum((2, 3)).abs().square().mean()
    torch.testing.assert_close(spectrum(x)[3, 5], expected)


def test_white_noise_has_no_stride() -> None:
    assert stride_power(noise()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("period", [2, 4])
def test_stripes_stand_out_by_their_share_of_the_power(period: int) -> None:
    """A wave of amplitude a on noise of variance 1, over a Hann window w of N pixels a side: its
    line adds a²·|Σ w|²·Σ w² (½ of that twice for period 4) to the noise's N·(Σ w²)², one ratio of
    four."""
    side, a = 32, 0.2
    wave = {2: [1.0, -1.0], 4: [1.0, 0.0, -1.0, 0.0]}[period]
    rows = torch.tensor(wave).repeat(side // period)
    w = torch.hann_window(side, dtype=torch.float64)
    seen = a**2 * w.sum() ** 2 * side * w.square().sum() / (1 if period == 2 else 4)
    # all columns' frequencies: Parseval over the other axis gives N·Σ w² of the wave's rows
    plain = side * w.square().sum() ** 2
    expected = 1 + float(seen / plain) / 4
    assert expected > 1.05
    assert stride_power(noise() + a * rows[:, None]) == pytest.approx(expected, abs=0.04)
    assert stride_power(100 * noise() + 100 * a * rows) == pytest.approx(expected, abs=0.04)


def untrained(make: Callable[..., nn.Module], size: tuple[int, int]) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return stride_power(make(16, (3, *size), 8)(torch.randn(48, 16)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [ResizeGenerator, ResidualGenerator, SkipExcitationGenerator])
def test_resize_convolutions_start_without_checkerboards(
    make: Callable[..., nn.Module], size: tuple[int, int]
) -> None:
    assert untrained(make, size) < 1


@pytest.mark.parametrize("size", SIZES)
def test_transposed_convolutions_start_with_them(size: tuple[int, int]) -> None:
    """What the test above would see."""
    assert untrained(DCGANGenerator, size) > 1.5
