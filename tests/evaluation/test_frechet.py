"""Fréchet distance against closed forms and scipy's matrix root."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genarium.evaluation.metrics import frechet
from genarium.evaluation.metrics.frechet import (
    Moments,
    frechet_distance,
    frechet_distance_of_features,
    statistics,
)


def gaussian(n, dims, seed, rank=None):
    """Features [n,dims] with an uneven spectrum; all within `rank` directions if given."""
    rng = np.random.default_rng(seed)
    rank = rank or dims
    mix = rng.standard_normal((rank, dims)) * np.logspace(0, -2, rank)[:, None]
    return torch.from_numpy(rng.standard_normal((n, rank)) @ mix + rng.standard_normal(dims))


def by_scipy(mean1, cov1, mean2, cov2):
    root = scipy.linalg.sqrtm(cov1.numpy() @ cov2.numpy())
    gap = (mean1 - mean2).square().sum().item()
    return gap + cov1.trace().item() + cov2.trace().item() - 2 * np.trace(root).real


@pytest.mark.parametrize("dims", [1, 2, 24, 96])
def test_agrees_with_scipy(dims):
    one = statistics(gaussian(300, dims, 0))
    two = statistics(gaussian(400, dims, 1))
    assert frechet_distance(*one, *two) == pytest.approx(by_scipy(*one, *two), rel=1e-6)


@pytest.mark.parametrize("columns", [1, 7, 24, 100])
def test_products_by_blocks_equal_whole_ones(monkeypatch, columns):
    monkeypatch.setattr(frechet, "COLUMNS", columns)
    cov1, cov2 = (statistics(gaussian(300, 24, seed))[1] for seed in (0, 1))
    lower = torch.linalg.cholesky(cov1)
    whole = lower.T @ cov2 @ lower
    torch.testing.assert_close(frechet._sandwich(lower, cov2).tril(), whole.tril())


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 8), st.integers(0, 2**31))
def test_agrees_with_scipy_for_any_size(dims, seed):
    one = statistics(gaussian(50, dims, seed))
    two = statistics(gaussian(60, dims, seed + 1))
    assert frechet_distance(*one, *two) == pytest.approx(by_scipy(*one, *two), rel=1e-6)


@pytest.mark.parametrize(("rank1", "rank2"), [(5, 5), (5, 40), (40, 7), (1, 1)])
def test_singular_covariances(rank1, rank2):
    """Against scipy's root of the symmetric form, which is accurate for singular matrices too."""
    one, two = statistics(gaussian(200, 40, 0, rank1)), statistics(gaussian(200, 40, 1, rank2))
    values, vectors = np.linalg.eigh(one[1].numpy())
    half = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = half @ two[1].numpy() @ half
    root = np.sqrt(np.maximum(np.linalg.eigvalsh((product + product.T) / 2), 0)).sum()
    gap = (one[0] - two[0]).square().sum().item()
    expected = gap + np.trace(one[1].numpy()) + np.trace(two[1].numpy()) - 2 * root
    assert frechet_distance(*one, *two) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(*one, *two) == pytest.approx(by_scipy(*one, *two), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(10, 20), (2, 2), (30, 64), (64, 64)])
def test_fewer_samples_than_features(n, m):
    """Statistics and Gram form agree, and both agree with scipy."""
    x, y = gaussian(n, 64, 0), gaussian(m, 64, 1)
    one, two = statistics(x), statistics(y)
    gram = frechet_distance_of_features(x, y)
    assert frechet_distance(*one, *two) == pytest.approx(gram, rel=1e-9)
    assert by_scipy(*one, *two) == pytest.approx(gram, rel=1e-6)


@pytest.mark.parametrize("n", [2, 10, 63, 64, 65, 500])
def test_identical_sets_are_at_distance_zero(n):
    x = gaussian(n, 64, 3)
    assert frechet_distance(*statistics(x), *statistics(x)) == 0
    assert abs(frechet_distance_of_features(x, x.clone())) < 1e-9


def test_few_samples_never_form_a_covariance(monkeypatch):
    monkeypatch.setattr("genarium.evaluation.metrics.frechet.statistics", None)
    assert frechet_distance_of_features(gaussian(5, 64, 0), gaussian(6, 64, 1)) > 0


def rotated(*spectra):
    """Covariances with these eigenvalues and the same random eigenvectors."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((len(spectra[0]),) * 2))
    return [torch.from_numpy((basis * d) @ basis.T) for d in spectra]


@pytest.mark.parametrize("smallest", [1e-2, 1e-6, 1e-10])
def test_close_and_ill_conditioned_covariances(smallest):
    """Σ (√λ₁-√λ₂)² where eigenvectors agree; the root of rounding in λ would swamp it."""
    first = np.geomspace(1, smallest, 50)
    second = first * (1 + 1e-3 * np.cos(np.arange(50)))
    cov1, cov2 = rotated(first, second)
    expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    result = frechet_distance(torch.zeros(50), cov1, torch.zeros(50), cov2)
    assert result == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shared", [0, 2])
def test_supports_that_hardly_meet(shared):
    """Only the directions that both have count in the root; the rest are exact zeros there."""
    first, second = np.zeros(40), np.zeros(40)
    first[:20] = second[20 - shared : 40 - shared] = 1
    cov1, cov2 = rotated(first, second)
    result = frechet_distance(torch.zeros(40), cov1, torch.zeros(40), cov2)
    assert result == pytest.approx(40 - 2 * shared, rel=1e-12)


def test_rounding_that_makes_a_singular_matrix_pass_as_regular():
    """Noise in the null space of one must not meet variance of the other there."""
    first, second = np.zeros(40), np.ones(40)
    first[:3] = 1
    cov1, cov2 = rotated(first, second)
    cov1 = cov1 + 3e-15 * torch.eye(40)
    assert not torch.linalg.cholesky_ex(cov1)[1]
    result = frechet_distance(torch.zeros(40), cov1, torch.zeros(40), cov2)
    assert result == pytest.approx(37, rel=1e-9)


def test_nearly_identical_covariances_are_near_zero():
    """The same set in another order: rounding differs, the shortcut for equality does not apply."""
    x = gaussian(500, 64, 3)
    one, two = statistics(x), statistics(x.flip(0) + 0.0)
    assert not torch.equal(one[1], two[1])
    assert frechet_distance(*one, *two) < 1e-9


def test_one_dimension_closed_form():
    """(μ₁-μ₂)² + (σ₁-σ₂)²."""
    result = frechet_distance(*(torch.tensor(v) for v in ([1.0], [[4.0]], [3.0], [[9.0]])))
    assert result == pytest.approx(4 + 1, rel=1e-12)


def test_diagonal_closed_form():
    """|μ₁-μ₂|² + Σ (σ₁-σ₂)², one direction without variance."""
    sd1, sd2 = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, 0.5, 1.0])
    mean1, mean2 = torch.zeros(3), torch.tensor([1.0, -1.0, 2.0])
    result = frechet_distance(mean1, sd1.square().diag(), mean2, sd2.square().diag())
    assert result == pytest.approx(6 + (sd1 - sd2).square().sum().item(), rel=1e-12)


def test_no_variance_leaves_the_means():
    zero = torch.zeros(3, 3)
    assert frechet_distance(torch.zeros(3), zero, torch.ones(3), zero) == pytest.approx(3)
    assert frechet_distance(torch.zeros(3), zero, torch.ones(3), torch.eye(3)) == pytest.approx(6)


def test_symmetric_and_never_nan_on_float32_statistics():
    x, y = gaussian(20, 64, 0).float(), gaussian(300, 64, 1).float()
    one = tuple(t.float() for t in statistics(x))
    two = tuple(t.float() for t in statistics(y))
    there, back = frechet_distance(*one, *two), frechet_distance(*two, *one)
    assert math.isfinite(there)
    assert there == pytest.approx(back, rel=1e-9)


def test_streaming_equals_all_at_once():
    x = gaussian(1000, 7, 0) + 1e4  # far from zero: sums of squares would cancel
    split, left, right = Moments(7), Moments(7), Moments(7)
    for part in x.split(130):
        split.add(part)
    left.add(x[:300])
    right.add(x[300:])
    expected = np.cov(x.numpy(), rowvar=False)
    for result in (split, left.merge(right), Moments(7).merge(split)):
        mean, cov = result.statistics()
        assert torch.allclose(mean, x.mean(dim=0), rtol=1e-12)
        assert np.allclose(cov.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert split.count == 1000


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: statistics(torch.zeros(1, 3)), "2 samples"),
        (lambda: statistics(torch.zeros(3)), r"\[N,D\]"),
        (lambda: statistics(torch.full((4, 3), float("nan"))), "finite"),
        (lambda: Moments(2).add(torch.zeros(4, 3)), r"\[N,2\]"),
        (
            lambda: frechet_distance(
                torch.zeros(2), torch.full((2, 2), float("inf")), torch.zeros(2), torch.eye(2)
            ),
            "finite",
        ),
        (
            lambda: frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(3), torch.eye(3)),
            "fit",
        ),
        (
            lambda: frechet_distance_of_features(
                torch.full((2, 3), float("nan")), torch.zeros(2, 3)
            ),
            "finite",
        ),
    ],
)
def test_bad_input_is_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()
