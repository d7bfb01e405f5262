"""Modes captured, high quality and KL: closed forms, real data, and as rows of the table."""

import math

import pytest
import torch
from torch import nn

from genarium.contract import Model, Spec, from_uint8
from genarium.data import DataOptions, load
from genarium.errors import UserError
from genarium.evaluation.evaluate import evaluate_images, evaluate_model
from genarium.evaluation.extractors import by_name as features
from genarium.evaluation.scores import modes
from genarium.evaluation.scores.measured import Measured
from genarium.evaluation.scores.modes import assign, for_data, label_modes, mixture_modes
from genarium.evaluation.scores.registry import METRICS

CENTRES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


# ---------------------------------------------------------------------------------------------
# Pure functions


def test_samples_at_the_centres_are_all_modes():
    result = mixture_modes(CENTRES.repeat(5, 1), CENTRES, 0.1)
    assert (result.captured, result.modes) == (4, 4)
    assert result.high_quality == 1
    assert result.kl == 0
    assert result.counts.tolist() == [5] * 4


def test_one_mode_only_has_a_kl_of_ln_m():
    result = mixture_modes(CENTRES[2:3].repeat(7, 1), CENTRES, 0.1)
    assert result.captured == 1
    assert result.high_quality == 1
    assert result.kl == pytest.approx(math.log(4), rel=1e-12)


@pytest.mark.parametrize(("away", "counts"), [(2.9, True), (3.1, False)])
@pytest.mark.parametrize("direction", [(1, 0), (0, -1), (math.sqrt(0.5), math.sqrt(0.5))])
def test_the_edge_is_a_circle_of_three_sigma(away, counts, direction):
    point = CENTRES[1] + 0.1 * away * torch.tensor(direction)
    assert assign(point[None], CENTRES, 0.1).tolist() == [1 if counts else -1]
    assert mixture_modes(point[None], CENTRES, 0.1).captured == int(counts)


def test_the_radius_may_be_another():
    point = torch.tensor([[0.25, 0.0]])
    assert assign(point, CENTRES, 0.1, radius=2.0).tolist() == [-1]
    assert assign(point, CENTRES, 0.1, radius=3.0).tolist() == [0]


def test_only_samples_of_high_quality_are_in_the_kl():
    far = torch.full((60, 2), 2.0)
    result = mixture_modes(torch.cat([CENTRES[:2].repeat(20, 1), far]), CENTRES, 0.1)
    assert result.high_quality == pytest.approx(0.4)
    assert result.kl == pytest.approx(math.log(2), rel=1e-12)  # two of four, evenly


def test_the_kl_is_that_of_the_samples_against_the_data():
    labels = torch.tensor([0, 0, 0, 1])
    q = torch.tensor([0.5, 0.25, 0.25])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.25)
    assert label_modes(labels, 3, q).kl == pytest.approx(expected, rel=1e-6)
    even = 0.75 * math.log(0.75 * 3) + 0.25 * math.log(0.25 * 3)
    assert label_modes(labels, 3).kl == pytest.approx(even, rel=1e-12)
    assert label_modes(labels, 3, torch.tensor([0.0, 0.5, 0.5])).kl == math.inf


def test_no_sample_in_any_mode_has_no_kl():
    result = mixture_modes(torch.full((3, 2), 2.0), CENTRES, 0.1)
    assert (result.captured, result.high_quality, result.kl) == (0, 0, None)


def test_a_sample_that_is_not_finite_belongs_to_no_mode():
    points = torch.tensor([[math.nan, 0.0], [math.inf, 0.0], [0.0, 0.0]])
    assert assign(points, CENTRES, 0.1).tolist() == [-1, -1, 0]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        mixture_modes(CENTRES[:0], CENTRES, 0.1)
    with pytest.raises(ValueError, match=r"\[N,D\]"):
        mixture_modes(torch.zeros(2, 3), CENTRES, 0.1)
    with pytest.raises(ValueError, match="3 classes"):
        label_modes(torch.tensor([3]), 3)
    with pytest.raises(ValueError, match="shares of 1"):
        label_modes(torch.tensor([0]), 2, torch.tensor([0.5, 0.6]))


# ---------------------------------------------------------------------------------------------
# Real data


def share_after_rounding(mixture):
    """Share of high quality that points of the mixture have once stored, summed over the pixels."""
    scale, sigma = mixture["scale"], mixture["sigma"]
    values = (torch.arange(256, dtype=torch.float64) / 127.5 - 1) * scale
    edges = (values[1:] + values[:-1]) / 2
    total = 0.0
    for x, y in mixture["centres"]:
        mass = []
        for centre in (x, y):
            below = torch.special.ndtr((edges - centre) / sigma)
            cut = torch.cat([torch.zeros(1), below, torch.ones(1)])
            mass.append(cut.diff())
        away = torch.hypot(values[:, None] - x, values[None, :] - y)
        total += (mass[0][:, None] * mass[1][None, :])[away < 3 * sigma].sum().item()
    return total / len(mixture["centres"])


@pytest.mark.parametrize(
    ("name", "count", "stored"), [("ring8", 8, 0.9872), ("grid25", 25, 0.9887)]
)
def test_held_out_points_have_all_modes_and_the_quality_that_is_possible(name, count, stored):
    data = load(name)
    mixture = data.info["mixture"]
    expected = share_after_rounding(mixture)
    assert expected == pytest.approx(stored, abs=5e-5)  # as documented
    assert expected == pytest.approx(1 - math.exp(-4.5), abs=2e-3)  # what rounding leaves of it
    points = from_uint8(data.test.images).flatten(1) * mixture["scale"]
    result = mixture_modes(points, torch.tensor(mixture["centres"]), mixture["sigma"])
    assert result.captured == count
    assert result.high_quality == pytest.approx(expected, abs=4 * math.sqrt(0.0125 / len(points)))
    assert result.kl < 3 * (count - 1) / (2 * len(points))
    # and each sample was given the mode that it was drawn from
    near = assign(points, torch.tensor(mixture["centres"]), mixture["sigma"])
    assert (near[near >= 0] == data.test.labels[near >= 0]).all()


@pytest.fixture(scope="module")
def stacked(tmp_path_factory):
    cache = str(tmp_path_factory.mktemp("cache"))
    return load("stacked-mnist:n=100", DataOptions(cache=cache))


def test_held_out_stacked_digits_have_a_thousand_modes(stacked):
    result = label_modes(stacked.test.labels, 1000)
    assert result.captured == 1000
    chance = 999 / (2 * len(stacked.test))
    # by chance .019; the rest is that the digits are not equally frequent
    digits = load("digits").test.labels.bincount().double() / 2000
    uneven = 3 * (digits * (digits * 10).log()).sum().item()
    assert result.kl == pytest.approx(chance + uneven, rel=0.15)
    target = torch.cartesian_prod(digits, digits, digits).prod(1)
    assert label_modes(stacked.test.labels, 1000, target).kl == pytest.approx(chance, rel=0.15)


# ---------------------------------------------------------------------------------------------
# As rows of the table


def table(images, data, n=None, extractor=None):
    return evaluate_images(
        images,
        data.test.images,
        n=n,
        extractor=extractor or features.default_for(data.name, data.spec),
        metrics=(*METRICS, *for_data(data.info)),
    )


def test_most_data_ask_for_no_modes():
    assert for_data({}) == ()
    assert for_data(load("digits").info) == ()


class Drawn(Model):
    """Gives images of a list, in turn."""

    def __init__(self, images, spec):
        super().__init__()
        self.images, self.spec = images, spec
        self.weight = nn.Parameter(torch.zeros(1))

    def sample(self, n, *, condition=None, generator=None):
        rows = torch.randint(len(self.images), (n,), generator=generator)
        return from_uint8(self.images[rows])


def test_a_model_of_points_is_scored_by_modes_and_not_by_sharpness():
    data = load("grid25:n=5000")
    some = data.train.images[data.train.labels < 3]  # three modes of 25
    scores = evaluate_model(
        Drawn(some, data.spec),
        reference=data.test.images,
        labels=data.test.labels,
        extractor="pixels",
        n=2000,
        metrics=(*METRICS, *for_data(data.info)),
    )
    assert [row.name for row in scores.rows] == [
        "FID (pixels)",
        "KID (pixels)",
        "precision (pixels)",
        "recall (pixels)",
        "modes captured",
        "high quality",
        "KL of modes",
        "missing modes",
        "samples/s",
        "parameters",
    ]
    assert scores.warnings == []
    captured, quality, kl = (
        scores.get(n) for n in ("modes captured", "high quality", "KL of modes")
    )
    assert (captured.value, captured.reference, captured.unit) == (3, 25, "of 25")
    assert quality.value == pytest.approx(0.99, abs=0.01)
    assert quality.std == pytest.approx(math.sqrt(quality.value * (1 - quality.value) / 2000))
    assert quality.interval[0] < quality.value < quality.interval[1]
    assert (captured.std, captured.interval) == (0, (3, 3))
    (finding,) = scores.findings
    assert finding.detected
    assert finding.text.startswith("missing modes: ")
    present = {str(int(k) + 1) for k in data.train.labels[data.train.labels < 3]}
    assert {*finding.numbers["missing"]} == {str(k + 1) for k in range(25)} - present
    assert scores.get("missing modes").value == 22
    assert kl.value == pytest.approx(math.log(25 / 3), abs=0.01)
    assert kl.reference < 0.02
    assert "extractor" not in kl.basis
    assert kl.basis["samples"] == 2000


def test_no_mode_of_held_out_points_is_missing():
    data = load("grid25:n=5000")
    scores = table(data.validation.images, data)
    assert scores.get("missing modes").value == 0
    assert [finding.text for finding in scores.findings] == ["no mode is missing"]


def test_the_errors_of_captured_modes_and_kl_are_those_of_repetitions():
    """250 of 400 even modes are drawn, 300 samples at a time: some are met once, some never."""
    centres = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    mixture = {"centres": centres.tolist(), "sigma": 0.1, "scale": 1.0}
    metrics = modes.mixture_metrics(mixture)
    captured, _, kl, _ = (metric.score for metric in metrics)
    values, errors = [], []
    for seed in range(60):
        drawn = torch.randint(250, (300,), generator=torch.Generator().manual_seed(seed))
        one = Measured("sample", features.extractor("pixels", shape=(1, 1, 2)), metrics)
        one.count = 300
        one._kept["mode"].append(drawn)
        result = captured(one, one), kl(one, one)
        values.append([score.value for score in result])
        errors.append([score.std for score in result])
    spread = torch.tensor(values).std(0)
    said = torch.tensor(errors).square().mean(0).sqrt()
    assert 1 <= said[0] / spread[0] < 2  # the jackknife is careful
    assert said[1] / spread[1] == pytest.approx(1, abs=0.35)


def test_points_that_are_nowhere_have_no_kl_and_a_warning_says_so():
    data = load("ring8:n=10")
    scores = table(torch.full((50, 1, 1, 2), 128, dtype=torch.uint8), data)
    assert scores.get("modes captured").value == 0
    assert scores.get("KL of modes") is None
    assert scores.warnings == ["left out KL of modes: no sample belongs to a mode"]


def test_stacked_digits_are_read_channel_by_channel(stacked):
    one = stacked.test.images[stacked.test.labels == 123]
    scores = table(one, stacked)
    assert scores.get("modes captured").value <= 3  # one, and now and then a misread digit
    assert scores.get("KL of modes").value == pytest.approx(math.log(1000), rel=0.1)
    assert scores.get("FID").name == "FID (stacked-digits-cnn)"
    assert scores.get("recognised") is None
    assert "extractor" in scores.get("KL of modes").basis
    real = table(stacked.validation.images, stacked, n=300)
    assert real.get("modes captured").value == pytest.approx(
        real.get("modes captured").reference, rel=0.1
    )
    read = features.extractor("stacked-digits")(stacked.test.images[:300]).logits
    labels = read.view(300, 3, 10).argmax(2) @ torch.tensor([100, 10, 1])
    assert (labels == stacked.test.labels[:300]).double().mean() > 0.95


def test_modes_of_stacked_digits_need_their_extractor(stacked):
    scores = table(stacked.validation.images[:20], stacked, extractor="fashion-proxy")
    assert scores.get("modes captured") is None
    assert all("leave --extractor out" in warning for warning in scores.warnings)
    assert len(scores.warnings) == 3


# ---------------------------------------------------------------------------------------------
# The extractors that they need


def test_pixels_are_their_own_features():
    images = torch.tensor([[[[0, 255]]], [[[51, 204]]]], dtype=torch.uint8)
    result = features.extractor("pixels", shape=(1, 1, 2))
    pool, logits = result(images)
    assert pool.tolist() == [pytest.approx(row) for row in ([-1, 1], [-0.6, 0.6])]
    assert logits.shape == (2, 0)
    assert (result.dims, result.classes) == (2, ())


def test_fid_on_pixels_is_the_shift_of_the_mean():
    data = load("ring8:n=100")
    images = data.test.images[:2000].clamp(20, 235)
    shifted = images - torch.tensor([0, 10], dtype=torch.uint8)
    scores = evaluate_images(shifted, images, extractor="pixels")
    assert scores.get("FID").value == pytest.approx((10 / 127.5) ** 2, rel=1e-4)
    assert "pixels themselves" in scores.get("FID").note
    assert "other images" not in scores.get("FID").note


@pytest.mark.parametrize(
    ("name", "images", "reference", "says"),
    [
        ("pixels", (4, 1, 3, 3), (4, 1, 2, 2), "1x3x3, the reference 1x2x2"),
        ("pixels", (4, 3, 64, 64), (4, 3, 64, 64), "12,288 pixels, more than"),
        ("stacked-digits", (4, 1, 28, 28), (4, 1, 28, 28), "takes RGB images"),
    ],
)
def test_extractors_refuse_what_they_cannot_take(name, images, reference, says):
    one, other = (torch.zeros(s, dtype=torch.uint8) for s in (images, reference))
    with pytest.raises(UserError, match=says) as caught:
        evaluate_images(one, other, extractor=name)
    assert "\n" not in str(caught.value)


def test_the_extractor_of_pixels_asks_for_the_shape():
    with pytest.raises(ValueError, match="shape"):
        features.extractor("pixels")


def test_stacked_features_are_those_of_the_channels_side_by_side():
    images = torch.randint(256, (5, 3, 28, 28), dtype=torch.uint8)
    pool, logits = features.extractor("stacked-digits")(images)
    digits = features.extractor("digits")
    for channel in range(3):
        alone = digits(images[:, channel : channel + 1])
        assert torch.allclose(pool[:, 96 * channel : 96 * (channel + 1)], alone.pool, atol=1e-5)
        assert torch.allclose(logits[:, 10 * channel : 10 * (channel + 1)], alone.logits, atol=1e-4)
    assert features.extractor("stacked-digits-cnn").hash == digits.hash


def test_defaults_for_points_and_stacked_digits():
    thousand = tuple(map(str, range(1000)))
    assert features.default_for("ring8", Spec(1, 1, 2, ("a",) * 8)) == "pixels"
    assert features.default_for("points of mine", Spec(1, 1, 2)) == "pixels"
    assert features.default_for("stacked-mnist", Spec(3, 28, 28, thousand)) == "stacked-digits"
    two = Spec(3, 28, 28, ("a", "b"))
    assert features.default_for("stacked-mnist", two) == "efficientnet-lite0"


def test_the_score_asked_for_is_one_of_the_known_facts():
    assert set(modes.ASKED_BY) == {"mixture", "stacked"}
