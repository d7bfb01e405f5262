"""Which pictures are shown: drawn by a seed, the classes in turn."""

from __future__ import annotations

import pytest
import torch

from genarium.data.choice import fair, fair_rows
from genarium.data.dataset import Split
from genarium.features import balanced

SIZES = (50, 20, 3)
LABELS = torch.arange(3).repeat_interleave(torch.tensor(SIZES))  # as files lie in folders


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9, 20, 73])
def test_classes_take_turns(n: int) -> None:
    rows = fair(len(LABELS), n, 0, LABELS)
    assert len(rows) == len({*rows.tolist()}) == n
    counts = LABELS[rows].bincount(minlength=3).tolist()
    # nobody has two more than another that still has some
    for a in range(3):
        for b in range(3):
            assert counts[a] <= counts[b] + 1 or counts[b] == SIZES[b]


def test_the_seed_decides_and_fewer_begin_more() -> None:
    one, other = fair(73, 12, 0, LABELS), fair(73, 12, 1, LABELS)
    assert torch.equal(one, fair(73, 12, 0, LABELS))
    assert not torch.equal(one, other)
    assert torch.equal(fair(73, 30, 0, LABELS)[:12], one)
    assert {*fair(73, None, 0, LABELS).tolist()} == {*range(73)}


def test_each_class_and_each_picture_comes_first_as_often() -> None:
    first = torch.cat([fair(73, 1, seed, LABELS) for seed in range(300)])
    counts = LABELS[first].bincount(minlength=3)
    # the first turn is in the order of a shuffle of all: the class of a random picture
    assert counts[0] > counts[1] > counts[2] > 0
    turns = torch.stack([fair(73, 3, seed, LABELS) for seed in range(300)])
    assert all({*LABELS[row].tolist()} == {0, 1, 2} for row in turns)
    own = turns[LABELS[turns] == 1]
    assert len(own.unique()) == 20
    assert int(own.bincount(minlength=73).max()) < 40  # of 300 draws, 15 each on average


def test_without_labels_it_is_a_shuffle() -> None:
    rows = fair(40, 10, 5)
    assert len({*rows.tolist()}) == 10
    assert rows.tolist() != sorted(rows.tolist())
    assert fair(0, 3).tolist() == []
    assert fair(2, 9).sort().values.tolist() == [0, 1]


def test_labels_that_are_no_small_numbers() -> None:
    labels = torch.tensor([-1, 10**12, -1, 10**12, -1, -1])
    assert {*labels[fair(6, 2, 3, labels)].tolist()} == {-1, 10**12}


def test_labelled_images_are_drawn_by_the_same_rule() -> None:
    assert balanced(LABELS, 9, 4).tolist() == sorted(fair(73, 9, 4, LABELS).tolist())


def test_the_labels_are_of_the_domain_that_they_lie_beside() -> None:
    images = torch.zeros(73, 1, 2, 2, dtype=torch.uint8)
    paired = Split(images, LABELS, extra={"b": images})
    assert torch.equal(fair_rows(paired, 9, domain="b"), fair_rows(paired, 9))
    unpaired = Split(images, LABELS, unpaired={"b": images[:10]})
    assert torch.equal(fair_rows(unpaired, 9, domain="b"), fair(10, 9))
