"""Points of the plane: where they lie, how they are stored, what cannot be asked of them."""

import math

import numpy as np
import pytest
import torch

from genarium import data
from genarium.contract import Spec, from_uint8
from genarium.data.sources import mixtures
from genarium.errors import UserError

SPLITS = ("train", "validation", "test")


def coordinates(dataset, split="train"):
    """Stored points in data units, [N,2], and the centre of each."""
    mixture = dataset.info["mixture"]
    result = dataset.split(split)
    points = from_uint8(result.images).flatten(1).double() * mixture["scale"]
    return points, torch.tensor(mixture["centres"], dtype=torch.float64)[result.labels]


@pytest.mark.parametrize(("name", "modes"), [("ring8", 8), ("grid25", 25)])
def test_shapes_counts_and_modes(name, modes):
    result = data.load(name)
    assert result.spec.shape == (1, 1, 2)
    assert result.spec.planar
    assert result.spec.classes == tuple(f"mode {k}" for k in range(modes))
    assert [len(result.split(s)) for s in SPLITS] == [100_000, 5_000, 10_000]
    counts = result.train.labels.bincount(minlength=modes)
    assert (counts / len(result.train) * modes - 1).abs().max() < 0.1  # 6 standard errors of 1/25


def test_the_centres_are_those_of_the_literature():
    ring = [(math.cos(math.pi * k / 4), math.sin(math.pi * k / 4)) for k in range(8)]
    assert np.allclose(mixtures.RING, ring, atol=1e-12)
    assert sorted(mixtures.GRID) == [(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)]


@pytest.mark.parametrize(("name", "sigma"), [("ring8", 0.01), ("grid25", 0.05)])
def test_points_scatter_round_their_centres_by_sigma_and_the_rounding(name, sigma):
    result = data.load(name)
    assert result.info["mixture"]["sigma"] == sigma
    points, centres = coordinates(result)
    step = 2 * result.info["mixture"]["scale"] / 255
    expected = math.sqrt(sigma**2 + step**2 / 12)
    assert (points - centres).std(0).tolist() == pytest.approx([expected] * 2, rel=0.01)
    assert expected == pytest.approx(sigma, rel=0.03)  # what the documentation says it costs
    assert (points - centres).mean(0).abs().max() < 0.02 * sigma


def test_a_point_is_stored_as_documented():
    points = np.array([[0.0, 2.0], [-2.0, 1.0], [9.0, -9.0]])
    expected = [[128, 255], [0, 191], [255, 0]]  # 127.5 rounds to the even 128
    assert mixtures.stored(points, 2.0).reshape(-1, 2).tolist() == expected


def test_the_same_seed_gives_the_same_points_and_another_seed_others():
    first, again, other = (data.load(f"ring8:n=500,seed={s}") for s in (3, 3, 4))
    for split in SPLITS:
        assert first.split(split).images.equal(again.split(split).images)
        assert not first.split(split).images.equal(other.split(split).images)
    assert first.manifest == again.manifest != other.manifest
    # splits are drawn from streams of their own, of which not even the beginnings agree
    assert not first.validation.labels[:500].equal(first.train.labels)
    assert not first.validation.labels.equal(first.test.labels[:5000])
    # the other splits do not depend on n
    assert first.test.images.equal(data.load("ring8:n=9,seed=3").test.images)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("ring8:n=0", {}, "n=0 is outside"),
        ("grid25:seed=-1", {}, "seed=-1 is negative"),
        ("ring8", {"size": "8"}, "leave --size and --channels out"),
        ("grid25", {"channels": 3}, "leave --size and --channels out"),
    ],
)
def test_wrong_wishes_are_one_line(source, options, says):
    with pytest.raises(UserError, match=says) as caught:
        data.load(source, data.DataOptions(**options))
    assert "\n" not in str(caught.value)


def test_their_own_size_may_be_said():
    said = data.load("ring8:n=9", data.DataOptions(size="1x2", channels=1))
    assert said.manifest == data.load("ring8:n=9").manifest


@pytest.mark.parametrize(
    ("shape", "planar"), [((1, 1, 2), True), ((1, 2, 1), False), ((3, 1, 2), False)]
)
def test_planar_is_one_row_of_two_grey_pixels(shape, planar):
    assert Spec(*shape).planar is planar
