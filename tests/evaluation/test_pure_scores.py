"""The pure scores (and the neighbour search) against closed forms and definitions."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from genarium.evaluation.metrics import neighbours
from genarium.evaluation.metrics.inception_score import inception_score
from genarium.evaluation.metrics.likelihood import bits_per_dim
from genarium.evaluation.metrics.neighbours import nearest
from genarium.evaluation.metrics.sharpness import sharpness
from genarium.evaluation.scores.model import cluster_errors, group_information


def test_inception_score_of_an_undecided_classifier_is_one():
    assert inception_score(torch.zeros(100, 10)) == (pytest.approx(1.0), pytest.approx(0.0))


@pytest.mark.parametrize("classes", [2, 10])
def test_inception_score_of_sure_even_classes_is_their_number(classes):
    one_hot = torch.eye(classes).repeat(50, 1)
    mean, std = inception_score(one_hot, splits=1, probabilities=True)
    assert mean == pytest.approx(classes)
    assert std == 0
    assert inception_score(200 * one_hot, splits=1)[0] == pytest.approx(classes)


def test_inception_score_of_two_groups():
    """exp(ln 2 - H(p)) for answers (p, 1-p) and (1-p, p) in equal parts."""
    p = 0.8
    probabilities = torch.tensor([[p, 1 - p], [1 - p, p]]).repeat(20, 1)
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    result, _ = inception_score(probabilities, splits=1, probabilities=True)
    assert result == pytest.approx(2 * math.exp(-entropy), rel=1e-6)


def test_inception_score_shuffles_before_it_splits():
    """Sorted by class, each unshuffled part would hold one class and score 1."""
    logits = 100 * torch.eye(10).repeat_interleave(100, dim=0)
    mean, std = inception_score(logits, splits=10)
    assert mean > 9
    assert 0 < std < 1
    assert inception_score(logits, splits=10) == (mean, std)
    assert inception_score(logits, splits=10, seed=1) != (mean, std)


def test_inception_score_of_fewer_samples_than_splits():
    assert inception_score(torch.randn(3, 10), splits=10) == (pytest.approx(1), pytest.approx(0))


@pytest.mark.parametrize("bad", [torch.zeros(0, 3), torch.zeros(3, 0), torch.tensor([[math.nan]])])
def test_inception_score_refuses(bad):
    with pytest.raises(ValueError, match="logits"):
        inception_score(bad)


def test_bits_per_dim_of_the_uniform_distribution():
    """784 pixels of 256 levels, each equally likely: 8 bits."""
    assert bits_per_dim(784 * math.log(256), 784) == pytest.approx(8)
    assert torch.allclose(
        bits_per_dim(torch.tensor([0.0, 3 * math.log(2)]), 3), torch.tensor([0, 1.0])
    )
    with pytest.raises(ValueError, match="dims"):
        bits_per_dim(1.0, 0)


def test_sharpness_is_the_variance_of_the_laplacian():
    images = torch.randint(256, (5, 3, 9, 12), generator=torch.Generator().manual_seed(0))
    grey = (images.numpy() / 255 * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=1)
    expected = [scipy.ndimage.laplace(image)[1:-1, 1:-1].var() for image in grey]
    assert np.allclose(sharpness(images.to(torch.uint8)).numpy(), expected, rtol=1e-5)


def test_sharpness_of_a_ramp_is_zero_and_blur_lowers_it():
    ramp = torch.arange(8, dtype=torch.uint8).expand(1, 1, 8, 8) * 30
    assert sharpness(ramp).item() == pytest.approx(0, abs=1e-10)
    noise = torch.randint(256, (4, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(noise.float(), 3, 1, 1)
    assert (sharpness(blurred.to(torch.uint8)) < sharpness(noise.to(torch.uint8))).all()
    assert len(sharpness(torch.zeros(0, 1, 8, 8, dtype=torch.uint8))) == 0


@pytest.mark.parametrize(
    "bad",
    [torch.zeros(1, 1, 2, 8, dtype=torch.uint8), torch.zeros(1, 1, 8, 8)],
    ids=["small", "float"],
)
def test_sharpness_refuses(bad):
    with pytest.raises(ValueError, match="images"):
        sharpness(bad)


def naive(queries, corpus):
    q, c = (t.flatten(1).double() for t in (queries, corpus))
    results = [((row - c) ** 2).sum(dim=1) for row in q]
    index = torch.tensor([d.argmin().item() for d in results])
    return torch.stack([d.min().sqrt() for d in results]), index


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sphere(n, dims):
    """Points at distance 1 + 1e-9 t of the origin, t standard normal."""
    unit = torch.nn.functional.normalize(numbers(n, dims).double(), dim=1)
    return unit * (1 + 1e-9 * numbers(n, 1, seed=1).double())


def bytes_(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator).to(torch.uint8)


@pytest.mark.parametrize(
    ("queries", "corpus"),
    [
        (numbers(70, 40), numbers(130, 40, seed=1)),
        (bytes_(30, 1, 8, 8), bytes_(90, 1, 8, 8, seed=1)),
        # Far from zero and close together: float32 alone cannot tell these apart.
        (1000 + 1e-3 * numbers(40, 6).double(), 1000 + 1e-3 * numbers(80, 6, seed=1).double()),
        (1e30 * numbers(20, 5).double(), 1e30 * numbers(20, 5, seed=1).double()),
        # On a sphere around the query: float32 sees equal distances with errors at random.
        (torch.zeros(1, 16).double(), sphere(200, 16)),
    ],
    ids=["features", "images", "cancellation", "huge", "near ties"],
)
def test_nearest_equals_naive(queries, corpus):
    distance, index = nearest(queries, corpus, block=32)
    expected, where = naive(queries, corpus)
    assert torch.equal(index, where)
    assert torch.allclose(distance, expected, rtol=1e-12, atol=0)


def test_nearest_takes_the_first_of_equals_and_finds_copies():
    corpus = bytes_(40, 1, 6, 6)
    doubled = torch.cat([corpus, corpus])
    distance, index = nearest(corpus, doubled, block=16)
    assert torch.equal(index, torch.arange(40))
    assert (distance == 0).all()


def test_nearest_measures_few_pairs_again(monkeypatch):
    """The bound is tight enough to be of use: about one candidate a query."""
    counted = []
    measure = neighbours._best

    def counting(q, c, row, column, k):
        counted.append(len(row))
        return measure(q, c, row, column, k)

    monkeypatch.setattr(neighbours, "_best", counting)
    nearest(numbers(100, 50), numbers(500, 50, seed=1), block=64)
    assert 100 <= sum(counted) < 120


def test_nearest_of_nothing():
    distance, index = nearest(numbers(0, 4), numbers(5, 4))
    assert distance.shape == index.shape == (0,)


@pytest.mark.parametrize(
    ("queries", "corpus", "word"),
    [
        (numbers(2, 3), numbers(0, 3), "no rows"),
        (numbers(2, 3), numbers(2, 4), "fit"),
        (numbers(2), numbers(2), "fit"),
        (numbers(2, 3) * math.nan, numbers(2, 3), "finite"),
    ],
)
def test_nearest_refuses(queries, corpus, word):
    with pytest.raises(ValueError, match=word):
        nearest(queries, corpus)


def test_groups_that_are_the_classes_under_other_names_have_no_error():
    labels = torch.arange(10).repeat(20)
    names = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert cluster_errors(names[labels], labels).sum() == 0


def test_one_group_errs_on_all_but_the_commonest_class():
    labels = torch.tensor([0] * 60 + [1] * 20 + [2] * 20)
    assert cluster_errors(torch.zeros(100, dtype=torch.int64), labels).mean() == pytest.approx(0.4)


def test_groups_are_named_by_the_other_half():
    """A group of its own for each image would be right by its own vote; here nobody names it."""
    labels = torch.arange(8) % 3
    assert cluster_errors(torch.arange(8), labels).mean() == 1.0
    groups, labels = torch.zeros(2, dtype=torch.int64), torch.tensor([0, 1])
    assert cluster_errors(groups, labels).tolist() == [1.0, 1.0]


def test_information_of_groups():
    """ln K for sure groups of one size, their entropy for others, 0 where the image says nothing;
    in between H(E q) - E H(q)."""
    sure = torch.eye(4).repeat(5, 1)
    assert group_information(sure).mean().item() == pytest.approx(math.log(4))
    uneven = torch.eye(2)[[0, 0, 0, 1]]
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert group_information(uneven).mean().item() == pytest.approx(entropy)
    assert group_information(torch.full((6, 3), 1 / 3)).abs().max().item() < 1e-7  # of float32
    q = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    mean = [(a + b) / 2 for a, b in zip(*q.tolist())]
    expected = sum(-m * math.log(m) for m in mean)
    expected += sum(p * math.log(p) for p in q.flatten().tolist()) / 2
    assert group_information(q).mean().item() == pytest.approx(expected)
    assert group_information(torch.tensor([[1.0, 0.0]])).tolist() == [0.0]  # a group of nothing
