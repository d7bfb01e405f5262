"""Data, pixel by pixel: what a planted fault showed that no other test holds."""

from __future__ import annotations

import numpy as np
from PIL import Image

from genarium.data.resize import fit_array


def test_an_array_is_resized_as_its_picture() -> None:
    """Rows stay rows: of a picture that is not square."""
    images = np.random.default_rng(0).integers(256, size=(2, 3, 5, 9), dtype=np.uint8)
    found = fit_array(images, 10, 12, 3, "stretch", (0, 0, 0))
    for image, made in zip(images, found, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        wanted = np.asarray(picture.resize((12, 10), Image.Resampling.LANCZOS))
        assert np.array_equal(made, wanted.transpose(2, 0, 1))
