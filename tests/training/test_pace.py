"""How long a run takes: what is timed, what is counted, what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genarium.contract import Phase
from genarium.training.grids import Grids, early
from genarium.training.options import TrainOptions
from genarium.training.pace import WARM_UP, Pace
from genarium.training.schedule import Budget

A, B = Phase("a"), Phase("b")


def pace_of(*phases: Phase, counts: dict[str, float] | None = None, **options: object) -> Pace:
    budget = Budget(TrainOptions(**options), images=10, size=100)  # type: ignore[arg-type]
    return Pace(phases or (A,), budget, lambda first, last, seconds: counts or {})


def test_the_first_steps_are_not_timed() -> None:
    pace = pace_of(steps=100)
    for step in range(20):
        pace.stepped(step, 50.0 if step < WARM_UP else 0.5)
    result = pace.estimate(20, 109.0)
    assert result.step_seconds == pytest.approx(0.5)
    assert result.seconds == pytest.approx(109 + 80 * 0.5)  # what was used is counted as it was
    assert (result.steps, result.ten_minutes) == (100, 1200)


def test_a_step_costs_what_its_players_cost() -> None:
    lazy = replace(B, every=4)
    pace = pace_of(A, lazy, steps=404)
    for step in range(12):
        pace.stepped(step, 5.0 if lazy.plays(step) else 1.0)
    result = pace.estimate(12, 24.0)
    rest = sum(5.0 if lazy.plays(step) else 1.0 for step in range(12, 404))
    assert result.seconds == pytest.approx(24 + rest)


def test_of_a_long_run_some_steps_are_looked_at() -> None:
    lazy = replace(B, every=16)
    pace = pace_of(A, lazy, steps=1_000_000)
    for step in range(64):
        pace.stepped(step, 3.0 if lazy.plays(step) else 1.0)
    assert pace.estimate(64, 70.0).step_seconds == pytest.approx(1 + 2 / 16, rel=0.03)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"epochs": 3}, 30),
        ({"minutes": 1}, 120),
        ({"minutes": 1, "steps": 50}, 50),
        ({"minutes": 1, "steps": 500}, 120),
    ],
)
def test_each_budget_has_its_end(options: dict[str, object], steps: int) -> None:
    pace = pace_of(**options)
    for step in range(10):
        pace.stepped(step, 0.5)
    result = pace.estimate(10, 5.0)
    assert result.steps == steps
    assert result.training == pytest.approx(0.5 * steps)


def test_pauses_are_counted_at_their_last_cost() -> None:
    pace = pace_of(steps=100, counts={"samples": 6, "checkpoint": 2, "score": 2})
    for step in range(10):
        pace.stepped(step, 1.0)
    pace.pause("samples", 9.0)  # the first loads what drawing needs
    pace.pause("samples", 2.0)
    pace.pause("checkpoint", 0.5)
    result = pace.estimate(10, 10.0)
    assert result.pauses == {"samples": 12.0, "checkpoint": 1.0}
    assert result.seconds == pytest.approx(100 + 13)


def test_a_run_that_goes_on_counts_its_rest() -> None:
    pace = pace_of(steps=100)
    pace.begin(60, 600.0)
    for step in range(60, 70):
        pace.stepped(step, 1.0)
    assert pace.estimate(70, 610.0).seconds == pytest.approx(40)


def test_when_enough_is_known() -> None:
    pace = pace_of(steps=100)
    for step in range(WARM_UP + 4):
        pace.stepped(step, 1.0)
    assert not pace.ready
    pace.stepped(WARM_UP + 4, 1.0)
    assert pace.ready
    slow = pace_of(steps=100)
    for step in range(WARM_UP + 2):
        assert not slow.ready
        slow.stepped(step, 6.0)
    assert slow.ready


# ------------------------------------------------------------------ sample grids


def drawn(cost: float, step_seconds: float, steps: int, **options: object) -> list[int]:
    """The grids of a run whose steps and grids take so long."""
    grids, results = Grids(TrainOptions(**options)), []  # type: ignore[arg-type]
    for step in range(1, steps + 1):
        grids.trained(step_seconds)
        if grids.due(step) or step == steps:
            results.append(step)
            grids.took(step, cost)
    return results


def test_grids_come_early_and_at_growing_distances() -> None:
    steps = [10, 20, 50, 100, 200, 500, 1000, 1500, 2000]
    assert drawn(0.1, 1.0, 2000) == steps
    assert [step for step in range(10_001) if early(step)] == [*steps[:7], 2000, 5000, 10_000]


def test_early_grids_cost_no_more_than_the_training_between() -> None:
    assert drawn(40.0, 1.0, 1000) == [10, 50, 100, 200, 500, 1000]
    assert drawn(1000.0, 1.0, 1000) == [10, 500, 1000]


def test_grids_as_they_are_asked_for() -> None:
    assert drawn(9.0, 1.0, 100, sample_every=30) == [30, 60, 90, 100]


@pytest.mark.parametrize("cost", [0.1, 40.0, 1000.0])
@pytest.mark.parametrize("options", [{}, {"sample_every": 70}, {"checkpoint_every": 150}])
@pytest.mark.parametrize("steps", [9, 10, 480, 1000])
def test_as_many_are_foretold_as_are_drawn(
    cost: float, options: dict[str, object], steps: int
) -> None:
    grids = Grids(TrainOptions(**options))  # type: ignore[arg-type]
    grids.cost = cost
    assert grids.count(0, steps, 1.0) == len(drawn(cost, 1.0, steps, **options))
