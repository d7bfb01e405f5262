"""Error rates and their intervals against closed forms, naive sums and known distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genarium.study.statistics import (
    REAL,
    Judgements,
    _moved,
    _resampled,
    _width,
    mean_interval,
    rates,
    threshold,
    wilson,
)


def judgements(rows: list[tuple[int, int, int, bool]]) -> Judgements:
    participant, picture, model, wrong = (np.array(column) for column in zip(*rows))
    return Judgements(participant, picture, model, wrong.astype(bool))


def random_rows(seed: int, people: int = 6, pictures: int = 12) -> list[tuple[int, int, int, bool]]:
    draw = np.random.default_rng(seed)
    return [
        (p, 100 * (m + 1) + j, m, bool(draw.random() < (0.2, 0.5, 0.35)[m + 1]))
        for p in range(people)
        for m in (REAL, 0, 1)
        for j in range(pictures)
        if draw.random() < 0.8
    ]


def test_rates_are_the_plain_fractions() -> None:
    rows = random_rows(0)
    measured = rates(judgements(rows), 2, draws=50)
    naive = {m: [w for *_, k, w in rows if k == m] for m in (REAL, 0, 1)}
    naive = {m: sum(w) / len(w) for m, w in naive.items()}
    assert measured.real.value == pytest.approx(naive[REAL])
    for m in (0, 1):
        assert measured.fake[m].value == pytest.approx(naive[m])
        assert measured.hype[m].value == pytest.approx((naive[m] + naive[REAL]) / 2)
    assert measured.difference[0, 1].value == pytest.approx(naive[0] - naive[1])
    for each in (
        measured.real,
        *measured.fake.values(),
        *measured.hype.values(),
        *measured.difference.values(),
    ):
        assert each.low < each.value < each.high


def test_numbering_and_order_do_not_matter() -> None:
    rows = random_rows(1)
    other = [(p * 7 + 3, j, m, w) for p, j, m, w in rows]
    again = other[::-1]
    assert rates(judgements(rows), 2, 200) == rates(judgements(other), 2, 200)
    assert rates(judgements(rows), 2, 200) == rates(judgements(again), 2, 200)


def test_wilson_solves_its_equation() -> None:
    for wrong, n in ((0, 10), (3, 10), (50, 100)):
        for end in wilson(wrong, n):
            if 0 < end < 1:  # the ends are where |p̂ - p| is z standard errors of p
                z = abs(wrong / n - end) / math.sqrt(end * (1 - end) / n)
                assert z == pytest.approx(1.959964, rel=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)


def test_no_error_at_all_still_has_an_interval() -> None:
    rows = [(p, j, 0, False) for p in range(4) for j in range(10)]
    measured = rates(judgements(rows), 1, 100)
    assert measured.fake[0].value == measured.fake[0].low == 0
    assert measured.fake[0].high == pytest.approx(wilson(0, 40)[1])


def test_kinds_without_answers_are_nan_over_everything() -> None:
    measured = rates(judgements([(0, 0, 0, True)] * 5), 2, 50)
    assert math.isnan(measured.fake[1].value)
    assert (measured.fake[1].low, measured.fake[1].high) == (0.0, 1.0)
    assert math.isnan(measured.hype[0].value)
    assert math.isnan(measured.difference[0, 1].value)


def test_people_who_differ_widen_the_interval() -> None:
    alike = [(p, j, 0, (p + j) % 2 == 0) for p in range(10) for j in range(20)]
    different = [(p, j, 0, p < 5) for p in range(10) for j in range(20)]
    pictures = [(p, j, 0, j < 10) for p in range(10) for j in range(20)]
    narrow, wide, hard = (
        rates(judgements(rows), 1, 500).fake[0] for rows in (alike, different, pictures)
    )
    assert narrow.value == wide.value == hard.value == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert hard.high - hard.low > 2 * (narrow.high - narrow.low)


def test_answers_that_share_nothing_have_the_plain_interval() -> None:
    """What participants and pictures both hold of single answers is counted once, not twice."""
    draw, widths = np.random.default_rng(0), []
    for _ in range(20):
        wrong = draw.random((30, 40)) < 0.3
        rows = [(p, j, 0, bool(wrong[p, j])) for p in range(30) for j in range(40)]
        measured = rates(judgements(rows), 1, 400).fake[0]
        low, high = wilson(int(wrong.sum()), wrong.size)
        widths.append((measured.high - measured.low) / (high - low))
    assert 1.0 <= np.mean(widths) < 1.2


def test_drawing_groups_again_has_the_clustered_variance() -> None:
    """sum over groups of (errors - rate * answers)^2 / answers^2, the closed form."""
    draw = np.random.default_rng(0)
    group = np.sort(draw.integers(40, size=600))
    wrong = draw.random(600) < draw.random(40)[group]
    rate = float(wrong.mean())
    moved = _moved(_resampled(40, 20_000, draw), group, wrong, rate)
    answers, errors = np.bincount(group), np.bincount(group, weights=wrong)
    assert moved.var() == pytest.approx(((errors - rate * answers) ** 2).sum() / 600**2, rel=0.05)


def test_small_numbers_widen_as_students_t_does() -> None:
    assert _width(1) == 1.0
    assert _width(5) == pytest.approx(math.sqrt(5 / 4) * 2.776445 / 1.959964, rel=1e-5)
    assert _width(10_000) == pytest.approx(1.0, abs=1e-3)


def test_the_interval_covers_the_true_rate() -> None:
    """People and pictures drawn anew each time, with random effects of known mean error 0.3."""
    draw, covered, repeats = np.random.default_rng(0), 0, 120
    for _ in range(repeats):
        people, pictures = draw.uniform(-0.15, 0.15, 12), draw.uniform(-0.15, 0.15, 25)
        rows = [
            (p, j, 0, bool(draw.random() < 0.3 + people[p] + pictures[j]))
            for p in range(12)
            for j in range(25)
        ]
        measured = rates(judgements(rows), 1, 200).fake[0]
        covered += measured.low <= 0.3 <= measured.high
    assert 0.89 <= covered / repeats <= 0.99


def test_threshold_is_the_mean_of_the_second_half() -> None:
    assert threshold([500.0] * 19) is None
    assert threshold([500.0] * 10 + [300.0] * 10) == 300.0


def test_mean_interval_is_near_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(400, 50, 200)
    result = mean_interval(values.tolist(), 4000)
    half = 1.96 * values.std() / math.sqrt(200)
    assert result.value == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=1.5)
    assert result.high == pytest.approx(values.mean() + half, abs=1.5)
    assert math.isnan(mean_interval([400.0]).low)
    assert math.isnan(mean_interval([]).value)
