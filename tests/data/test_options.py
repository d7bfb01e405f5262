import pytest

from genarium.data import DataOptions
from genarium.errors import UserError


def test_sizes_are_square_or_height_by_width():
    assert DataOptions().height_width is None
    assert DataOptions(size="32").height_width == (32, 32)
    assert DataOptions(size="48x64").height_width == (48, 64)
    assert DataOptions(size=16).height_width == (16, 16)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["", "0", "-3", "3.5", "32x", "axb", "32x32x3", "99999", "²"])
def test_a_wrong_size_is_named(size):
    with pytest.raises(UserError, match="--size"):
        DataOptions(size=size)


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--channels", {"channels": 0}),
        ("--fit", {"fit": "cover"}),
        ("--max-bad", {"max_bad": 1.5}),
        ("--max-bad", {"max_bad": float("nan")}),
    ],
)
def test_wrong_values_name_the_flag(flag, options):
    with pytest.raises(UserError, match=flag):
        DataOptions(**options)


def test_colours():
    assert DataOptions().colour == (255, 255, 255)
    assert DataOptions(background="#ff8800").colour == (255, 136, 0)
    with pytest.raises(UserError, match="--background"):
        _ = DataOptions(background="whitish").colour
