"""Probes, PCA, clusters and maps against what is known beforehand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from genarium.features import accuracy, balanced, cluster, pca, probe, project


def blobs(n: int, distance: float, seed: int, dims: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Three unit Gaussians around the corners of an equilateral triangle."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    corners = torch.zeros(3, dims)
    for k in range(3):
        angle = 2 * math.pi * k / 3
        corners[k, 0], corners[k, 1] = math.cos(angle), math.sin(angle)
    return distance * corners[labels] + torch.randn(n, dims, generator=generator), labels


def test_separated_classes_are_found_and_equal_ones_are_not() -> None:
    parts = [blobs(n, 8.0, seed) for seed, n in enumerate((300, 150, 300))]
    result = probe(*parts)
    assert result.linear == 1.0
    assert result.knn == 1.0
    assert (result.dims, result.labels, result.test) == (4, 300, 300)
    chance = probe(*(blobs(n, 0.0, seed) for seed, n in enumerate((300, 150, 600))))
    assert chance.linear == pytest.approx(1 / 3, abs=0.08)
    assert chance.knn == pytest.approx(1 / 3, abs=0.08)
    expected = math.sqrt(chance.knn * (1 - chance.knn) / 600)
    assert chance.knn_error == pytest.approx(expected)


def test_the_scale_of_a_column_does_not_matter() -> None:
    parts = [blobs(n, 3.0, seed) for seed, n in enumerate((300, 150, 300))]
    scaled = [(codes * torch.tensor([1e4, 1e-4, 1.0, 0.0]), y) for codes, y in parts]
    without = [(codes[:, :3], y) for codes, y in parts]
    a, b = probe(*scaled), probe(*without)
    assert a.dims == 3  # the constant column is left out
    assert (a.linear, a.knn) == pytest.approx((b.linear, b.knn))


def test_the_vote_is_the_naive_one() -> None:
    from genarium.features.probe import _nearest

    (x, y), (asked, _) = blobs(60, 1.5, 0), blobs(40, 1.5, 1)
    for k in (1, 2, 5):
        result = _nearest(x.numpy(), y.numpy(), asked.numpy(), [k])[0]
        for row, code in enumerate(asked):
            near = (x - code).norm(dim=1).argsort()[:k]
            votes = [int((y[near] == c).sum()) for c in range(3)]
            best = [c for c in range(3) if votes[c] == max(votes)]
            first = next(int(y[i]) for i in near if int(y[i]) in best)
            assert result[row] == first


@pytest.mark.parametrize(
    ("codes", "labels", "words"),
    [
        (torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64), "do not pair up"),
        (torch.full((4, 2), math.nan), torch.tensor([0, 1, 0, 1]), "finite"),
        (torch.randn(4, 2), torch.zeros(4, dtype=torch.int64), "two classes"),
    ],
)
def test_what_cannot_be_probed_is_refused(codes, labels, words) -> None:
    good = (torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(ValueError, match=words):
        probe((codes, labels), good, good)


def test_pca_is_the_best_linear_reduction() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 3
    (first,) = pca(x, 2)
    # the variance of the components is that of numpy's singular values
    s = np.linalg.svd((x - x.mean(0)).double().numpy(), compute_uv=False)
    assert first.double().square().sum(0).tolist() == pytest.approx((s[:2] ** 2).tolist(), rel=1e-4)
    whole, other = pca(x, 99, x[:5])
    assert whole.shape == (200, 6)
    torch.testing.assert_close(other, whole[:5])
    torch.testing.assert_close(pca(-x, 2)[0].abs(), first.abs())


def test_accuracy_is_the_best_naming_of_all() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.randint(4, (60,), generator=generator)
    labels = torch.randint(4, (60,), generator=generator)
    best = max(
        (torch.tensor(names)[groups] == labels).double().mean().item()
        for names in itertools.permutations(range(4))
    )
    assert accuracy(groups, labels) == pytest.approx(best)
    # two groups of one class: one of them stays without a name
    assert accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 0, 1, 1])) == 0.75


@pytest.mark.parametrize("method", ["k-means", "mixture"])
def test_separated_groups_are_found(method) -> None:
    (train, _), (held_out, labels) = blobs(240, 8.0, 0), blobs(90, 8.0, 1)
    result = cluster(train, held_out, labels, count=3, method=method)
    assert result.accuracy == 1.0
    assert result.nmi == pytest.approx(1.0)
    assert result.ari == pytest.approx(1.0)
    again = cluster(train, held_out, labels, count=3, method=method)
    assert torch.equal(result.groups, again.groups)
    chance = cluster(train, held_out, labels.roll(1), count=3, method=method)
    assert chance.accuracy == 1.0  # names do not matter
    shuffled = labels[torch.randperm(90, generator=torch.Generator().manual_seed(0))]
    assert abs(cluster(train, held_out, shuffled, count=3, method=method).ari) < 0.1


def test_a_mixture_finds_what_k_means_cannot() -> None:
    """A dense cloud within a wide one: they share a centre, not a covariance."""
    generator = torch.Generator().manual_seed(0)

    def clouds(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(n) % 2
        return torch.randn(n, 2, generator=generator) * torch.tensor([0.1, 5.0])[
            labels, None
        ], labels

    (train, _), (held_out, labels) = clouds(400), clouds(200)
    assert cluster(train, held_out, labels, count=2).accuracy < 0.7
    assert cluster(train, held_out, labels, count=2, method="mixture").accuracy > 0.97


def test_a_wide_code_is_reduced_for_the_mixture() -> None:
    x = torch.randn(120, 60, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(120) % 2
    assert cluster(x, x, labels, count=2, method="mixture").reduced == 50
    assert cluster(x, x, labels, count=2).reduced is None


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_keeps_separated_groups_apart(method) -> None:
    codes, labels = blobs(120, 12.0, 0, dims=7)
    places = project(codes, method, perplexity=10.0)
    assert places.shape == (120, 2)
    centres = torch.stack([places[labels == k].mean(0) for k in range(3)])
    assert torch.equal(torch.cdist(places, centres).argmin(1), labels)
    assert torch.equal(places, project(codes, method, perplexity=10.0))


def test_maps_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="too few"):
        project(torch.randn(20, 3), "tsne")
    with pytest.raises(ValueError, match="not 2"):
        project(torch.randn(20, 3), "none")
    assert project(torch.randn(20, 1), "pca").shape == (20, 2)


def test_few_labels_are_fair_and_grow() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 3)
    rows = balanced(labels, 20, seed=1)
    assert len(set(rows.tolist())) == 20
    counts = torch.bincount(labels[rows]).tolist()
    assert counts[2] == 3
    assert sorted(counts[:2]) == [8, 9]
    assert set(rows.tolist()) <= set(balanced(labels, 40, seed=1).tolist())
    assert not torch.equal(rows, balanced(labels, 20, seed=2))
    assert torch.equal(balanced(labels, 83, seed=0), torch.arange(83))
    with pytest.raises(ValueError, match="83 labels"):
        balanced(labels, 84, seed=0)
