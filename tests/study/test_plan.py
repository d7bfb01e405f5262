"""What participants are shown, and the staircase."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from genarium.study.manifest import Manifest, Picture, StudyModel
from genarium.study.plan import LEAST_MS, MOST_MS, START_MS, plan, staircase


def manifest(models: int = 2, n: int = 10, shown: int = 4, checks: int = 3) -> Manifest:
    pictures = [
        Picture(
            f"{kind}-{i}", "real" if kind < 0 else "fake", None if kind < 0 else kind, i, False, ""
        )
        for kind in range(-1, models)
        for i in range(n * models if kind < 0 else n)
    ]
    pictures += [Picture(f"p{i}", "real" if i % 2 else "fake", None, i, True, "") for i in range(4)]
    return Manifest(
        id="x",
        title="",
        mode="untimed",
        seed=0,
        size=(4, 4),
        scaling="pixelated",
        shown=shown,
        checks=checks,
        data={},
        models=tuple(StudyModel(f"m{i}", "vae", 1) for i in range(models)),
        pictures=tuple(pictures),
    )


def test_as_many_real_as_fake_of_each_model() -> None:
    study = manifest()
    trials = plan(study, {}, random.Random(0))
    test = [t for t in trials if t.kind == "test"]
    assert len(test) == study.trials == 16
    assert Counter((t.block, t.wanted) for t in test) == {
        (b, w): 4 for b in (0, 1) for w in ("real", "fake")
    }
    assert len({t.picture for t in trials if t.picture}) == 20, "no picture twice"
    assert [t.kind for t in trials[:4]] == ["practice"] * 4
    known = study.by_name
    assert all(known[t.picture].truth == t.wanted for t in test if t.picture)


def test_the_order_is_random() -> None:
    firsts = Counter(
        next(t for t in plan(manifest(checks=0), {}, random.Random(s)) if t.kind == "test").wanted
        for s in range(400)
    )
    assert 160 < firsts["real"] < 240


@pytest.mark.parametrize("checks", [0, 1, 4, 7])
@pytest.mark.parametrize("shown", [1, 4])
def test_checks_are_spread_and_never_first(checks: int, shown: int) -> None:
    for seed in range(20):
        trials = plan(manifest(shown=shown, checks=checks), {}, random.Random(seed))[4:]
        asked = [t.wanted for t in trials if t.kind == "check"]
        assert len(asked) == checks
        assert abs(asked.count("real") - asked.count("fake")) <= 1
        assert trials[0].kind == "test"
        if checks == 4 and shown == 4:
            places = [i for i, t in enumerate(trials) if t.kind == "check"]
            assert places[0] <= 5
            assert places[-1] >= 15


def test_all_pictures_are_judged_about_equally_often() -> None:
    study, used, draw = manifest(), Counter(), random.Random(0)
    for _ in range(25):
        used.update(t.picture for t in plan(study, used, draw) if t.kind == "test")
    assert set(used.values()) == {10}  # 25 x 4 shown of 10


def test_the_staircase_takes_one_step_down_and_three_up() -> None:
    assert staircase([]) == START_MS == 500
    assert staircase([True]) == 490
    assert staircase([False]) == 530
    assert staircase([True, True, True, False]) == 500
    assert staircase([True] * 100) == LEAST_MS
    assert staircase([False] * 100) == MOST_MS
    assert staircase([False] * 100 + [True]) == MOST_MS - 10


def test_the_staircase_settles_at_75_percent() -> None:
    draw, right = random.Random(0), []

    def chance(exposure: float) -> float:  # three of four at 400 ms
        return 0.5 + 0.25 * exposure / 400

    for _ in range(1500):
        right.append(draw.random() < chance(staircase(right)))
    assert abs(sum(right[500:]) / 1000 - 0.75) < 0.02
