"""Copying: who says so, and what the share is, in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genarium.evaluation.diagnostics.copying import (
    CLOSE_ALPHA,
    FIFTH,
    SIDE_ALPHA,
    Copying,
    _labels,
    copying,
)
from genarium.evaluation.diagnostics.lookalikes import Lookalikes


def verdict(p_side: float, p_close: float) -> bool:
    nothing = torch.zeros(1)
    return Copying(
        p_side, p_close, 0.5, (0.4, 0.6), nothing.long(), nothing, nothing.bool()
    ).detected


@pytest.mark.parametrize(
    ("p_side", "p_close", "result"),
    [
        (1.0, 1.0, False),
        (SIDE_ALPHA, 1.0, True),  # either test is enough, at its own level
        (1.0, CLOSE_ALPHA, True),
        (SIDE_ALPHA * 1.01, CLOSE_ALPHA * 1.01, False),
        (CLOSE_ALPHA, SIDE_ALPHA, True),
        (SIDE_ALPHA * 1.01, SIDE_ALPHA, False),  # the levels are not those of the other test
        (0.0, 0.0, True),
    ],
)
def test_either_test_is_enough(p_side: float, p_close: float, result: bool) -> None:
    assert verdict(p_side, p_close) is result


def lists(ratio: Tensor, index: Tensor) -> Lookalikes:
    """Look-alikes with the given d₁/d₅ and nearest; the distances between lie half way."""
    between = (ratio[:, None] + 1) / 2
    return Lookalikes(
        torch.cat([ratio[:, None], between.expand(-1, FIFTH - 1), torch.ones(len(ratio), 1)], 1),
        index[:, None].expand(-1, 5),
    )


def test_changed_copies_are_found_by_their_side_alone() -> None:
    """Half of the pool was trained on; all samples lie there, none closer than real images are."""
    trained = torch.arange(100) < 50
    real = lists(torch.linspace(0.5, 0.9, 100), torch.arange(100))
    result = copying(lists(torch.linspace(0.5, 0.9, 50), torch.arange(50)), real, trained)
    assert result.p_side <= SIDE_ALPHA < result.p_close
    assert result.detected
    # of honest samples every other nearest would be held out, and here none is
    assert result.share == pytest.approx(1.0)


def test_the_share_counts_the_strangers_that_the_pool_would_give() -> None:
    """A fifth of the pool is held out and so is the nearest of a tenth of the samples: half of the
    samples are copies. Their distances say nothing."""
    trained = torch.arange(1000) < 800
    real = lists(torch.linspace(0.5, 0.9, 1000), torch.arange(1000))
    nearest = torch.cat([torch.arange(900) % 800, torch.arange(900, 1000)])
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    result = copying(lists(torch.linspace(0.5, 0.9, 1000), nearest[order]), real, trained)
    assert result.share == pytest.approx(0.5)
    low, high = result.interval
    assert 0.35 < low < 0.5 < high < 0.65


def test_close_copies_are_found_by_their_distance_alone() -> None:
    """Nearly all of the pool was trained on, so that the side of the copies tells nothing."""
    trained = torch.arange(100) % 20 != 10
    ratio = torch.cat([torch.full((9,), 0.01), torch.linspace(0.5, 0.9, 91)])
    real = lists(torch.linspace(0.5, 0.9, 100), torch.arange(100))
    result = copying(lists(ratio, torch.arange(100)), real, trained)
    assert result.p_close <= CLOSE_ALPHA < SIDE_ALPHA < result.p_side
    assert result.detected
    assert result.share == pytest.approx(0.09)


def test_a_copy_is_compared_with_the_fifth_nearest() -> None:
    distance = torch.tensor([[1.0, 1.5, 1.8, 1.9, 2.0, 40.0]])
    real = Lookalikes(distance.expand(2, -1), torch.arange(12).view(2, 6))
    result = copying(Lookalikes(distance, torch.arange(6)[None]), real, torch.arange(12) < 6)
    assert result.ratio.tolist() == [0.5]


def test_labels_are_drawn_without_replacement() -> None:
    """Of three images two were trained on: every draw of all three says so, each place as often."""
    labels = _labels(3, 2, 3, torch.Generator().manual_seed(0))
    assert (labels.sum(1) == 2).all()
    assert labels.double().mean(0).tolist() == pytest.approx([2 / 3] * 3, abs=0.12)
