import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genarium.data.resize import fit_array, fit_image, to_chw

SIDES = st.integers(1, 40)
FITS = st.sampled_from(["crop", "pad", "stretch"])
RED = (255, 0, 0)


@given(SIDES, SIDES, SIDES, SIDES, FITS, st.sampled_from(["L", "RGB"]))
@settings(deadline=None, max_examples=150)
def test_every_policy_gives_the_size_asked_for(h, w, height, width, fit, mode):
    image = Image.new(mode, (w, h), 90 if mode == "L" else (90, 90, 90))
    out = fit_image(image, height, width, fit, (90, 90, 90))
    assert out.size == (width, height)
    assert out.mode == mode
    # a constant image on the same background stays constant under every policy
    assert np.unique(np.asarray(out)).tolist() == [90]


@given(SIDES, SIDES, FITS, st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=40)
def test_an_image_of_the_right_size_is_untouched(h, w, fit, channels):
    images = np.random.default_rng(h * w).integers(0, 256, (2, channels, h, w), dtype=np.uint8)
    assert np.array_equal(fit_array(images, h, w, channels, fit, RED), images)


def halves() -> Image.Image:
    """40 wide, 20 high: black, then a white centre square, then black."""
    pixels = np.zeros((20, 40), np.uint8)
    pixels[:, 10:30] = 255
    return Image.fromarray(pixels)


def test_crop_keeps_the_centre():
    out = np.asarray(fit_image(halves(), 10, 10, "crop", RED))
    assert (out[:, 1:-1] > 250).all()  # the filter looks a little over the edge
    assert (out[:, [0, -1]] > 230).all()


def test_pad_fills_with_the_background_and_distorts_nothing():
    image = halves().convert("RGB")
    out = np.asarray(fit_image(image, 20, 20, "pad", RED))
    assert (out[:5] == RED).all()
    assert (out[15:] == RED).all()
    assert (out[5:15, 6:14] > 250).all()
    assert (out[5:15, :4] < 5).all()


def test_stretch_keeps_everything():
    out = np.asarray(fit_image(halves(), 20, 20, "stretch", RED))
    assert (out[:, :4] < 5).all()
    assert (out[:, 6:14] > 250).all()
    assert (out[:, 16:] < 5).all()


def test_shrinking_does_not_alias():
    # one-pixel stripes: nearest neighbour would give all black or all white
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    out = np.asarray(fit_image(Image.fromarray(stripes), 16, 16, "crop", RED)).astype(int)
    assert abs(out[:, 2:-2] - 127).max() <= 16


def test_grey_spreads_and_colour_becomes_luma():
    grey = np.full((1, 1, 2, 2), 77, np.uint8)
    assert fit_array(grey, 2, 2, 3, "crop", RED).tolist() == np.full((1, 3, 2, 2), 77).tolist()
    red = np.zeros((1, 3, 2, 2), np.uint8)
    red[:, 0] = 255
    assert fit_array(red, 2, 2, 1, "crop", RED) == pytest.approx(0.299 * 255, abs=1)


def test_chw():
    assert to_chw(Image.new("RGB", (4, 2))).shape == (3, 2, 4)
    assert to_chw(Image.new("L", (4, 2))).shape == (1, 2, 4)
