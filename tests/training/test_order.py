"""The order of the images and the noise: pure functions of the seed and the step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genarium.contract import Noise
from genarium.training.batches import taken
from genarium.training.order import Order, derive


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 40), seed=st.integers(0, 3))
def test_each_epoch_holds_each_image_once(n: int, batch: int, seed: int) -> None:
    order = Order(n, batch, seed)
    stream = torch.cat([order.rows(k) for k in range(3 * n // batch + 3)])
    for epoch in range(len(stream) // n):
        assert sorted(stream[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))


def test_order_depends_on_the_number_alone() -> None:
    forwards = [Order(50, 8, 1).rows(k) for k in range(20)]
    one = Order(50, 8, 1)
    backwards = {k: one.rows(k) for k in reversed(range(20))}
    assert all(torch.equal(rows, backwards[k]) for k, rows in enumerate(forwards))
    assert not torch.equal(Order(50, 8, 2).rows(0), forwards[0])
    assert not torch.equal(Order(8, 8, 1).rows(0), Order(8, 8, 1).rows(1))


def test_seeds_of_different_uses_differ() -> None:
    seeds = {derive(s, *parts) for s in (0, 1) for parts in ((), ("a",), ("a", 1), ("a1",))}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_processes_share_one_draw() -> None:
    whole = Noise(5, 8)
    halves = [Noise(5, 8, slice(0, 4)), Noise(5, 8, slice(4, 8))]
    for draw in (
        lambda n: n.normal(3, 2),
        lambda n: n.uniform(),
        lambda n: n.integers(10, 2),
    ):
        assert torch.equal(draw(whole), torch.cat([draw(half) for half in halves]))
    assert torch.equal(whole.shared_normal(3), halves[1].shared_normal(3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int64, torch.float32])
@pytest.mark.parametrize("last", [False, True])
def test_rows_are_those_that_were_asked_for(dtype: torch.dtype, last: bool) -> None:
    values = torch.arange(5 * 3 * 4 * 4).view(5, 3, 4, 4).to(dtype)
    if last:
        values = values.permute(0, 2, 3, 1)  # rows that do not lie in one piece
    rows = torch.tensor([3, 0, 3])
    result = taken(values, rows)
    assert result.dtype == dtype
    assert result.tolist() == [values[row].tolist() for row in rows]
    assert result.stride() == values[rows].stride()
