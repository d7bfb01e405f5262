"""Statistics of studies by hand: what no other test holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genarium.study.manifest import Picture
from genarium.study.results import Participant, PictureRate
from genarium.study.statistics import _Kind, _mover, _width, threshold

NOTHING = np.zeros(1)


def kind(rate: float, low: float, high: float) -> _Kind:
    return _Kind(rate, NOTHING, NOTHING, (1.0, 1.0), 0.0, (low, high))


def test_the_ends_of_a_difference_take_the_far_end_of_what_is_subtracted() -> None:
    """(a - l_a)^2 + (u_b - b)^2 below, (u_a - a)^2 + (b - l_b)^2 above."""
    a, b = kind(0.5, 0.47, 0.7), kind(0.3, 0.2, 0.34)
    below, above = _mover([(1.0, a), (-1.0, b)])
    assert below == pytest.approx(math.hypot(0.03, 0.04))
    assert above == pytest.approx(math.hypot(0.2, 0.1))
    below, above = _mover([(0.5, a), (0.5, b)])
    assert below == pytest.approx(math.hypot(0.03, 0.1) / 2)
    assert above == pytest.approx(math.hypot(0.2, 0.04) / 2)


def test_few_groups_have_students_t() -> None:
    """The 97.5 % points for 1 and 4 degrees of freedom, from a table."""
    assert _width(2) == pytest.approx(math.sqrt(2) * 12.7062 / 1.959964, rel=1e-5)
    assert _width(5) == pytest.approx(math.sqrt(5 / 4) * 2.776445 / 1.959964, rel=1e-5)
    assert _width(1) == 1.0


def test_a_staircase_is_read_from_its_second_half() -> None:
    assert threshold([500.0] * 10 + [100.0, 200.0] * 5) == 150.0
    assert threshold([500.0] * 19) is None


@pytest.mark.parametrize(
    ("checks", "passed", "attentive"),
    [(0, 0, True), (4, 3, True), (4, 2, False), (1, 0, False)],
)
def test_three_of_four_checks_are_enough(checks: int, passed: int, attentive: bool) -> None:
    assert Participant(1, 10, 5, checks, passed, True, 0.0).attentive is attentive


def test_one_answer_of_one_says_less_than_nine_of_ten() -> None:
    picture = Picture("a.png", "fake", 0, 0, False, "")
    once, often = PictureRate(picture, 1, 1), PictureRate(picture, 10, 9)
    assert (once.share, often.share) == (pytest.approx(2 / 3), pytest.approx(10 / 12))
