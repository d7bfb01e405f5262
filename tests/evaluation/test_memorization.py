"""Published measures of memorization against their definitions, spelt out in float64."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.cluster import KMeans
from torch import Tensor

from genarium.evaluation.diagnostics.data_copying import data_copying
from genarium.evaluation.metrics.memorization import authenticity, mann_whitney_z, nearest_gap


def points(n: int, seed: int, dims: int = 4) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed))


def to_nearest(rows: Tensor, corpus: Tensor) -> Tensor:
    return torch.cdist(rows.double(), corpus.double()).amin(dim=1)


def test_authenticity_is_that_of_the_definition() -> None:
    samples, train = points(60, 0), points(80, 1)
    distances = torch.cdist(train.double(), train.double()).fill_diagonal_(torch.inf)
    count = 0
    for one in samples.double():
        distance = (train.double() - one).norm(dim=1)
        count += bool(distance.min() > distances[distance.argmin()].min())
    assert authenticity(samples, train) == count / 60
    assert 0.3 < authenticity(samples, train) < 0.8
    assert authenticity(train[:20], train) == 0


def test_mann_whitney_is_scipys() -> None:
    a, b = (
        points(40, 0, 1).flatten().round(decimals=1),
        points(70, 1, 1).flatten().round(decimals=1),
    )
    wanted = mannwhitneyu(a.numpy(), b.numpy()).statistic
    z = (wanted - 40 * 70 / 2) / math.sqrt(40 * 70 * 111 / 12)
    assert mann_whitney_z(a, b) == pytest.approx(z)


def test_data_copying_is_that_of_the_definition() -> None:
    samples, train, test = points(200, 0), points(300, 1), points(150, 2)
    means = KMeans(3, n_init=3, random_state=0).fit(train.numpy())
    parts = [torch.from_numpy(means.predict(x.numpy())) for x in (samples, train, test)]
    total = weight = 0.0
    for cell in range(3):
        q, t, p = (x[part == cell] for x, part in zip((samples, train, test), parts))
        u = mannwhitneyu(to_nearest(q, t).numpy(), to_nearest(p, t).numpy()).statistic
        m, n = len(q), len(p)
        total += n / 150 * (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
        weight += n / 150
    assert data_copying(samples, train, test, cells=3) == pytest.approx(total / weight, abs=1e-9)
    assert abs(total / weight) < 3
    assert data_copying(train[:200], train, test, cells=3) < -8
    with pytest.raises(ValueError, match="no cell"):
        data_copying(samples[:5], train, test)


def test_nearest_gap() -> None:
    samples, train, test = points(200, 0), points(300, 1), points(100, 2)
    assert 0.4 < nearest_gap(samples, train, test).share < 0.6
    copier = nearest_gap(train[:200], train, test)
    assert copier.share > 0.6  # a third of the training images is compared with
    assert nearest_gap(test, train, test).share == 0
    assert nearest_gap(samples, test, test).share == 0.5
    with pytest.raises(ValueError, match="needs samples"):
        nearest_gap(samples[:0], train, test)
