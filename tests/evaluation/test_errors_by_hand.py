"""Standard errors and closed forms of scores that no other test holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import from_uint8
from genarium.evaluation.images import Stored
from genarium.evaluation.measure import standard_error
from genarium.evaluation.model_scores import reconstruction, spread_of


def test_the_error_of_a_mean_is_the_deviation_over_the_root_of_n() -> None:
    """1, 2, 3, 6: squares about the mean 3 add up to 14, so √(14 / 3 / 4)."""
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert standard_error(values) == pytest.approx(math.sqrt(14 / 12))
    assert standard_error(values[:1]) is None
    parts = spread_of(values)
    assert parts is not None
    assert parts.square().sum().item() == pytest.approx(14 / 12)
    assert parts.sum().item() == pytest.approx(0.0, abs=1e-12)


class Off(nn.Module):
    """Gives back images with an error of its own each."""

    def __init__(self, errors: Tensor):
        super().__init__()
        self.errors = errors

    def reconstruct(self, images: Tensor) -> Tensor:
        return from_uint8(images) + 2 * self.errors.view(-1, 1, 1, 1)


def test_the_error_of_a_psnr_is_that_of_the_mse_times_its_slope() -> None:
    """dB = -10 log₁₀ e, whose slope is -10 / (e ln 10): checked by a difference quotient."""
    context: dict[str, Any] = {
        "batch": 8,
        "heldout": {"count": 4, "split": "test", "sha256": "0"},
    }
    images = Stored(torch.full((4, 1, 4, 4), 100, dtype=torch.uint8))
    model = Off(torch.tensor([0.1, 0.2, 0.1, 0.3]))
    mse, psnr = reconstruction(model, images, context, lambda *_: None)
    errors = torch.tensor([0.01, 0.04, 0.01, 0.09]).double()
    assert mse.value == pytest.approx(errors.mean().item(), rel=1e-5)
    assert mse.std == pytest.approx(errors.std().item() / 2, rel=1e-5)
    step = 1e-7
    ends = [-10 * math.log10(mse.value + s) for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert psnr.value == pytest.approx(-10 * math.log10(mse.value))
    assert psnr.std == pytest.approx(abs(slope) * mse.std, rel=1e-4)
    assert psnr.shared is not None
    assert mse.shared is not None
    torch.testing.assert_close(psnr.shared, slope * mse.shared, rtol=1e-4, atol=1e-9)
