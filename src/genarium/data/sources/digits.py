"""digits: a part of MNIST that ships in the package, so that everything runs offline."""

from __future__ import annotations

import lzma
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache, idx
from genarium.data.collection import Collection, Part
from genarium.data.registry import Request, source
from genarium.data.splits import digest, holdout

TRAIN, VALIDATION, TEST = 11_000, 1_000, 2_000
IDENTITY = "digits:1"  # raise it if the embedded files ever change
IMAGES, LABELS = "digits-images-idx3-ubyte.xz", "digits-labels-idx1-ubyte.xz"


def _read(name: str, dimensions: int) -> NDArray[np.uint8]:
    file = resources.files("genarium.data") / "embedded" / name
    return idx.parse(lzma.decompress(file.read_bytes()), dimensions)


@source(
    "digits",
    summary="handwritten digits, 28x28 grey, 14,000 images of MNIST inside the package",
    licence="CC BY-SA 3.0",
)
def digits(request: Request) -> Collection:
    """The first 12,000 training and 2,000 test images of MNIST, with labels."""
    options = request.options
    if options.height_width in (None, (28, 28)) and options.channels in (None, 1):
        return _make()  # unpacked in a moment
    return cache.cached(request, "digits", IDENTITY, (1, 28, 28), _make)


def _make() -> Collection:
    images, labels = _read(IMAGES, 3)[:, None], _read(LABELS, 1)
    official = Part(images[: TRAIN + VALIDATION], labels[: TRAIN + VALIDATION])
    held = holdout([digest(image) for image in official.images], VALIDATION)
    return Collection(
        {
            "train": official.take(~held),
            "validation": official.take(held),
            "test": Part(images[TRAIN + VALIDATION :], labels[TRAIN + VALIDATION :]),
        },
        classes=tuple("0123456789"),
        info={
            "attribution": "MNIST (Yann LeCun, Corinna Cortes), CC BY-SA 3.0; a selection: the "
            "first 12,000 training and 2,000 test images, pixels unchanged",
            "splits": "official test split; validation cut from the official training split",
        },
        identity=IDENTITY,
    )
