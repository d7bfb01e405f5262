"""Missing classes and repeats, on planted samplers and closed forms."""

from __future__ import annotations

import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from genarium import data
from genarium.evaluation.diagnostics.dropping import dropping, unmixed
from genarium.evaluation.diagnostics.finding import Finding
from genarium.evaluation.diagnostics.findings import Originals, classes_finding, repeats_finding
from genarium.evaluation.diagnostics.repeats import (
    connected,
    poisson_interval,
    repeats,
    rounded,
    support,
)
from genarium.evaluation.diagnostics.watch import Watch, confusion, for_data
from genarium.evaluation.extractors.by_name import extractor

NAMES = tuple("0123456789")


def drawn(share: Tensor, named: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Names of n samples of a sampler with these shares, by a classifier that errs."""
    mixed = (share / share.sum()) @ (named / named.sum(1, keepdim=True))
    return torch.multinomial(mixed, n, replacement=True, generator=generator).bincount(minlength=10)


def erring(right: float) -> Tensor:
    """A classifier that is right so often, and else names the next class."""
    return 1000 * (right * torch.eye(10) + (1 - right) * torch.eye(10).roll(1, dims=1)).double()


@pytest.mark.parametrize("right", [1.0, 0.95])
@pytest.mark.parametrize("missing", [(), (3,), (0, 4, 9), (1, 2, 3, 5, 8)])
def test_missing_classes_are_named(right: float, missing: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    named, wrong = erring(right), 0
    for _ in range(20):
        share = torch.ones(10).double()
        share[list(missing)] = 0
        counts = drawn(share, named, 1000, generator)
        result = dropping(counts, torch.ones(10), named, NAMES)
        wrong += result.missing != missing
    assert wrong <= 1


def test_a_poor_classifier_names_no_class_wrongly() -> None:
    """It hides missing classes behind its errors, but makes none up."""
    generator, share = torch.Generator().manual_seed(0), torch.ones(10).double()
    share[3] = 0
    for _ in range(20):
        counts = drawn(share, erring(0.6), 1000, generator)
        result = dropping(counts, torch.ones(10), erring(0.6), NAMES)
        assert set(result.missing) <= {3}


def test_words() -> None:
    counts = torch.tensor([100, 0, 100, 100, 100, 100, 100, 100, 100, 200])
    result = dropping(counts, torch.ones(10), torch.zeros(10, 10), NAMES)
    assert result.text == "missing modes: 1"
    assert result.share[1] < 1e-6
    few = dropping(torch.ones(10), torch.ones(10), torch.zeros(10, 10), NAMES)
    assert few.text == "10 samples are too few to tell whether a class is missing"
    whole = dropping(torch.full((10,), 100), torch.ones(10), torch.zeros(10, 10), NAMES)
    assert whole.text == "no class is missing"


def test_a_class_that_the_data_lack_is_not_missing() -> None:
    expected = torch.ones(10)
    expected[4] = 0
    counts = torch.full((10,), 100)
    counts[4] = 0
    assert dropping(counts, expected, torch.zeros(10, 10), NAMES).missing == ()


def test_an_uneven_class_is_not_missing() -> None:
    """A third of its share is little, but it is there."""
    counts = torch.tensor([33, *[107] * 9])
    assert dropping(counts, torch.ones(10), torch.zeros(10, 10), NAMES).missing == ()


def test_shares_are_freed_of_the_errors() -> None:
    named = erring(0.8) / 1000
    share = torch.tensor([0.3, 0, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1]).double()
    assert torch.allclose(unmixed(1e6 * share @ named, named), share, atol=1e-3)


def test_poor_pictures_are_not_judged() -> None:
    result = dropping(torch.tensor([0, *[100] * 9]), torch.ones(10), torch.zeros(10, 10), NAMES)
    outcome = classes_finding(result, (0.6, 0.98))
    assert not outcome.detected
    assert outcome.text.startswith("cannot tell whether a class is missing: only 60 %")
    assert classes_finding(result, (0.95, 0.98)).text == "missing modes: 0"


def test_confusion_of_real_digits() -> None:
    digits = data.load("digits").validation
    result = confusion(extractor("digits"), digits.images[:300], digits.labels[:300])
    assert result.sum() == 300
    assert torch.equal(result.sum(dim=1), digits.labels[:300].bincount(minlength=10))
    assert result.diagonal().sum() >= 290


@pytest.mark.parametrize(("size", "n"), [(10, 1000), (500, 1000), (100_000, 1000)])
def test_support_inverts_the_birthday_formula(size: int, n: int) -> None:
    repeated = n - size * (1 - (1 - 1 / size) ** n)
    assert support(n, repeated) == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("size", [30, 400, 20_000])
def test_the_interval_of_the_support_covers_it(size: int) -> None:
    generator, covered = torch.Generator().manual_seed(0), 0
    from genarium.evaluation.diagnostics.repeats import _interval

    for _ in range(200):
        seen = len(torch.randint(size, (600,), generator=generator).unique())
        low, high = _interval(600, 600 - seen)
        upper = support(600, low) if low > 0 else float("inf")
        covered += support(600, high) <= size <= upper
    assert covered >= 180  # 95 % of 200; fewer has a chance of less than 1 in 1,000


def test_poisson_interval_of_none() -> None:
    assert poisson_interval(0) == pytest.approx((0, 3.689), abs=1e-3)


def test_rounded() -> None:
    assert [rounded(v) for v in (9.6, 173, 34_210)] == ["10", "170", "34,000"]


@pytest.fixture(scope="module")
def images() -> Tensor:
    order = torch.randperm(11_000, generator=torch.Generator().manual_seed(2))
    return data.load("digits").train.images[order]


def test_one_image_a_class_is_a_repeat(images: Tensor) -> None:
    originals = Originals(images[:400], images[400:600])
    noise = 5 * torch.randn(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    ten = images[600:610].repeat(20, 1, 1, 1)
    for samples in (ten, (ten + noise).clamp(0, 255).to(torch.uint8)):
        result = repeats_finding(samples, originals)
        assert result.detected
        assert result.numbers["different"] == 10
        assert result.text.startswith("repeats itself: 10 different pictures in 200 samples")
        assert result.images is not None
        assert len(result.images) == 8
    control = repeats_finding(images[700:900], originals)
    assert not control.detected
    assert control.text == "does not repeat itself in 200 samples"


def test_repeats_need_images(images: Tensor) -> None:
    empty = Originals(images[:40], images[40:60]).pool.nearest(images[:0])
    with pytest.raises(ValueError, match="needs samples"):
        repeats(empty, torch.ones(3))


def test_watch_of_a_data_set() -> None:
    watch = for_data(data.load("digits"))
    assert isinstance(watch, Watch)
    assert [metric.key for metric in watch.metrics()] == ["copied", "repeated", "missing-classes"]
    assert for_data(data.load("ring8")) is None


def test_a_finding_survives_json() -> None:
    result = Finding("copying", True, "text", "evidence", {"share": 0.2})
    assert Finding(**result.to_dict()) == result


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_scipy(seed: int) -> None:
    n, edges = 60, 35
    draw = torch.Generator().manual_seed(seed)
    a, b = torch.randint(n, (2, edges), generator=draw)
    graph = coo_array((torch.ones(edges).numpy(), (a.numpy(), b.numpy())), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    assert connected(n, a.tolist(), b.tolist()).tolist() == group.tolist()
