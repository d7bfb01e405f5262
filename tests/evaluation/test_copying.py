"""Copying: alignment against a naive search, the tests against planted copiers and chance."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genarium import data
from genarium.evaluation.diagnostics import copying as module
from genarium.evaluation.diagnostics.copying import SIDE_ALPHA, closeness, copying
from genarium.evaluation.diagnostics.findings import Originals, distinct, examine
from genarium.evaluation.diagnostics.lookalikes import Lookalikes, Pool, align
from genarium.evaluation.diagnostics.thumbnails import Thumbs, thumbnails
from genarium.evaluation.scores.score import Undefined

TRAIN, HELD = 600, 300  # few, so that the tests are quick


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor]:
    """(trained on, held out, honest samples): one population, divided at random."""
    result = data.load("digits")
    images = result.train.images[torch.randperm(11_000, generator=torch.Generator().manual_seed(1))]
    return images[:TRAIN], images[TRAIN : TRAIN + HELD], images[TRAIN + HELD : 1200]


@pytest.fixture(scope="module")
def originals(digits: tuple[Tensor, Tensor, Tensor]) -> Originals:
    return Originals(digits[0], digits[1])


def naive(a: Tensor, b: Tensor) -> float:
    """The distance by its definition, in float64."""
    best = math.inf
    _, height, width = a.shape
    q = a[:, 2:-2, 2:-2].double().flatten()
    q = (q - q.mean()) / (q - q.mean()).norm()
    for i in range(5):
        for j in range(5):
            c = b[:, i : height - 4 + i, j : width - 4 + j].double().flatten()
            c = (c - c.mean()) / (c - c.mean()).norm()
            best = min(best, (q - c).norm().item())
    return best


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 20)])
def test_alignment_is_that_of_the_definition(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(256, (2, 4, *shape), generator=generator, dtype=torch.uint8)
    result = align(a, b[None].expand(4, -1, -1, -1, -1))
    wanted = torch.tensor([[naive(x, y) for y in b] for x in a])
    assert torch.allclose(result, wanted, atol=2e-4)


def test_flat_images() -> None:
    flat, other = torch.full((1, 1, 16, 16), 7, dtype=torch.uint8), torch.zeros(1, 1, 16, 16)
    other[..., 4:9, 4:9] = 200
    both = torch.cat([flat, other.to(torch.uint8)])[None]
    assert align(flat, both)[0].tolist() == pytest.approx([0, 2**0.5])


def changed(images: Tensor, how: str) -> Tensor:
    x = images.float()
    if how == "shifted":
        return F.pad(images, (2, 0, 1, 0))[..., :-1, :-2]
    if how == "noised":
        x = x + 20 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    if how == "lighter":
        x = 0.6 * x + 30
    if how == "blurred":
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return x.round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("how", ["exact", "shifted", "noised", "lighter", "blurred"])
def test_a_changed_copy_is_nearest_to_its_original(how: str, originals: Originals) -> None:
    images = originals.pool.thumbs[torch.arange(60)]
    result = originals.pool.nearest(changed(images, how)).index[:, 0]
    assert (result == torch.arange(60)).float().mean() >= 0.95


def test_own_is_left_out(originals: Originals) -> None:
    rows = torch.arange(40)
    result = originals.pool.nearest(originals.pool.thumbs[rows], own=rows)
    assert not (result.index == rows[:, None]).any()
    assert (result.distance.diff(dim=1) >= 0).all()
    assert all(len(set(row)) == 5 for row in result.index.tolist())


@pytest.mark.parametrize("how", ["exact", "shifted", "noised", "blurred"])
def test_planted_copies_are_found(
    how: str, digits: tuple[Tensor, Tensor, Tensor], originals: Originals
) -> None:
    train, _, control = digits
    samples = torch.cat([changed(train[:100], how), control[:200]])
    result, _ = originals.copying(samples)
    assert result.detected
    assert result.text.startswith("copies about")
    low, high = result.interval
    assert low <= result.share <= high
    if how != "blurred":  # of which not all are nearer than real images can be
        assert low <= 1 / 3 <= high
        assert set(result.worst(8).tolist()) <= set(range(100))


def test_control_samples_are_no_false_positive(
    digits: tuple[Tensor, Tensor, Tensor], originals: Originals
) -> None:
    for samples in (digits[2], changed(digits[2], "blurred")):
        result, _ = originals.copying(samples)
        assert not result.detected
        assert result.text == "no sign of copying"


def test_blur_is_no_copying(digits: tuple[Tensor, Tensor, Tensor], originals: Originals) -> None:
    """Blurred images lie nearer to everything, which the plain comparison takes for copying."""
    heavy = F.avg_pool2d(F.pad(digits[2].float(), (2,) * 4), 5, 1).round().to(torch.uint8)
    assert not originals.copying(heavy)[0].detected


def lists(ratio: Tensor, index: Tensor) -> Lookalikes:
    """Look-alikes with the given d₁/d₅ and nearest."""
    far = torch.ones(len(ratio), 4)
    return Lookalikes(torch.cat([ratio[:, None], far], 1), index[:, None].expand(-1, 5))


def test_side_is_the_exact_chance_of_labels() -> None:
    """Every choice of the training images of a small pool, counted."""
    nearest, total, trained = torch.tensor([0, 1, 2, 0]), 7, 5
    labels = torch.zeros(total, dtype=torch.bool)
    labels[:trained] = True
    every = []
    for chosen in combinations(range(total), trained):
        one = torch.zeros(total, dtype=torch.bool)
        one[list(chosen)] = True
        every.append(module._scan(one[nearest][None], trained / total).item())
    seen = module._scan(labels[nearest][None], trained / total).item()
    wanted = sum(value >= seen - 1e-12 for value in every) / len(every)
    assert module._side(nearest, labels, seed=0) == pytest.approx(wanted, abs=0.04)


def test_side_has_no_more_false_positives_than_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    detected = 0
    for trial in range(100):
        trained = torch.rand(400, generator=generator) < 0.8
        nearest = torch.randint(60, (150,), generator=generator)  # few images, hit often
        detected += module._side(nearest, trained, trial) <= SIDE_ALPHA
    assert detected <= 7  # of 100 at 2 %; more has a chance of less than 1 in 1,000


def test_closeness_is_the_chance_to_come_first() -> None:
    """j of n samples before the first of m real ones, against a count of all orders."""
    n, m = 3, 4
    trained = torch.ones(10, dtype=torch.bool)
    ratio, real = (
        torch.tensor([0.1, 0.2, 0.9]).double(),
        torch.tensor([0.5, 0.6, 0.7, 0.8]).double(),
    )
    places = list(combinations(range(n + m), n))
    wanted = sum(one[:2] == (0, 1) for one in places) / len(places)
    assert module._close(ratio, torch.arange(n), trained, real) == pytest.approx(wanted)


def test_repeats_of_one_image_count_once() -> None:
    trained = torch.ones(50, dtype=torch.bool)
    trained[40:] = False
    real = lists(torch.linspace(0.5, 0.9, 100), torch.arange(100) % 50)
    one = lists(torch.full((100,), 0.1), torch.zeros(100, dtype=torch.int64))
    assert copying(one, real, trained).p_close > 0.005


def test_ratio_of_equal_distances() -> None:
    assert closeness(torch.zeros(1, 5)).tolist() == [1.0]


def test_equal_images_count_once_and_torn_ones_not_at_all() -> None:
    images = torch.arange(4, dtype=torch.uint8)[[0, 0, 1, 2, 2, 3]].view(6, 1, 1, 1)
    assert distinct(Thumbs(images[:4], images[4:]), 4).tolist() == [0, 2, 5]


def test_too_few_images_say_so(digits: tuple[Tensor, Tensor, Tensor]) -> None:
    with pytest.raises(Undefined, match="10 different training and 5 held-out"):
        Originals(digits[0][:10], digits[1][:5])
    with pytest.raises(Undefined, match="too small"):
        Originals(digits[0][..., :4, :4], digits[1][..., :4, :4])


def test_findings_are_plain_and_carry_pictures(
    digits: tuple[Tensor, Tensor, Tensor], originals: Originals
) -> None:
    copied, repeated = examine(digits[0][:50], originals)
    assert copied.detected
    assert copied.numbers["equal"] == 50
    assert copied.to_dict()["numbers"]["training images"] == TRAIN
    assert copied.images is not None
    assert copied.nearest is not None
    assert torch.equal(copied.images, copied.nearest)
    for sample, image in copied.numbers["nearest"]:
        assert torch.equal(digits[0][sample], digits[0][image])
    assert not repeated.detected


def test_thumbnails_fit_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    large = torch.randint(256, (12, 3, 96, 64), generator=generator, dtype=torch.uint8)
    pool = Pool(Thumbs(thumbnails(large)))
    assert pool.shape == (3, 32, 21)
    grey = thumbnails(large[:, :1], pool.shape)
    assert grey.shape == (12, 3, 32, 21)
    assert pool.nearest(large).index[:, 0].tolist() == list(range(12))
