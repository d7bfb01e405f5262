import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genarium.data import idx


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_round_trip(shape, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(idx.parse(idx.dump(array), len(shape)), array)


def test_against_bytes_written_by_hand():
    data = bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9])
    assert idx.parse(data, 2).tolist() == [[7, 8, 9]]


GOOD = idx.dump(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:11],
        GOOD[:-1],
        GOOD + b"\0",
        b"\1" + GOOD[1:],
        GOOD[:2] + b"\x0d" + GOOD[3:],
        GOOD[:3] + b"\3" + GOOD[4:],
    ],
    ids=["empty", "header", "short", "long", "magic", "type", "dimensions"],
)
def test_anything_else_is_refused(data):
    with pytest.raises(ValueError):
        idx.parse(data, 2)
