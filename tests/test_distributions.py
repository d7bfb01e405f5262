"""Closed forms against Monte Carlo and against sums over everything."""

import math

import pytest
import torch
from torch import Tensor

from genarium.contract import Batch, Noise, from_uint8
from genarium.nn import distributions as dist

N = 200_000


def agrees_with_monte_carlo(closed: Tensor, draws: Tensor) -> bool:
    """Within four standard errors of the mean of `draws` [N, ...], entry by entry."""
    error = draws.std(0) / math.sqrt(len(draws))
    return bool(((draws.mean(0) - closed).abs() <= 4.0 * error).all())


@pytest.fixture
def normals() -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(0)
    mean_q, mean_p = torch.randn(2, 5, generator=g, dtype=torch.float64)
    log_variance_q, log_variance_p = torch.randn(2, 5, generator=g, dtype=torch.float64)
    eps = torch.randn(N, 5, generator=g, dtype=torch.float64)
    return mean_q, log_variance_q, mean_p, log_variance_p, eps


def test_normal_log_prob_is_torch_s(normals):
    mean, log_variance, x, *_ = normals
    expected = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(x)
    torch.testing.assert_close(dist.normal_log_prob(x, mean, log_variance), expected)


def test_kl_to_standard_normal_against_monte_carlo(normals):
    mean, log_variance, _, _, eps = normals
    z = dist.reparametrize(mean, log_variance, eps)
    zero = torch.zeros(())
    draws = dist.normal_log_prob(z, mean, log_variance) - dist.normal_log_prob(z, zero, zero)
    closed = dist.kl_standard_normal(mean, log_variance)
    assert agrees_with_monte_carlo(closed, draws)
    assert not agrees_with_monte_carlo(closed * 1.1, draws)


def test_kl_between_normals_against_monte_carlo(normals):
    mean_q, log_variance_q, mean_p, log_variance_p, eps = normals
    z = dist.reparametrize(mean_q, log_variance_q, eps)
    draws = dist.normal_log_prob(z, mean_q, log_variance_q) - dist.normal_log_prob(
        z, mean_p, log_variance_p
    )
    closed = dist.kl_normal(mean_q, log_variance_q, mean_p, log_variance_p)
    assert agrees_with_monte_carlo(closed, draws)
    # It is not symmetric, and against the standard normal it is the other function.
    assert not agrees_with_monte_carlo(
        dist.kl_normal(mean_p, log_variance_p, mean_q, log_variance_q), draws
    )
    torch.testing.assert_close(
        dist.kl_normal(mean_q, log_variance_q, torch.zeros(5), torch.zeros(5)),
        dist.kl_standard_normal(mean_q, log_variance_q),
    )


def test_kl_is_zero_only_at_equality(normals):
    mean, log_variance, *_ = normals
    same = dist.kl_normal(mean, log_variance, mean, log_variance)
    torch.testing.assert_close(same, torch.zeros(5, dtype=torch.float64))
    assert (dist.kl_standard_normal(mean, log_variance) > 0).all()


def test_bernoulli_sums_to_one_and_survives_extreme_logits():
    logits = torch.tensor([-800.0, -3.0, 0.0, 2.0, 800.0], dtype=torch.float64)
    both = [dist.bernoulli_log_prob(logits, torch.full_like(logits, x)) for x in (0.0, 1.0)]
    torch.testing.assert_close(both[0].exp() + both[1].exp(), torch.ones_like(logits))
    torch.testing.assert_close(both[1][1:4].exp(), torch.sigmoid(logits[1:4]))
    assert both[0][-1] == -800.0


@pytest.mark.parametrize("n", [2, 16, 256])
def test_discretized_logistic_sums_to_one(n):
    location = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)
    log_scale = torch.linspace(-7.0, 3.0, 11, dtype=torch.float64)
    levels = torch.arange(n)
    log_p = dist.discretized_logistic_log_prob(
        location[:, None, None], log_scale[:, None], levels, n=n
    )
    assert log_p.shape == (7, 11, n)
    torch.testing.assert_close(
        log_p.exp().sum(-1), torch.ones(7, 11, dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_discretized_logistic_is_the_difference_of_two_sigmoids():
    location, log_scale = torch.tensor(0.1).double(), torch.tensor(-2.0).double()
    levels = torch.arange(1, 255)
    x = levels.double() / 127.5 - 1.0
    inverse = torch.exp(-log_scale)
    expected = torch.sigmoid(inverse * (x + 1 / 255 - location)) - torch.sigmoid(
        inverse * (x - 1 / 255 - location)
    )
    log_p = dist.discretized_logistic_log_prob(location, log_scale, levels)
    torch.testing.assert_close(log_p.exp(), expected, rtol=1e-9, atol=0)


def test_discretized_logistic_stays_finite_in_float32_far_from_its_location():
    levels = torch.arange(256)
    location = torch.tensor(1.0, requires_grad=True)
    log_scale = torch.tensor(-7.0, requires_grad=True)
    total = dist.discretized_logistic_log_prob(location, log_scale, levels).sum()
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(location.grad)
    assert torch.isfinite(log_scale.grad)


def test_categorical_sums_to_one_over_the_levels():
    logits = torch.randn(2, 7, 3, 4, dtype=torch.float64)
    p = sum(
        dist.categorical_log_prob(logits, torch.full((2, 3, 4), level)).exp() for level in range(7)
    )
    torch.testing.assert_close(p, torch.ones(2, 3, 4, dtype=torch.float64))


def test_importance_weighted_bound_is_the_log_mean_and_keeps_small_weights():
    log_w = torch.tensor([[0.0, 1.0, 2.0]])
    expected = math.log((1 + math.e + math.e**2) / 3)
    assert dist.importance_weighted_bound(log_w, dim=1).item() == pytest.approx(expected, abs=1e-12)
    # One weight of 1 and 10^6 of 1e-9: float32 would lose them.
    many = torch.cat([torch.zeros(1), torch.full((10**6,), -9 * math.log(10.0))]) - 500.0
    bound = dist.importance_weighted_bound(many)
    assert bound.dtype == torch.float64
    assert bound.item() == pytest.approx(
        math.log(1.001) - 500.0 - math.log(10**6 + 1), abs=1e-4 / 3
    )


def test_bits_per_dim_of_a_uniform_over_256_levels_is_eight():
    assert dist.bits_per_dim(torch.tensor(-784 * math.log(256.0)), 784).item() == pytest.approx(8.0)


def test_half_precision_is_raised_to_float32():
    logits = torch.zeros(4, dtype=torch.bfloat16)
    assert dist.bernoulli_log_prob(logits, torch.ones(4)).dtype == torch.float32


# Likelihood objects ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(dist.LIKELIHOODS))
def test_likelihood_shapes_ranges_and_draws(name):
    likelihood = dist.LIKELIHOODS[name]()
    images = torch.randint(0, 256, (5, 3, 6, 4), dtype=torch.uint8)
    target = likelihood.target(Batch(images, noise=Noise(0, 5)))
    output = torch.randn(5, likelihood.outputs * 3, 6, 4)
    signed = likelihood.signed(target)
    assert signed.shape == images.shape
    assert signed.min() >= -1
    assert signed.max() <= 1
    log_p = likelihood.log_prob(output, target)
    assert log_p.shape == (5,)
    # Each image by itself gives the same number.
    alone = torch.cat([likelihood.log_prob(output[i : i + 1], target[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(alone, log_p)
    for picture in (likelihood.mean(output), likelihood.draw(output, Noise(1, 5))):
        assert picture.shape == images.shape
        assert picture.abs().max() <= 1
    assert likelihood.density


@pytest.mark.parametrize("name", sorted(dist.LIKELIHOODS))
def test_mean_of_the_draws_is_the_mean(name):
    likelihood = dist.LIKELIHOODS[name]()
    # Locations well inside [-1, 1] and small scales, so that the ends cut nothing off.
    output = torch.full((20_000, likelihood.outputs, 1, 1), 0.2)
    if likelihood.outputs == 2:
        output[:, 1] = -1.0
    draws = likelihood.draw(output, Noise(3, len(output)))
    error = draws.std() / math.sqrt(len(draws))
    assert (draws.mean() - likelihood.mean(output[:1]).squeeze()).abs() <= 4 * error + 1 / 255


def test_gaussian_is_a_density_per_grey_level():
    """Its integral over the 256 unit-wide levels is 1 when the mass lies inside."""
    likelihood = dist.Gaussian(log_variance=-4.0).double()
    y = (torch.arange(256 * 8, dtype=torch.float64) + 0.5) / 8  # y = level + u
    target = (y / 128 - 1).view(-1, 1, 1, 1)
    density = likelihood.log_prob(torch.zeros_like(target), target).exp()
    assert (density.sum() / 8).item() == pytest.approx(1.0, abs=1e-6)


def test_gaussian_mean_gives_a_level_s_centre_back_as_its_image():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    centres = (images.float() + 0.5) / 128 - 1
    torch.testing.assert_close(dist.Gaussian().mean(centres), from_uint8(images))


def test_bounded_means_are_tanh_and_begin_at_the_mean_that_is_given() -> None:
    likelihood = dist.Gaussian(unit=1.0, log_variance=-1.0, bounded=True)
    output = torch.linspace(-4, 4, 27).view(1, 3, 3, 3)
    target = torch.linspace(-1, 1, 27).view(1, 3, 3, 3)
    by_hand = torch.distributions.Normal(torch.tanh(2 * output), torch.tensor(-0.5).exp())
    result = likelihood.log_prob(output, target)
    torch.testing.assert_close(result, by_hand.log_prob(target).sum().view(1))
    assert likelihood.mean(output).abs().max() <= 1
    inner = torch.linspace(-0.9, 0.9, 27).view(3, 3, 3)
    torch.testing.assert_close(likelihood.means(likelihood.start(inner)), inner)
    at_the_ends = likelihood.start(torch.tensor([-1.0, 1.0]))
    assert bool(at_the_ends.isfinite().all())
    plain = dist.Gaussian(log_variance=-1.0)
    assert torch.equal(plain.means(output), output), "runs of before have means as they come"
