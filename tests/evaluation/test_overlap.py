"""k nearest neighbours, ball counts, and precision, recall, density, coverage: naive float64."""

import math

import pytest
import torch

from genarium.evaluation.metrics import coarse, neighbours
from genarium.evaluation.metrics.manifold import manifold
from genarium.evaluation.metrics.neighbours import (
    ball_counts,
    k_nearest,
    k_nearest_squared,
    radii_squared,
)


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


CODES = {"float32": None, "8 bits": (127, 127), "8 and 7 bits": (127, 64)}


def use(monkeypatch, codes):
    """Products of float32 or of integers, whatever the processor and however few the numbers."""
    monkeypatch.setattr(coarse, "_bits", lambda: CODES[codes])
    monkeypatch.setattr(coarse, "LEAST", 1)


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
@pytest.mark.parametrize("codes", CODES)
def test_k_nearest_equals_naive(monkeypatch, name, k, codes):
    """Blocks of 32 rows, the last ones and their groups incomplete; every way of products."""
    use(monkeypatch, codes)
    x, y = SETS[name]
    for queries, corpus, itself in ((x, y, False), (y, y, True)):
        distance, index = k_nearest(queries, corpus, k, itself=itself, block=32)
        expected, where = naive_nearest(queries, corpus, k, itself)
        assert torch.equal(index, where)
        assert torch.allclose(distance, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("codes", CODES)
def test_ball_counts_equal_naive(monkeypatch, name, codes):
    use(monkeypatch, codes)
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


def hard_rows(name):
    """[N,300] rows that make codes and norms hard."""
    rows = numbers(60, 300)
    if name == "one number is 100 times the others":
        rows[:, 7] *= 100
    elif name == "sparse":
        rows = rows * (numbers(60, 300, seed=2) > 1.5)
    elif name == "norms from 1e-3 to 1":
        rows = rows * torch.logspace(-3, 0, 60)[:, None]
    elif name == "near ties":
        rows = rows[:6].repeat(10, 1).double() + 1e-7 * numbers(60, 300, seed=3).double()
    elif name == "one row and a zero":
        rows = torch.cat([rows[:1].repeat(59, 1), torch.zeros(1, 300)])
    return rows + 3


HARD = (
    "gaussian",
    "one number is 100 times the others",
    "sparse",
    "norms from 1e-3 to 1",
    "near ties",
    "one row and a zero",
)


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("codes", CODES)
def test_every_pair_is_within_the_bound(monkeypatch, name, codes):
    """The distance by the products, less and more what both rows may lose, holds the true one."""
    use(monkeypatch, codes)
    x = hard_rows(name)
    y = x[20:50] + 0.3 * numbers(30, 300, seed=1)
    rows = coarse.Coarse.of(x, y)
    assert (rows.q.codes.dtype == torch.int8) is (codes != "float32")
    product = rows.product(slice(60), slice(32))[:, :30]
    c = rows.c
    inner = product * rows.q.step[:60, None] * c.step[:30]
    middle = (rows.q.norm[:60, None] + c.norm[:30] - 2 * inner).double()
    loss = (rows.q.loss[:60, None] + c.loss[:30]).double()
    exact = (naive_squared(x, y) * rows.scale**2)[rows.q.order][:, c.order]
    assert ((exact - middle).abs() <= loss + rows.tiny).all()
    if codes != "float32" and name == "gaussian":  # and it is no wider than it must be
        assert loss.mean() < (0.05 if codes == "8 bits" else 0.08) * exact.mean()


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("codes", CODES)
def test_hard_rows_give_the_naive_answers(monkeypatch, name, codes):
    use(monkeypatch, codes)
    x = hard_rows(name)
    expected, where = naive_nearest(x, x, 4, True)
    distance, index = k_nearest(x, x, 4, itself=True, block=32)
    assert torch.equal(index, where)
    assert torch.allclose(distance, expected, rtol=1e-12, atol=1e-15)
    radii = radii_squared(x, (1, 4), block=32)
    assert torch.allclose(radii.sqrt(), expected[:, [0, 3]], rtol=1e-12, atol=1e-15)
    y = x[20:50].clone()  # on the surface of a ball, or next to it
    of_x, of_y = ball_counts(x, y, radii, radii[20:50], block=32)
    inside = naive_squared(x, y)
    for r in range(2):
        assert torch.equal(of_x.centre[:, r], (inside <= radii[:, [r]]).sum(dim=1))
        assert torch.equal(of_y.centre[:, r], (inside <= radii[20:50, r]).sum(dim=0))


def test_the_turn_is_orthogonal():
    """Whatever the length of a row; and no number of it says much about another."""
    for dims in (256, 300, 768, 1280, 2048, 3072):
        blocks = coarse._blocks(dims)
        assert dims <= blocks * coarse.PART < 1.25 * dims + coarse.PART
        across = coarse._across(blocks).double()
        assert torch.allclose(across @ across.T, torch.eye(blocks).double(), atol=1e-6)
    hadamard = coarse._hadamard(64)
    assert torch.equal(hadamard @ hadamard.T, 64 * torch.eye(64))


def test_integers_are_used_only_where_their_products_are_right(monkeypatch):
    """A processor that sums pairs of products in 16 bits keeps to 7 bits; a worse one to none."""

    def saturating(most):
        def product(a, b):
            wide = (a.int() + 128)[:, :, None] * b.int()[None]  # one side has no sign
            pairs = wide.unflatten(1, (-1, 2)).sum(dim=2).clamp(-most, most - 1)
            return (pairs.sum(dim=1) - 128 * b.int().sum(dim=0)).int()

        return product

    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for most, expected in ((10**6, (127, 127)), (2**15, (127, 64)), (10**4, None)):
        monkeypatch.setattr(torch, "_int_mm", saturating(most))
        coarse._bits.cache_clear()
        assert coarse._bits() == expected
    coarse._bits.cache_clear()


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
    """No block of products is larger than asked for."""
    seen = []
    product = coarse.Coarse.product

    def watching(self, one, other):
        result = product(self, one, other)
        seen.append(result.shape)
        return result

    monkeypatch.setattr(coarse.Coarse, "product", watching)
    manifold(numbers(200, 5), numbers(150, 5, seed=1), block=64)
    assert max(max(shape) for shape in seen) == 64
