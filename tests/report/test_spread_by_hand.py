"""The spread of a loss near its end."""

from __future__ import annotations

import pytest

from genarium.report.history import stability


def test_the_relative_spread_is_the_variance_over_the_squared_mean() -> None:
    """1 and 5: mean 3, deviation 2, so 4/9."""
    rows = [{"step": 99 + i, "losses": {"a": value}} for i, value in enumerate((1.0, 5.0))]
    (spread,) = stability(rows).spreads
    assert (spread.mean, spread.deviation) == (3.0, 2.0)
    assert spread.relative == pytest.approx(4 / 9)
