import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genarium.data.splits import digest, divide, holdout

FRACTIONS = {"validation": 0.1, "test": 0.1}


@given(st.lists(st.integers(0, 30), min_size=3, max_size=60))
@settings(deadline=None, max_examples=80)
def test_duplicates_stay_together_and_no_split_is_empty(values):
    digests = [str(v) for v in values]
    names = divide(digests, FRACTIONS)
    home: dict[str, str] = {}
    for d, name in zip(digests, names, strict=True):
        assert home.setdefault(d, name) == name
    if len(set(digests)) >= 3:
        assert set(names) == {"train", "validation", "test"}


@given(st.permutations([str(i) for i in range(40)]))
@settings(deadline=None, max_examples=20)
def test_order_does_not_matter(digests):
    names = dict(zip(digests, divide(digests, FRACTIONS), strict=True))
    digests = sorted(digests)
    assert names == dict(zip(digests, divide(digests, FRACTIONS), strict=True))


def test_counts_of_a_small_folder_are_met():
    names = divide([str(i) for i in range(50)], FRACTIONS)
    assert [names.count(n) for n in ("train", "validation", "test")] == [40, 5, 5]


@pytest.mark.parametrize(("n", "train"), [(0, 0), (1, 1), (2, 1)])
def test_training_comes_first(n, train):
    assert divide([str(i) for i in range(n)], FRACTIONS).count("train") == train


def test_adding_images_to_a_large_folder_moves_none():
    digests = [str(i) for i in range(3000)]
    before, after = divide(digests[:2000], FRACTIONS), divide(digests, FRACTIONS)
    assert before == after[:2000]
    assert 0.07 < before.count("test") / 2000 < 0.13
    assert 0.07 < before.count("validation") / 2000 < 0.13


def test_holdout_is_exact_fixed_and_keeps_duplicates_together():
    digests = [str(i // 2) for i in range(200)]  # everything twice
    chosen = holdout(digests, 20)
    assert chosen.sum() == 20
    assert holdout(digests, 21).sum() == 20  # a pair that does not fit stays outside
    assert np.array_equal(chosen[::2], chosen[1::2])
    assert np.array_equal(chosen, holdout(digests, 20))


def test_the_digest_tells_shapes_apart():
    assert digest(np.zeros((1, 2, 4), np.uint8)) != digest(np.zeros((1, 4, 2), np.uint8))
