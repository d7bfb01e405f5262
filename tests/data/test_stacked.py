"""Stacked digits: which digits are in the channels, and from which split."""

from pathlib import Path

import numpy as np
import pytest

from genarium import data
from genarium.data.sources import stacked
from genarium.errors import UserError

SPLITS = ("train", "validation", "test")
SMALL = "stacked-mnist:n=300"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def small(cache):
    return data.load(SMALL, data.DataOptions(cache=cache))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_shapes_and_counts(small):
    assert small.spec.shape == (3, 28, 28)
    assert len(small.spec.classes) == 1000
    assert (small.spec.classes[7], small.spec.classes[-1]) == ("007", "999")
    assert [len(small.split(s)) for s in SPLITS] == [300, 5_000, 26_000]
    assert small.name == "stacked-mnist"


def test_every_channel_is_a_digit_of_the_same_split_and_the_label_says_which(small, digits):
    for name in SPLITS:
        known = {
            image.numpy().tobytes(): label
            for image, label in zip(digits.split(name).images, digits.split(name).labels.tolist())
        }
        part = small.split(name)
        for image, label in zip(part.images[:200], part.labels[:200].tolist()):
            read = [known[channel.contiguous().numpy().tobytes()] for channel in image]
            assert label == 100 * read[0] + 10 * read[1] + read[2]


def test_no_digit_is_in_two_splits(digits):
    kinds = [{image.numpy().tobytes() for image in digits.split(s).images} for s in SPLITS]
    assert len(kinds[0] | kinds[1] | kinds[2]) == sum(map(len, kinds))


def test_all_1000_modes_are_in_the_test_split(small):
    counts = small.test.labels.bincount(minlength=1000)
    assert len(counts) == 1000
    assert counts.min() >= 5
    assert counts.max() <= 80  # 26 on average; some digits are more frequent than others


def test_digits_are_drawn_uniformly_and_independently():
    rows = stacked.draw(10, 30_000, seed=1, split=0)
    assert np.bincount(rows.ravel(), minlength=10) == pytest.approx([9_000] * 10, rel=0.05)
    assert np.abs(np.corrcoef(rows.T) - np.eye(3)).max() < 0.03
    assert stacked.labels(np.arange(10), np.array([[1, 2, 3], [9, 0, 4]])).tolist() == [123, 904]


def test_the_same_seed_gives_the_same_images_and_another_seed_others(small, tmp_path):
    again = data.load(SMALL, data.DataOptions(cache=str(tmp_path)))
    other = data.load(f"{SMALL},seed=1", data.DataOptions(cache=str(tmp_path)))
    for split in SPLITS:
        assert again.split(split).images.equal(small.split(split).images)
        assert again.split(split).labels.equal(small.split(split).labels)
        assert not other.split(split).labels.equal(small.split(split).labels)
    assert again.manifest == small.manifest != other.manifest


def test_another_size_is_that_of_the_resized_digits(cache, digits):
    options = data.DataOptions(cache=cache, size="12")
    result = data.load(SMALL, options)
    assert result.spec.shape == (3, 12, 12)
    known = {i.numpy().tobytes() for i in data.load("digits", options).train.images}
    channels = result.train.images[:50].flatten(0, 1)
    assert all(channel.contiguous().numpy().tobytes() in known for channel in channels)


def test_the_cache_holds_every_image_once(small, cache):
    (folder,) = (Path(cache) / "images").glob("stacked-mnist-28x28x3-*")
    assert (folder / "test.bin").stat().st_size == 26_000 * 3 * 28 * 28


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("stacked-mnist:n=0", {}, "n=0 is outside"),
        ("stacked-mnist:seed=-1", {}, "seed=-1 is negative"),
        ("stacked-mnist:of=letters", {}, "of=letters: choose digits or mnist"),
        ("stacked-mnist", {"channels": 1}, "a digit a channel needs --channels 3"),
        (SMALL, {"from_dir": "x"}, "--from: digits is not read from official files"),
        (f"{SMALL},of=mnist", {"from_dir": "no/such"}, "no/such"),
    ],
)
def test_wrong_wishes_are_one_line(source, options, says):
    with pytest.raises(UserError, match=says) as caught:
        data.load(source, data.DataOptions(**options))
    assert "\n" not in str(caught.value)
