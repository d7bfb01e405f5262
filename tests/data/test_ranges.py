"""The range policy: what is decided from the data, said, hashed and refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genarium.contract import EIGHT_BIT, Values
from genarium.data import Collection, DataOptions, Part, Request, from_arrays, load, source
from genarium.data.cache import cached
from genarium.data.collection import conform, eight_bits
from genarium.data.options import RangeRule
from genarium.data.ranges import ends, percentiles
from genarium.errors import UserError

DRAW = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "genarium.data")  # --quiet of a test before may have raised it


def _twelve(top: int = 4000) -> np.ndarray:
    return DRAW.integers(0, top + 1, (60, 2, 5, 4)).astype(np.uint16)


def _floats() -> np.ndarray:
    return (DRAW.standard_normal((60, 2, 5, 4)) * 300 - 100).astype(np.float32)


HELD: dict[str, Collection] = {}


@source("held", summary="what a test holds", licence="none")
def held(request: object, *, key: str = "") -> Collection:
    return HELD[key]


def read(images: np.ndarray, tmp_path, **options):  # type: ignore[no-untyped-def]
    """A data set of the images through the whole door; equal thirds are its splits."""
    facts = {key: options.pop(key) for key in ("full", "unit") if key in options}
    thirds = np.array_split(images, 3)
    parts = {n: Part(i) for n, i in zip(("train", "validation", "test"), thirds, strict=True)}
    HELD["x"] = Collection(parts, **facts)
    return load("held:key=x", DataOptions(cache=str(tmp_path), **options), progress=False)


def test_percentiles_are_numpys_to_the_last_bit():
    odd = np.concatenate([_floats().ravel(), [-0.0, 0.0, 1e-30, -1e30, 3e38]]).astype(np.float32)
    for values in (odd[:2400].reshape(60, 2, 5, 4), _twelve(), _twelve(200).astype(np.uint8)):
        for q in (0.0, 0.1, 25.0, 50.0, 99.9, 100.0):
            (ours,) = percentiles(values, (q,), per_channel=True)
            theirs = [np.percentile(values[:, c], q, method="inverted_cdf") for c in range(2)]
            assert ours.tolist() == [float(v) for v in theirs], q
            (pooled,) = percentiles(values, (q,), per_channel=False)
            assert pooled.tolist() == [float(np.percentile(values, q, method="inverted_cdf"))]


def test_ends_do_not_depend_on_the_pieces(monkeypatch):
    monkeypatch.setattr(
        "genarium.data.ranges.chunks", lambda x: (slice(i, i + 7) for i in range(0, 60, 7))
    )
    images = _floats()
    low, high = ends(images)
    assert low.tolist() == images.min(axis=(0, 2, 3)).tolist()
    assert high.tolist() == images.max(axis=(0, 2, 3)).tolist()


def test_eight_bits_say_nothing_and_hash_as_before(tmp_path):
    images = DRAW.integers(0, 256, (60, 1, 6, 6)).astype(np.uint8)
    plain = read(images, tmp_path)
    assert plain.spec.values == EIGHT_BIT
    assert "values" not in plain.info
    assert "range" not in plain.info["policy"]
    for same in ("full", "8-bit", "0,255"):
        assert read(images, tmp_path, range=same).manifest == plain.manifest
    other = read(images, tmp_path, range="0,100")
    assert other.manifest != plain.manifest
    assert other.spec.values == Values("uint8", (0.0,), (100.0,))


def test_auto_takes_the_bits_that_files_state_else_the_fewest(tmp_path, caplog):
    images = _twelve()
    assert read(images, tmp_path).spec.values.high == (4095.0,)
    assert "no training image exceeds" in caplog.text
    caplog.clear()
    stated = read(images, tmp_path, full=((0.0,), (16383.0,)))
    assert stated.spec.values.high == (16383.0,)
    assert not caplog.text
    whole = read(images, tmp_path, full=((0.0,), (65535.0,)))  # as any file of 16 bits says
    assert whole.spec.values.high == (4095.0,)
    caplog.clear()
    images[0, 0, 0, 0] = 40000
    assert read(images, tmp_path).spec.values.high == (65535.0,)
    assert read(_twelve(), tmp_path, range="full").spec.values.high == (65535.0,)
    assert not caplog.text


def test_floats_take_the_ends_of_the_training_images(tmp_path, caplog):
    images = _floats()
    images[-1] = 5000.0
    dataset = read(images, tmp_path, unit="HU")
    values, train = dataset.spec.values, images[:20]
    assert values == Values("float32", (float(train.min()),), (float(train.max()),))
    assert (values.unit, dataset.info["values"]["unit"]) == ("HU", "HU")
    assert "0 % of train" in caplog.text
    assert f"{100 / 20:.1g}" in caplog.text.partition("% of validation, ")[2]  # the last, of 20
    each = read(images, tmp_path, range="data,per-channel").spec.values
    assert each.low == tuple(train.min(axis=(0, 2, 3)).tolist())
    assert torch.equal(dataset.train.images, torch.from_numpy(train))


def test_percentiles_and_given_ends_clip_and_say_how_much(tmp_path):
    images = _twelve()
    values = read(images, tmp_path, range="percentile:1,99").spec.values
    low, high = np.percentile(images[:20], (1, 99), method="inverted_cdf")
    assert (values.low, values.high) == ((low,), (high,))
    given = read(images, tmp_path, range="0,2000")
    share = 100 * float((images[:20] > 2000).mean())
    assert given.info["values"]["clipped"]["train"] == f"{share:.3g} %"
    pairs = read(images, tmp_path, range="0,4095,0,1023,per-channel").spec.values
    assert pairs.high == (4095.0, 1023.0)


def test_equal_ranges_by_another_name_are_one_manifest(tmp_path):
    images = _twelve()
    assert read(images, tmp_path).manifest == read(images, tmp_path, range="0,4095").manifest
    assert read(images, tmp_path).manifest != read(images, tmp_path, range="full").manifest


def test_per_image_is_floats_by_each_images_own_ends(tmp_path, caplog):
    images = _twelve()
    images[3] = 7
    dataset = read(images, tmp_path, range="per-image", unit="counts")
    assert dataset.spec.values == Values("float32", (0.0,), (1.0,))
    assert dataset.spec.values.unit == ""
    assert "units are lost" in caplog.text
    x = images[:20].astype(np.float64)
    low, high = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    expected = ((x - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    assert np.array_equal(dataset.train.images.numpy(), expected)
    assert not dataset.train.images[3].any()


def test_sixteen_bits_read_as_eight_are_what_earlier_versions_read(tmp_path):
    images = DRAW.integers(0, 65536, (60, 1, 6, 6)).astype(np.uint16)
    dataset = read(images, tmp_path, range="8-bit", full=((0.0,), (4095.0,)))
    assert dataset.spec.values == EIGHT_BIT
    assert torch.equal(dataset.train.images, torch.from_numpy(eight_bits(images[:20])))
    every = np.arange(65536, dtype=np.uint16).reshape(1, 1, 256, 256)
    assert np.array_equal(eight_bits(every), np.round(every / 257).astype(np.uint8))


def test_grey_of_channels_with_ranges_of_their_own_has_one(tmp_path):
    full = ((0.0, 0.0, 10.0), (4095.0, 1023.0, 2000.0))
    images = np.concatenate([_twelve(), _twelve()[:, :1]], 1)
    assert read(images, tmp_path, full=full).spec.values.high == full[1]
    grey = read(images, tmp_path, full=full, channels=1)
    assert grey.spec.values == Values("uint16", (0.0,), (4095.0,))
    luma = np.tensordot((0.299, 0.587, 0.114), images[:20].astype(float), axes=(0, 1))
    assert np.abs(grey.train.images.numpy()[:, 0] - luma).max() <= 0.51


def test_a_second_domain_has_a_range_of_its_own(tmp_path):
    a, b = _twelve(), _floats()
    HELD["x"] = Collection({"train": Part(a, extra={"b": b})})
    dataset = load("held:key=x", DataOptions(cache=str(tmp_path)), progress=False)
    assert dataset.spec.values.dtype == "uint16"
    assert dataset.spec.second == (2, 5, 4)
    assert dataset.spec.second_values.dtype == "float32"
    assert dataset.spec.second_values.high == (float(dataset.train.extra["b"].max()),)
    assert "values of b" in dataset.info


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_any_channels_of_any_type_are_resized_within_their_ends(dtype, fit):
    """An edge makes the filter overshoot; a constant channel stays what it is."""
    images = np.zeros((2, 5, 9, 12), dtype)
    images[:, :, :, 6:] = 200
    images[:, 4] = 90
    part = Part(images)
    options = DataOptions(size="6x6", fit=fit)
    made = conform(Collection({"train": part}), options).parts["train"].images
    assert made.shape == (2, 5, 6, 6)
    assert made.dtype == images.dtype
    assert (made.min(), made.max()) == (0, 200)
    assert np.allclose(made[:, 4], 90, atol=1e-3)


def test_uint16_is_resized_as_uint8_is():
    images = DRAW.integers(40, 200, (3, 1, 16, 16)).astype(np.uint8)
    wide = images.astype(np.uint16) * 257
    eight, sixteen = (
        conform(Collection({"train": Part(x)}), DataOptions(size="8")).parts["train"].images
        for x in (images, wide)
    )
    assert np.abs(sixteen / 257 - eight).max() <= 1.0


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        (_twelve(), {"range": "0,70000"}, "0 to 65535"),
        (_twelve(), {"range": "0.5,70"}, "whole numbers"),
        (_twelve(), {"range": "0,10,0,10,0,10,per-channel"}, "3 pairs for 2 channels"),
        (_floats(), {"range": "full"}, "floats have none"),
        (_floats(), {"range": "8-bit"}, "have no bits"),
        (np.full((60, 2, 5, 4), 3.0, np.float32), {}, "both ends are 3"),
        (np.full((60, 2, 5, 4), np.nan, np.float32), {}, "20 of 20 train images hold"),
        (_twelve(), {"channels": 3}, "the images have 2"),
        (_twelve(), {"binarize": "static"}, "uint16, 0 to 4,095"),
        (_twelve(), {"fit": "pad", "size": "8", "background": "red"}, "lowest value"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, images, options, words):
    with pytest.raises(UserError, match=words):
        read(images, tmp_path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "datas",
        "1",
        "3,2",
        "percentile:5",
        "percentile:9,1",
        "nan,1",
        "1,2,3,4",
        "auto,per-channel",
    ],
)
def test_ranges_that_mean_nothing_are_refused(text):
    with pytest.raises(UserError, match="--range"):
        DataOptions(range=text)


def test_ranges_are_read_as_they_are_written():
    assert RangeRule.of("-1024, 3071") == ("given", (-1024.0, 3071.0), False)
    assert RangeRule.of("percentile:0.1,99.9,per-channel") == ("percentile", (0.1, 99.9), True)
    assert RangeRule.of("data,per-channel") == ("data", (), True)


def test_the_cache_keeps_each_type_by_itself(tmp_path):
    """The same files as 16 bits, as 8, and each by its own ends are three sets."""
    HELD["y"] = Collection({"train": Part(_twelve())}, identity="the same files")

    @source("kept", summary="", licence="none")
    def kept(request: Request) -> Collection:
        known = (request, "kept", "the same files", (2, 5, 4))
        return cached(*known, lambda: HELD["y"], dtype="uint16")

    sets = [
        load("kept", DataOptions(cache=str(tmp_path), range=text), progress=False)
        for text in ("auto", "8-bit", "per-image", "auto")
    ]
    kinds = [str(one.train.images.dtype) for one in sets]
    assert kinds == ["torch.uint16", "torch.uint8", "torch.float32", "torch.uint16"]
    assert torch.equal(sets[0].train.images, sets[3].train.images)
    expected = eight_bits(sets[0].train.images.numpy())
    assert np.array_equal(sets[1].train.images.numpy(), expected)
    assert len(list((tmp_path / "images").glob("kept-*"))) == 3


def test_the_share_beyond_a_range_is_said_in_plain_figures(caplog):
    from_arrays(np.full((30, 4, 4), 200, np.uint8), options=DataOptions(range="0,100"))
    assert "100 % of train" in caplog.text
