"""KID, extrapolated FID and feature likelihood divergence against definitions and closed forms."""

import math

import pytest
import torch

from genarium.evaluation.metrics.frechet import (
    frechet_distance,
    frechet_distance_of_features,
    frechet_infinity,
    frechet_influence,
    statistics,
)
from genarium.evaluation.metrics.kid import influence, kid, mmd2
from genarium.evaluation.metrics.likelihood_divergence import feature_likelihood_divergence, widths


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def naive_mmd2(x, y):
    def mean(a, b, same):
        total, count = 0.0, 0
        for i in range(len(a)):
            for j in range(len(b)):
                if not (same and i == j):
                    total += (float(a[i].double() @ b[j].double()) / a.shape[1] + 1) ** 3
                    count += 1
        return total / count

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def test_kid_equals_the_definition():
    x, y = numbers(23, 7), 1.5 * numbers(31, 7, seed=1) + 0.2
    assert mmd2(x, y) == pytest.approx(naive_mmd2(x, y), rel=1e-11)
    whole = kid(x, y[:23])
    assert whole.value == mmd2(x, y[:23])
    assert whole.std == 0


def test_kid_in_blocks(monkeypatch):
    x, y = numbers(50, 7), numbers(61, 7, seed=1)
    expected = mmd2(x, y)
    from genarium.evaluation.metrics import kid as module

    sums = module._row_sums
    monkeypatch.setattr(module, "_row_sums", lambda a, b: sums(a, b, 16))
    assert mmd2(x, y) == pytest.approx(expected, rel=1e-12)


def test_kid_by_subsets_is_their_mean():
    x, y = numbers(60, 5), numbers(80, 5, seed=1) + 0.5
    result = kid(x, y, subsets=60, size=30)
    assert result.value == pytest.approx(mmd2(x, y), abs=4 * result.std / 60**0.5)
    assert result == kid(x, y, subsets=60, size=30)
    assert result != kid(x, y, subsets=60, size=30, seed=1)


def test_kid_is_unbiased():
    """Zero on average for one distribution, at ten images too."""
    values = torch.tensor(
        [mmd2(numbers(10, 3, seed=s), numbers(10, 3, seed=-1 - s)) for s in range(400)]
    )
    assert abs(values.mean()) < 4 * values.std() / 20


def left_out(function, x, y):
    """Jackknife variance of function(x, y) over x, from its definition."""
    n = len(x)
    rest = (torch.cat([x[:i], x[i + 1 :]]) for i in range(n))
    values = torch.tensor([function(some, y) for some in rest], dtype=torch.float64)
    return (n - 1) / n * (values - values.mean()).square().sum().item()


def test_kid_influence_is_the_jackknife():
    x, y = numbers(25, 4).double(), 1.3 * numbers(30, 4, seed=1).double()
    ours, theirs = influence(x, y)
    assert ours.square().sum().item() == pytest.approx(left_out(mmd2, x, y), rel=1e-8)
    flipped = left_out(lambda a, b: mmd2(b, a), y, x)
    assert theirs.square().sum().item() == pytest.approx(flipped, rel=1e-8)
    assert abs(ours.sum()) < 1e-9


@pytest.mark.parametrize(("n", "m", "dims"), [(300, 250, 4), (25, 30, 40), (30, 25, 40)])
def test_frechet_influence_is_near_the_jackknife(n, m, dims):
    """Both sets, regular covariances and the Gram form."""
    x, y = numbers(n, dims).double(), 1.3 * numbers(m, dims, seed=1).double() + 0.2
    ours, theirs = frechet_influence(x, y)
    distance = frechet_distance_of_features
    for result, expected in (
        (ours, left_out(distance, x, y)),
        (theirs, left_out(lambda a, b: distance(b, a), y, x)),
    ):
        assert result.square().sum().item() == pytest.approx(
            expected, rel=0.15 if n > dims else 0.5
        )
        assert abs(result.sum()) < 1e-9


def test_frechet_influence_is_the_derivative():
    """Of d² for the weight of an image, by a finite difference of weighted statistics."""
    x, y = numbers(60, 3).double(), 1.5 * numbers(70, 3, seed=1).double()
    two = statistics(y)

    def distance(i, weight):
        w = torch.ones(60).double()
        w[i] += weight
        w = w / w.sum()
        mean = w @ x
        cov = (x - mean).T @ (w[:, None] * (x - mean)) * 60 / 59
        return frechet_distance(mean, cov, *two)

    result = frechet_influence(x, y)[0]
    slopes = torch.tensor([(distance(i, 1e-4) - distance(i, -1e-4)) / 2e-4 for i in range(60)])
    # covariances weigh an image by 1/(N-1), means by 1/N: equal up to 1/N of the spread
    assert (result - slopes).abs().max() < 3 / 60 * result.abs().max()
    assert result.square().sum().item() == pytest.approx(slopes.square().sum().item(), rel=0.05)


def test_extrapolation_takes_the_bias_away():
    """Gaussians at a known distance: the plain value is too high, the line's end is not."""
    dims, plain, extrapolated = 8, [], []
    for seed in range(20):
        x, y = 1.2 * numbers(200, dims, seed=seed), numbers(200, dims, seed=1000 + seed)
        plain.append(frechet_distance(*statistics(x), *statistics(y)))
        extrapolated.append(frechet_infinity(x, y).value)
    truth = 0.2**2 * dims
    assert sum(plain) / 20 > truth + 0.05
    values = torch.tensor(extrapolated)
    assert values.mean().item() == pytest.approx(truth, abs=3 * values.std().item() / 20**0.5)


def test_extrapolation_with_a_whole_reference():
    """One that is far larger has no bias to take away."""
    x, y = 1.2 * numbers(400, 4), numbers(8000, 4, seed=1)
    assert frechet_infinity(x, y, thin_reference=False).value == pytest.approx(0.16, abs=0.1)
    with pytest.raises(ValueError, match="5 times"):
        frechet_infinity(numbers(30, 8), numbers(30, 8))


def test_widths_are_a_fixed_point_of_likelihood():
    """No width moves the likelihood of the images that they were fitted to."""
    fit, centres = numbers(80, 2).double(), numbers(6, 2, seed=1).double()
    log_variance = widths(centres, fit, steps=300).log().requires_grad_()
    squared = torch.cdist(fit, centres).square()
    origin = 0.81 * (fit - fit.mean(dim=0)).square().sum(dim=1, keepdim=True)
    background = torch.zeros(1, dtype=torch.float64, requires_grad=True)

    def loss():
        terms = -0.5 * squared / log_variance.exp() - log_variance - math.log(2 * math.pi * 6)
        beside = -0.5 * origin / background.exp() - background - math.log(2 * math.pi)
        return -torch.cat([terms, beside], dim=1).logsumexp(dim=1).mean()

    optimizer = torch.optim.LBFGS([background], line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    log_variance.grad = None
    loss().backward()
    assert log_variance.grad.abs().max() < 5e-3


def test_likelihood_divergence_orders_samplers():
    """Real-like 0, shifted worse, near copies worst."""
    train, test = numbers(300, 8), numbers(150, 8, seed=1)
    control = feature_likelihood_divergence(numbers(150, 8, seed=2), train, test)
    shifted = feature_likelihood_divergence(numbers(150, 8, seed=2) + 1, train, test)
    near = train[:150] + 1e-3 * numbers(150, 8, seed=3)
    copies = feature_likelihood_divergence(near, train, test)
    assert abs(control) < 4
    assert control < shifted
    assert copies > 100
    assert control == feature_likelihood_divergence(numbers(150, 8, seed=2), train, test)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: mmd2(numbers(1, 3), numbers(5, 3)), "at least 2"),
        (lambda: mmd2(numbers(4, 3), numbers(5, 2)), "fit"),
        (lambda: kid(numbers(4, 3) * math.nan, numbers(5, 3)), "finite"),
        (lambda: influence(numbers(2, 3), numbers(5, 3)), "3 images"),
        (lambda: frechet_influence(numbers(1, 3), numbers(5, 3)), "fit"),
        (
            lambda: feature_likelihood_divergence(numbers(1, 3), numbers(9, 3), numbers(5, 3)),
            "least",
        ),
        (
            lambda: feature_likelihood_divergence(numbers(4, 3), numbers(9, 2), numbers(5, 3)),
            "fit",
        ),
    ],
)
def test_bad_input_is_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()
