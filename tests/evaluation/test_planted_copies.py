"""FLD of samplers of which a known share are training images, by itself and through `evaluate`."""

import pytest
import torch
from torch import nn

from genarium.contract import Model, Spec, from_uint8
from genarium.evaluation.evaluate import evaluate_images, evaluate_model
from genarium.evaluation.extractors.extractor import from_module
from genarium.evaluation.images import Stored
from genarium.evaluation.metrics import likelihood_divergence as module
from genarium.evaluation.metrics.likelihood_divergence import (
    feature_likelihood_divergence as divergence,
)
from genarium.evaluation.scores.features import fld
from genarium.evaluation.scores.measured import Metric
from genarium.evaluation.scores.score import Score, differences, number

SHARES = (0.0, 0.05, 0.2, 1.0)
TRAIN, TEST, MADE = 900, 90, 60
FLD = (Metric(fld, needs=("pool", "train")),)


class Flat(nn.Module):
    def forward(self, x):
        return x.flatten(1), x.new_empty(len(x), 0)


KNOWN = from_module(Flat(), name="known", dims=16, prepare=lambda x: x.float() / 255, resize="none")


def numbers(n, dims=16, seed=0):
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed))


def pictures(n, seed):
    """uint8 [n,1,4,4]: no two alike."""
    return (128 + 30 * numbers(n, seed=seed)).clamp(0, 255).to(torch.uint8).view(n, 1, 4, 4)


def planted(share, control, train):
    """Honest samples, the first of them replaced by different training images."""
    count = round(share * len(control))
    return torch.cat([train[:: len(train) // len(control)][:count], control[count:]])


def in_order(values):
    assert values == sorted(values)
    assert values[1] < values[2]
    assert values[3] > 1000 > values[2]
    assert abs(values[0]) < 5


@pytest.mark.parametrize("seed", range(3))
def test_the_more_copies_the_worse(seed):
    train, test, control = (
        numbers(n, seed=10 * seed + i) for i, n in enumerate((TRAIN, TEST, MADE))
    )
    in_order([divergence(planted(share, control, train), train, test) for share in SHARES])


def test_the_more_copies_the_worse_among_images():
    train, test, control = (pictures(n, i) for i, n in enumerate((TRAIN, TEST, MADE)))
    results = [
        evaluate_images(
            planted(share, control, train), test, train=train, extractor=KNOWN, metrics=FLD
        ).get("FLD")
        for share in SHARES
    ]
    in_order([row.value for row in results])
    assert "60 samples, all 900 training images, 60 test images" in results[0].note
    assert "copies of training images" in results[3].note
    assert "copies of training images" not in results[0].note


class Copier(Model):
    """Draws given images, in order."""

    def __init__(self, images):
        super().__init__()
        self.spec, self.images, self.drawn = Spec(1, 4, 4), images, 0

    def sample(self, n, *, condition=None, generator=None):
        self.drawn += n
        return from_uint8(self.images[self.drawn - n : self.drawn])


def test_the_more_copies_the_worse_of_a_model():
    train, test, control = (pictures(n, i) for i, n in enumerate((TRAIN, TEST, MADE)))
    in_order(
        [
            evaluate_model(
                Copier(planted(share, control, train)),
                reference=test,
                train=train,
                extractor=KNOWN,
                n=MADE,
                batch=32,
                metrics=FLD,
            )
            .get("FLD")
            .value
            for share in SHARES
        ]
    )


class Counted(Stored):
    """Images that say how many of them were read."""

    read = 0

    def batches(self, batch):
        for part in super().batches(batch):
            self.read += len(part)
            yield part

    def take(self, rows):
        raise AssertionError("the training images were thinned")


def test_all_training_images_are_read():
    train = Counted(pictures(500, 0))
    evaluate_images(
        pictures(20, 1), pictures(20, 2), train=train, extractor=KNOWN, n=10, metrics=FLD
    )
    assert train.read == 500


def test_values_of_other_training_images_are_not_compared():
    results = [
        evaluate_images(
            pictures(20, 1), pictures(20, 2), train=pictures(90, s), extractor=KNOWN, metrics=FLD
        ).rows[0]
        for s in (3, 3, 4)
    ]
    assert not differences(results[0], results[1])
    assert "training SHA-256" in differences(results[0], results[2])[0]


def test_honest_samples_of_few_training_images_are_near_0():
    """Both mixtures have as many centres; with 35 for the baseline and 100 it was -5.1 ± 0.7."""
    values = [
        divergence(numbers(100, 4, s), numbers(70, 4, 50 + s), numbers(80, 4, 90 + s))
        for s in range(24)
    ]
    assert abs(sum(values) / 24) < 3


def test_distances_that_are_not_kept_give_the_same(monkeypatch):
    sets = numbers(40), numbers(300, seed=1), numbers(50, seed=2)
    kept = divergence(*sets)
    monkeypatch.setattr(module, "BLOCK", 500)
    assert divergence(*sets) == pytest.approx(kept, rel=1e-9)
    monkeypatch.setattr(module, "KEPT", 0)
    assert divergence(*sets) == pytest.approx(kept, abs=1e-5)


def test_no_block_is_larger_than_it_says(monkeypatch):
    """Memory: never all distances at once in float64."""
    monkeypatch.setattr(module, "BLOCK", 4000)
    whole = module._squared
    sizes = []

    def watched(x, y, norms):
        result = whole(x, y, norms)
        sizes.append(result.numel())
        return result

    monkeypatch.setattr(module, "_squared", watched)
    divergence(numbers(40), numbers(300, seed=1), numbers(200, seed=2))
    assert max(sizes) <= 4000
    assert sum(sizes) == 40 * (300 + 260 + 200 + 200)


def test_features_that_only_rounding_moves_are_constant():
    """The mean of equal numbers is off by a last digit, which is no scale."""
    sets = [numbers(n, seed=n) for n in (40, 300, 50)]
    wider = [torch.cat([rows, torch.full((len(rows), 5), 0.1)], dim=1) for rows in sets]
    assert divergence(*wider) == divergence(*sets)
    with pytest.raises(ValueError, match="do not vary"):
        divergence(*(torch.full((n, 5), 0.1) for n in (40, 300, 50)))


def test_a_huge_value_is_a_number_that_can_be_read():
    assert number(1.1839e18) == "1.18e+18"
    assert number(999_999_999.0) == "999,999,999"
    assert Score("FLD", 1.2e18, 3.4e17).interval[0] < 1.2e18
