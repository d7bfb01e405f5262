"""No set of images or features, however poor, lets a score raise out of `evaluate`.

Every score there is (of every table, on demand, the verdicts, the modes) on every such set: what
cannot be computed is left out with a reason.
"""

import json
import math
import warnings

import pytest
import torch
from torch import nn

from genarium.contract import Model, Spec, from_uint8
from genarium.evaluation.diagnostics.watch import Watch
from genarium.evaluation.evaluate import evaluate_images, evaluate_model
from genarium.evaluation.extractors.extractor import from_module
from genarium.evaluation.scores.modes import mixture_metrics, stacked_metrics
from genarium.evaluation.scores.registry import METRICS, MORE

N = 30
CLASSES = ("a", "b", "c")


def noise(n=N, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 8, 8), generator=generator).to(torch.uint8)


class Network(nn.Module):
    """Averages of quarters and three classes; `change` is made to either."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        pool = nn.functional.avg_pool2d(x, 4).flatten(1)
        return self.change(pool), self.change(20 * pool[:, :3])


def some(value, rows=slice(0, 3)):
    """A few images have this value for a feature."""

    def change(x):
        x = x.clone()
        x[rows, 0] = value
        return x

    return change


FEATURES = {
    "as they are": lambda x: x,
    "constant": lambda x: torch.full_like(x, 0.1),
    "zero": torch.zeros_like,
    "constant but one": lambda x: torch.cat([torch.full_like(x[:, 1:], 0.1), x[:, :1]], dim=1),
    "huge": lambda x: 1e38 * x,
    "tiny": lambda x: 1e-38 * x,
    "some NaN": some(math.nan),
    "some infinite": some(-math.inf),
    "all NaN": lambda x: x * math.nan,
}
SETS = {
    "unlike": (noise(), noise(seed=1), noise(3 * N, seed=2)),
    "constant images": (torch.full((N, 1, 8, 8), 7, dtype=torch.uint8),) * 3,
    "constant samples": (noise()[:1].expand(N, -1, -1, -1), noise(seed=1), noise(90, seed=2)),
    "constant reference": (noise(), noise()[:1].expand(N, -1, -1, -1), noise(90, seed=2)),
    "constant training images": (noise(), noise(seed=1), noise()[:1].expand(90, -1, -1, -1)),
    "identical": (noise(), noise(), noise()),
    "black and white": (torch.zeros_like(noise()), torch.full_like(noise(), 255), noise(90)),
    "one image": (noise(1), noise(1, 1), noise(1, 2)),
    "one sample": (noise(1), noise(seed=1), noise(90, 2)),
    "one training image": (noise(), noise(seed=1), noise(1, 2)),
    "two images": (noise(2), noise(2, 1), noise(2, 2)),
    "five images": (noise(5), noise(5, 1), noise(5, 2)),
}


def extractor(features):
    return from_module(
        Network(FEATURES[features]),
        name="known",
        dims=4,
        prepare=lambda images: images.float() / 255,
        resize="none",
        classes=CLASSES,
    )


def all_metrics(train, heldout):
    labels = [torch.arange(len(images)) % 3 for images in (train, heldout)]
    mixture = {"centres": torch.zeros(2, 64).tolist(), "sigma": 1.0, "scale": 1.0}
    return (
        *METRICS,
        *MORE,
        *Watch(train, heldout, *labels).metrics(),
        *mixture_metrics(mixture),
        *stacked_metrics({"channels": 1, "classes": 3}),
    )


class Sampler(Model):
    """Draws given images, and has a posterior, reconstructions and a likelihood that are broken."""

    density = "noise"

    def __init__(self, images, value):
        super().__init__()
        self.spec, self.images, self.value = Spec(1, 8, 8, CLASSES), images, value

    def sample(self, n, *, condition=None, generator=None):
        return from_uint8(self.images[torch.arange(n) % len(self.images)])

    def log_prob(self, images, condition=None):
        return torch.full((len(images),), self.value)

    def reconstruct(self, images):
        return torch.full(images.shape, self.value)

    def posterior(self, images):
        return torch.full((len(images), 2), self.value), torch.zeros(len(images), 2)

    def cluster(self, images):
        return torch.zeros(len(images), dtype=torch.int64)

    def memberships(self, images):
        return torch.full((len(images), 3), self.value)


def check(scores, metrics):
    """Every number is finite, and what is missing is said; two verdicts may have no row."""
    json.loads(scores.to_json())
    scores.table()
    assert all(math.isfinite(row.value) for row in scores.rows)
    assert len(scores.rows) + len(scores.warnings) >= len(metrics) - 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sets", SETS)
@pytest.mark.parametrize("features", FEATURES)
def test_every_score_of_every_poor_set(features, sets):
    samples, reference, train = SETS[sets]
    metrics = all_metrics(train, reference)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        scores = evaluate_images(
            samples, reference, train=train, extractor=extractor(features), metrics=metrics
        )
    check(scores, metrics)


@pytest.mark.parametrize("features", ["some NaN", "all NaN", "some infinite"])
def test_features_that_are_not_finite_leave_out_what_reads_them(features):
    samples, reference, train = SETS["unlike"]
    metrics = (*METRICS, *MORE)
    scores = evaluate_images(
        samples, reference, train=train, extractor=extractor(features), metrics=metrics
    )
    assert [row.name for row in scores.rows] == ["sharpness"]
    count = 3 if features != "all NaN" else N
    for name in ("fid", "kid", "fld", "coverage"):
        (words,) = [w for w in scores.warnings if w.startswith(f"left out {name}: ")]
        assert f"known gave pool features that are not finite for {count} of 30 sample" in words


def test_constant_features_leave_out_the_likelihood_and_nothing_else():
    samples, reference, train = SETS["unlike"]
    scores = evaluate_images(
        samples, reference, train=train, extractor=extractor("constant"), metrics=(*METRICS, *MORE)
    )
    assert "left out FLD (known): the test images do not vary in any feature" in scores.warnings
    fid, kid = scores.get("FID"), scores.get("KID")
    assert fid.value == 0
    assert kid.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1.0])
@pytest.mark.parametrize("features", ["as they are", "constant", "some NaN"])
def test_a_model_whose_numbers_are_broken(features, value):
    samples, reference, train = SETS["unlike"]
    metrics = all_metrics(train, reference)
    scores = evaluate_model(
        Sampler(samples, value),
        reference=reference,
        labels=torch.arange(N) % 3,
        train=train,
        extractor=extractor(features),
        metrics=metrics,
        batch=16,
    )
    check(scores, metrics)
    if not math.isfinite(value):
        for words in ("bits/dim", "reconstruction MSE", "active units", "group information"):
            assert any(w.startswith(f"left out {words}: ") for w in scores.warnings), words
