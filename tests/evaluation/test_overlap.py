"""k nearest neighbours, ball counts, and precision, recall, density, coverage: naive float64."""

import math

import pytest
import torch

from genarium.evaluation.metrics import neighbours
from genarium.evaluation.metrics.manifold import manifold
from genarium.evaluation.metrics.neighbours import ball_counts, k_nearest, k_nearest_squared


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def naive_squared(x, y):
    return (x.double()[:, None] - y.double()[None]).square().flatten(2).sum(dim=2)


def naive_nearest(x, y, k, itself):
    squared = naive_squared(x, y)
    if itself:
        squared.fill_diagonal_(math.inf)
    order = squared.sort(dim=1, stable=True)
    return order.values[:, :k].sqrt(), order.indices[:, :k]


SETS = {
    "features": (numbers(70, 40), numbers(130, 40, seed=1)),
    "near one another, far from zero": (
        1000 + 1e-3 * numbers(40, 6).double(),
        1000 + 1e-3 * numbers(80, 6, seed=1).double(),
    ),
    "many ties": (
        torch.randint(3, (60, 4), generator=torch.Generator().manual_seed(0)).float(),
        torch.randint(3, (90, 4), generator=torch.Generator().manual_seed(1)).float(),
    ),
    "copies": (numbers(50, 8), numbers(25, 8).repeat(4, 1)),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("parts", [64, 4])
def test_k_nearest_equals_naive(monkeypatch, name, k, parts):
    """Blocks of 32 rows, their parts of one row or of up to 4, the last ones incomplete."""
    monkeypatch.setattr(neighbours, "CHUNKS", parts)
    x, y = SETS[name]
    for queries, corpus, itself in ((x, y, False), (y, y, True)):
        distance, index = k_nearest(queries, corpus, k, itself=itself, block=32)
        expected, where = naive_nearest(queries, corpus, k, itself)
        assert torch.equal(index, where)
        assert torch.allclose(distance, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", SETS)
def test_ball_counts_equal_naive(name):
    x, y = SETS[name]
    squared = naive_squared(x, y)
    around_x = k_nearest_squared(x, x, 4, itself=True)[0][:, [0, 3]]
    around_y = k_nearest_squared(y, y, 3, itself=True)[0][:, [2]]
    of_x, of_y = ball_counts(x, y, around_x, around_y, block=32)
    for r in range(2):
        inside = squared <= around_x[:, [r]]
        assert torch.equal(of_x.centre[:, r], inside.sum(dim=1))
        assert torch.equal(of_x.point[:, r], inside.sum(dim=0))
    inside = squared <= around_y[:, 0]
    assert torch.equal(of_y.centre[:, 0], inside.sum(dim=0))
    assert torch.equal(of_y.point[:, 0], inside.sum(dim=1))


def test_a_row_on_the_surface_is_inside():
    """The radius reaches to a real neighbour, and the sample is a copy of it."""
    real = numbers(30, 5)
    distance, index = k_nearest_squared(real, real, 2, itself=True)
    copies = real[index[:, 1]]
    of_real, _ = ball_counts(real, copies, distance[:, [1]], torch.zeros(30, 1).double())
    assert (of_real.centre >= 1).all()


@pytest.mark.parametrize("short", [False, True])
def test_rows_rounded_for_matrix_units_change_nothing(monkeypatch, short):
    """The bound widens with the rounding, so the same pairs come out."""
    monkeypatch.setattr(neighbours.torch.cpu, "_is_amx_tile_supported", lambda: short)
    x, y = numbers(60, 256) + 3, numbers(80, 256, seed=1) + 3
    expected = naive_nearest(x, y, 3, False)
    rows = neighbours._Rows.of(x, y)
    assert rows.short is short
    low = rows.low(slice(None), slice(None))
    a, b = torch.ones_like(low).nonzero(as_tuple=True)
    high = low + rows.error(slice(None), slice(None), a, b).view_as(low)
    exact = naive_squared(x, y) * rows.scale**2
    assert ((low <= exact) & (exact <= high)).all()
    assert torch.equal(k_nearest(x, y, 3, block=32)[1], expected[1])


def test_few_pairs_are_measured_again(monkeypatch):
    counted = []
    measure = neighbours._squared

    def counting(q, c, row, column):
        counted.append(len(row))
        return measure(q, c, row, column)

    monkeypatch.setattr(neighbours, "_squared", counting)
    manifold(numbers(300, 50), numbers(300, 50, seed=1), block=64)
    assert sum(counted) < 300 * (5 + 3) * 1.2


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: k_nearest(numbers(3, 2), numbers(3, 2), 4), "too few"),
        (lambda: k_nearest(numbers(3, 2), numbers(3, 2), 3, itself=True), "too few"),
        (lambda: k_nearest(numbers(2, 2), numbers(3, 2), 1, itself=True), "are not"),
        (lambda: ball_counts(numbers(3, 2), numbers(3, 2), numbers(2, 1), numbers(3, 1)), "radii"),
        (lambda: manifold(numbers(5, 2), numbers(50, 2)), "too few"),
        (lambda: manifold(numbers(50, 2), numbers(50, 3)), "fit"),
        (lambda: manifold(numbers(50, 2), math.nan * numbers(50, 2)), "finite"),
    ],
)
def test_bad_input_is_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def naive_manifold(real, samples, k, k_density):
    """The papers' definitions, with a distance matrix each."""
    rr, ss, rs = naive_squared(real, real), naive_squared(samples, samples), None
    rs = naive_squared(real, samples)
    radius = rr.sort(dim=1).values  # column 0 is the row itself
    radius_s = ss.sort(dim=1).values
    return (
        (rs <= radius[:, [k]]).any(dim=0).double().mean().item(),
        (rs <= radius_s[:, k]).any(dim=1).double().mean().item(),
        (rs <= radius[:, [k_density]]).sum(dim=0).double().mean().item() / k_density,
        (rs.amin(dim=1) <= radius[:, k_density]).double().mean().item(),
    )


@pytest.mark.parametrize(("k", "k_density"), [(3, 5), (1, 1), (5, 3)])
@pytest.mark.parametrize("case", ["apart", "alike", "narrow", "copies", "float64 far out"])
def test_overlap_equals_the_definitions(case, k, k_density):
    real = numbers(90, 12)
    samples = {
        "apart": numbers(70, 12, seed=1) + 2,
        "alike": numbers(70, 12, seed=1),
        "narrow": 0.3 * numbers(70, 12, seed=1),
        "copies": real[:40].repeat(2, 1),
        "float64 far out": numbers(70, 12, seed=1),
    }[case]
    if "float64" in case:
        real, samples = 1e5 + real.double(), 1e5 + samples.double()
    result = manifold(real, samples, k=k, k_density=k_density, block=32)
    assert result.means() == pytest.approx(naive_manifold(real, samples, k, k_density), abs=1e-15)


def test_known_overlaps():
    """Identical sets; sets that do not meet; one distribution: density 1, coverage 1 - 2^-k."""
    x = numbers(400, 6)
    same = manifold(x, x.clone())
    assert same.means()[:2] == (1, 1)
    assert same.means()[3] == 1
    assert manifold(x, x + 100).means() == (0, 0, 0, 0)
    parts = [manifold(numbers(400, 6, seed=s), numbers(400, 6, seed=100 + s)) for s in range(8)]
    density, coverage = (sum(p.means()[i] for p in parts) / 8 for i in (2, 3))
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.01)


def test_a_narrow_sampler_is_precise_and_recalls_little():
    narrow = manifold(numbers(300, 4), 0.2 * numbers(300, 4, seed=1))
    precision, recall, density, coverage = narrow.means()
    assert precision > 0.95 > 0.5 > recall
    assert density > 1.2
    assert coverage < 0.6


def test_memory_is_that_of_blocks(monkeypatch):
    """No distance block is larger than asked for."""
    seen = []
    low = neighbours._Rows.low

    def watching(self, one, other):
        result = low(self, one, other)
        seen.append(result.shape)
        return result

    monkeypatch.setattr(neighbours._Rows, "low", watching)
    manifold(numbers(200, 5), numbers(150, 5, seed=1), block=64)
    assert max(max(shape) for shape in seen) <= 64
