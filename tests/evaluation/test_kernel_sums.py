"""KID by products of float32: its error, the bound on it, and when float64 takes its place."""

import pytest
import torch

from genarium.data import DataOptions, load
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.metrics import kernel_sums
from genarium.evaluation.metrics import kid as module
from genarium.evaluation.metrics.kid import influence, kid, mmd2

SIZE = 200


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Sets of 200 images take the path of 1,000, in several blocks."""
    monkeypatch.setattr(module, "FROM", SIZE)
    monkeypatch.setattr(kernel_sums, "BLOCK", 128)


def features(dims, scale=1.0, mean=0.0, counts=(330, 290)):
    """As a network's: not negative, with a spectrum that falls; the second set is wider."""
    generator = torch.Generator().manual_seed(0)
    spectrum = scale * torch.logspace(0, -1.5, dims)
    return [
        (torch.randn(count, dims, generator=generator) * spectrum * wide).abs() + scale * mean
        for count, wide in zip(counts, (1.0, 1.1))
    ]


def drawn(x, y, subsets=6, size=SIZE):
    generator = torch.Generator().manual_seed(0)
    return [
        tuple(torch.randperm(len(f), generator=generator)[:size] for f in (x, y))
        for _ in range(subsets)
    ]


def by_float64(x, y, subsets):
    return torch.tensor([mmd2(x[i], y[j]) for i, j in subsets], dtype=torch.float64)


def photographs():
    """Features of colour pictures, by the extractor that they are scored with."""
    images = load("digits", DataOptions(channels=3, size=32)).train.images[:220]
    pool = extractor("efficientnet-lite0")(images)[0]
    return pool[:110], pool[110:]


@pytest.mark.parametrize("scale", [0.1, 1, 4])
@pytest.mark.parametrize("mean", [0, 1, 30])
@pytest.mark.parametrize("dims", [3, 64, 700])
def test_it_is_within_its_bound_and_that_is_small(dims, scale, mean):
    x, y = features(dims, scale, mean)
    chosen = drawn(x, y)
    values, error = module._by_float32(x, y, chosen)
    expected = by_float64(x, y, chosen)
    assert abs((values - expected).mean()) <= error
    assert (values - expected).abs().max() < 1e-6 * expected.abs().max()
    assert error < 1e-2 * expected.std()


@pytest.mark.parametrize("dims", [3, 300])
def test_the_bound_of_single_pairs(dims):
    """No error is averaged away: it holds, and is not 500 times too large."""
    x, y = features(dims)
    pairs = torch.arange(250)
    w, v = (torch.zeros(len(rows), 250, dtype=torch.float64) for rows in (x, y))
    w[pairs, pairs] = v[pairs, pairs] = 1
    centre = kernel_sums.centre_of(x, y)
    a, b = (kernel_sums.prepared(rows, centre, some)[0] for rows, some in ((x, w), (y, v)))
    result = kernel_sums.rest(a, b, w, v, columns=False)
    t = ((x.double() - centre)[:250] * (y.double() - centre)[:250]).sum(1) / dims
    exact = t.square() * (3 * (a.p[:250] + b.p[:250]) + t)
    ratio = ((w * result.rows).sum(0) - exact).abs() / result.error
    assert 2e-3 < ratio.max() <= 1


def test_of_pictures_and_what_is_shown():
    x, y = photographs()
    chosen = drawn(x, y, size=90)
    values, error = module._by_float32(x, y, chosen)
    expected = by_float64(x, y, chosen)
    assert (values - expected).abs().max() < 1e-9
    assert (values - expected).abs().max() < 1e-4 * expected.std()
    assert error < 1e-2 * expected.std()


def test_subsets_by_themselves_and_by_the_pairs_that_they_share():
    """What decides is which has fewer pairs: here 30 subsets share, 2 do not."""
    x, y = features(40)
    chosen = drawn(x, y, 30)
    shared, apart = (module._by_float32(x, y, some) for some in (chosen, chosen[:2]))
    assert shared[0][:2] == pytest.approx(apart[0], rel=1e-7)
    assert shared[0][:2].tolist() != apart[0].tolist()
    assert apart[1] == pytest.approx(shared[1], rel=0.1)


@pytest.mark.parametrize(("by", "off"), [(1e-5, False), (3e-3, True), (1.1, True)])
def test_a_subset_is_looked_at(monkeypatch, by, off):
    """Values of float32 that are wrong by a part of the drawing's error do not stand."""
    x, y = features(40)
    computed = module._by_float32

    def wrong(*args):
        values, error = computed(*args)
        return values + by * values.std(correction=0) / 6**0.5, error

    exact = by_float64(x, y, drawn(x, y)).mean().item()
    monkeypatch.setattr(module, "_by_float32", wrong)
    assert (kid(x, y, subsets=6, size=SIZE).value == exact) == off


def test_float64_takes_its_place(monkeypatch):
    """Where the bound or what is seen is too large, or float32 has no such numbers."""
    x, y = features(40)
    fast = kid(x, y, subsets=6, size=SIZE)
    assert fast.value == module._by_float32(x, y, drawn(x, y))[0].mean().item()
    for name in ("OF_DRAWING", "OF_VALUE"):
        monkeypatch.setattr(module, name, 0)
    slow = by_float64(x, y, drawn(x, y)).mean().item()
    assert kid(x, y, subsets=6, size=SIZE).value == slow != fast.value
    monkeypatch.undo()
    monkeypatch.setattr(module, "FROM", SIZE)
    x, y = (1e25 * f for f in (x, y))
    assert kid(x, y, subsets=2, size=SIZE).value == by_float64(x, y, drawn(x, y, 2)).mean().item()
    assert all(torch.isfinite(part).all() for part in influence(x, y))


@pytest.mark.parametrize(("dims", "mean"), [(64, 0), (300, 30)])
def test_influence(monkeypatch, dims, mean):
    x, y = features(dims, mean=mean)
    fast = influence(x, y)
    monkeypatch.setattr(module, "OF_INFLUENCE", 0)
    slow = influence(x, y)
    for one, other in zip(fast, slow, strict=True):
        assert 0 < (one - other).norm() < 1e-6 * other.norm()


def test_whatever_precision_the_program_has_set():
    x, y = features(300)
    before = torch.backends.mkldnn.matmul.fp32_precision
    expected = kid(x, y, subsets=3, size=SIZE)
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        assert kid(x, y, subsets=3, size=SIZE) == expected
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before
