"""Tails and quantiles against SciPy's, over sizes that scores meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from genarium.evaluation import tails

SIZES = (1, 2, 3, 7, 50, 1000, 50_000)


@pytest.mark.parametrize("n", SIZES)
def test_tails_of_a_binomial(n: int) -> None:
    for count in sorted({0, 1, n // 3, n // 2, n - 1, n} - {-1}):
        for share in (0.0, 1e-6, 0.003, 0.3, 0.5, 0.97, 1.0):
            below, above = special.bdtr(count, n, share), special.bdtrc(count, n, share)
            assert tails.at_most(count, n, share) == pytest.approx(below, rel=1e-9, abs=1e-14)
            assert tails.more_than(count, n, share) == pytest.approx(above, rel=1e-9, abs=1e-14)
    assert tails.more_than(-1, n, 0.3) == 1
    assert tails.at_most(-1, n, 0.3) == 0


def test_a_tail_that_is_nearly_nothing_keeps_its_digits() -> None:
    assert tails.more_than(400, 1000, 0.1) == pytest.approx(special.bdtrc(400, 1000, 0.1), rel=1e-9)
    assert tails.at_most(0, 1000, 0.5) == pytest.approx(0.5**1000, rel=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_quantiles_of_a_share(n: int) -> None:
    for count in sorted({1, n // 3 or 1, n // 2 or 1, n}):
        for level in (0.025, 0.5, 0.975):
            expected = special.betaincinv(count, n - count + 1, level)
            assert tails.beta_quantile(count, n - count + 1, level) == pytest.approx(
                expected, rel=1e-9
            )


@pytest.mark.parametrize("freedom", [1, 2, 3, 4.5, 10, 99, 999, 50_000])
def test_quantiles_of_student_s_t(freedom: float) -> None:
    for level in (0.5, 0.6, 0.95, 0.975, 0.999):
        expected = special.stdtrit(freedom, level)
        assert tails.student_quantile(freedom, level) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_student_s_t_in_closed_form() -> None:
    """ν = 1 is Cauchy's, ν = 2 has t = (2p - 1)/√(2p(1 - p))."""
    assert tails.student_quantile(1, 0.975) == pytest.approx(math.tan(math.pi * 0.475))
    assert tails.student_quantile(2, 0.975) == pytest.approx(0.95 / math.sqrt(2 * 0.975 * 0.025))


@pytest.mark.parametrize("count", [1, 2, 5, 30, 1000, 50_000])
def test_quantiles_of_a_mean_of_counts(count: int) -> None:
    for level in (0.025, 0.5, 0.975):
        expected = special.gammaincinv(count, level)
        assert tails.gamma_quantile(count, level) == pytest.approx(expected, rel=1e-9)


def test_the_incomplete_functions_on_a_grid() -> None:
    for a in (0.5, 1.0, 3.7, 80.0):
        for x in np.linspace(0, 1, 21):
            for b in (0.5, 2.0, 41.5):
                assert tails.beta(a, b, x) == pytest.approx(
                    special.betainc(a, b, x), rel=1e-10, abs=1e-15
                )
            far = 3 * a * x
            assert tails.gamma(a, far) == pytest.approx(
                special.gammainc(a, far), rel=1e-10, abs=1e-15
            )
