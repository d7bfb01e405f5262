import math

import numpy as np
import pytest

from genarium import data
from genarium.data.sources import shapes
from genarium.errors import UserError

SMALL = "shapes:n=240,seed=3"


@pytest.fixture(scope="module")
def small() -> data.Dataset:
    return data.load(SMALL)


def test_counts_labels_factors_and_captions_agree(small):
    assert small.spec.shape == (3, 32, 32)
    assert small.spec.classes == ("circle", "ring", "square", "triangle", "star", "cross")
    assert [len(small.split(s)) for s in ("train", "validation", "test")] == [240, 20, 40]
    assert small.info["factors"]["names"] == list(shapes.FACTORS)
    for name, captions in small.captions.items():
        split = small.split(name)
        factors = split.extra["factors"]
        assert factors.shape == (len(split), 7)
        assert factors[:, 0].long().tolist() == split.labels.tolist()
        for label, text in zip(split.labels.tolist(), captions, strict=True):
            assert f" {small.spec.classes[label]} " in text


def test_the_same_seed_gives_the_same_images_and_another_seed_others(small):
    again, other = data.load(SMALL), data.load("shapes:n=240,seed=4")
    assert again.manifest == small.manifest
    assert again.train.images.equal(small.train.images)
    assert other.manifest != small.manifest
    assert not other.train.images.equal(small.train.images)


def test_the_picture_shows_what_the_factors_say():
    factors = np.array(
        # shape, colour, size, x, y, rotation, background
        [[0, 0, 0.30, -1, -1, 0, 0], [0, 5, 0.20, 1, 1, 0, 2]],
        np.float32,
    )
    images = shapes.render(factors, 64, 64).astype(int)
    rows = np.arange(64) + 0.5
    for image, row in zip(images, factors, strict=True):
        front = np.array(list(shapes.COLOURS.values())[int(row[1])])
        back = np.array(list(shapes.BACKGROUNDS.values())[int(row[6])])
        # coverage from the channel with the largest contrast
        channel = np.abs(front - back).argmax()
        cover = (image[channel] - back[channel]) / (front - back)[channel]
        area = math.pi * (row[2] * 64) ** 2
        assert cover.sum() == pytest.approx(area, rel=0.01)
        room = 32 - shapes.LARGEST * 64
        assert (cover.sum(0) @ rows) / cover.sum() == pytest.approx(32 + row[3] * room, abs=0.1)
        assert (cover.sum(1) @ rows) / cover.sum() == pytest.approx(32 + row[4] * room, abs=0.1)


def test_rotation_is_clockwise_and_keeps_the_area():
    def drawn(kind: int, rotation: float) -> np.ndarray:
        row = [kind, 0, 0.3, 0, 0, rotation, 0]
        return shapes.render(np.array([row], np.float32), 64, 64)[0, 0].astype(float)

    triangle = list(shapes.SHAPES).index("triangle")
    assert np.abs(drawn(triangle, math.pi / 2) - np.rot90(drawn(triangle, 0), -1)).max() <= 2
    square = list(shapes.SHAPES).index("square")
    area = 2 * (0.3 * 64) ** 2 * shapes.COLOURS["red"][0]
    for rotation in (0.0, 0.4, 1.0):
        assert drawn(square, rotation).sum() == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("name", list(shapes.SHAPES))
def test_every_shape_fits_its_circumcircle_and_repeats_after_its_period(name):
    distance, period = shapes.SHAPES[name]
    # from 1 pixel outside the circle of radius 10 on, nothing is inside
    angle = np.linspace(0, 2 * np.pi, 721, dtype=np.float32)
    r = np.float32(10)
    assert (distance(11 * np.cos(angle), 11 * np.sin(angle), r) > 0.2).all()
    # and the circle itself is reached
    reach = distance(10 * np.cos(angle), 10 * np.sin(angle), r).min()
    assert reach == pytest.approx(0, abs=0.05)
    around = distance(7 * np.cos(angle), 7 * np.sin(angle), r)
    turned = distance(7 * np.cos(angle + period), 7 * np.sin(angle + period), r)
    assert np.allclose(around, turned, atol=1e-3)


def test_factors_are_independent_and_stay_in_range():
    factors = shapes.draw_factors(20_000, seed=1, split=0)
    sizes = [len(shapes.SHAPES), len(shapes.COLOURS), len(shapes.BACKGROUNDS)]
    for column, size in zip((0, 1, 6), sizes, strict=True):
        counts = np.bincount(factors[:, column].astype(int), minlength=size)
        assert len(counts) == size
        assert counts.min() > 0.9 * 20_000 / size
    # rotation depends on the shape (its period does); every other pair is uncorrelated
    others = np.delete(factors, 5, axis=1)
    assert np.abs(np.corrcoef(others.T) - np.eye(6)).max() < 0.03


def test_any_size_and_grey():
    wide = data.load("shapes:n=12", data.DataOptions(size="16x40", channels=1))
    assert wide.spec.shape == (1, 16, 40)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("shapes:m=3", "did you mean|takes"),
        ("shapes:sed=3", "did you mean seed="),
        ("shapes:n=many", "not of type int"),
        ("shapes:n=3", "outside"),
        ("shapes:seed=-1", "negative"),
        ("shapes:n", "n"),
    ],
)
def test_wrong_arguments(source, says):
    with pytest.raises(UserError, match=says):
        data.load(source)
