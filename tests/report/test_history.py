"""What the log of a run tells."""

from __future__ import annotations

import math

import pytest

from genarium.report.history import curves, stability, training_cost
from tests.report.fakes import history


def row(step: int, **losses: float | None) -> dict[str, object]:
    return {"step": step, "seconds": step / 2, "images": step * 8, "losses": losses}


def test_curves_hold_a_series_a_name_with_gaps() -> None:
    rows = [row(1, a=1.0), row(2, a=2.0, b=5.0), {"step": 2, "event": "rollback", "failed": 3}]
    first, second = curves(rows)
    assert (first.label, list(first.x), list(first.y)) == ("a", [1, 2], [1.0, 2.0])
    assert (second.label, list(second.y)) == ("b", [None, 5.0])
    assert [s.label for s in curves(history(), "metrics")] == ["all/kl"]


def test_a_loss_that_was_renamed_has_one_curve() -> None:
    rows = [row(1, **{"generator/game": 1.0}), row(2, **{"generator/adversarial": 2.0})]
    (series,) = curves(rows)
    assert (series.label, list(series.y)) == ("generator/adversarial", [1.0, 2.0])


def test_spread_is_that_of_the_last_quarter() -> None:
    rows = [row(step, a=1000.0) for step in range(1, 76)]
    rows += [row(step, a=1.0 if step % 2 else 3.0) for step in range(77, 101)]
    (spread,) = stability(rows).spreads
    assert (spread.loss, spread.rows) == ("a", 24)
    assert (spread.mean, spread.deviation, spread.relative) == (2.0, 1.0, 0.25)


def test_a_single_value_has_no_spread() -> None:
    (spread,) = stability([row(10, a=1.0), row(100, a=5.0)]).spreads
    assert (spread.mean, spread.deviation, spread.relative, spread.rows) == (5.0, None, None, 1)


def test_a_mean_of_zero_has_no_relative_variance() -> None:
    (spread,) = stability([row(99, a=-1.0), row(100, a=1.0)]).spreads
    assert spread.relative is None


def test_rollbacks_and_values_that_are_not_finite_are_counted() -> None:
    rows = [
        row(10, a=1.0),
        {"step": 10, "event": "rollback", "failed": 17, "what": "loss"},
        row(20, a=math.nan),
        {"step": 20, "event": "rollback", "failed": 21, "what": "loss"},
        row(30, a=None),
    ]
    result = stability(rows)
    assert (result.rollbacks, result.lost, result.failed, result.nonfinite) == (2, 8, (17, 21), 2)
    assert result.spreads == ()


def test_cost_is_that_of_the_last_row() -> None:
    cost = training_cost([*history(), {"step": 100, "event": "rollback", "failed": 101}])
    assert (cost.steps, cost.seconds, cost.images) == (100, 10.0, 3200)
    assert cost.rate == pytest.approx(320)


def test_an_empty_history_is_no_error() -> None:
    assert curves([]) == []
    assert stability([]).spreads == ()
    assert training_cost([]).rate is None
