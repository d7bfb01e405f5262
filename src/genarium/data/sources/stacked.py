"""stacked-mnist: three random digits in the channels of one RGB image, 1000 modes to be found.

After Metz et al. 2017 and PacGAN (Lin, Khetan, Fanti & Oh 2018). Each channel is an image drawn
uniformly, with replacement, from the same split of the digits; so no digit is in two splits. The
label is 100 r + 10 g + b.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache
from genarium.data.collection import Collection, Part, complete, conform, fingerprint
from genarium.data.registry import Request, find, source
from genarium.errors import UserError

VERSION = 1  # part of the identity: raise it with every change of the images
MOST = 1_000_000
VALIDATION, TEST = 5_000, 26_000
CHUNK = 4096  # images made and written at a time
BASES = ("digits", "mnist")  # the content of both is fixed, so their names identify them


def draw(count: int, n: int, seed: int, split: int) -> NDArray[np.int64]:
    """Which of `count` digits go into the channels of n images, [n,3]."""
    generator = np.random.Generator(np.random.PCG64([seed, split]))
    return generator.integers(count, size=(n, 3))


def labels(digits: NDArray[np.integer], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """100 r + 10 g + b, [n], of the digits' labels [count] and `draw`'s rows [n,3]."""
    return digits.astype(np.int64)[rows] @ np.array([100, 10, 1])


@source(
    "stacked-mnist",
    summary="three digits in the channels of a 28x28 RGB image, 1000 modes",
    licence="CC BY-SA 3.0",
    files=True,
)
def stacked_mnist(
    request: Request, *, n: int = 128_000, seed: int = 0, of: str = "digits"
) -> Collection:
    """n training images of the digits `of`; 5,000 for validation and 26,000 for the test."""
    if not 1 <= n <= MOST:
        raise UserError(f"data source stacked-mnist: n={n} is outside 1 .. {MOST}")
    if seed < 0:
        raise UserError(f"data source stacked-mnist: seed={seed} is negative")
    if of not in BASES:
        raise UserError(f"data source stacked-mnist: of={of}: choose {' or '.join(BASES)}")
    options = request.options
    if options.channels not in (None, 3):
        raise UserError("data source stacked-mnist: a digit a channel needs --channels 3")
    counts = {"train": n, "validation": VALIDATION, "test": TEST}

    def fill(writer: cache.Writer) -> Collection:
        # The digits are resized before they are stacked: thousands instead of all the images.
        grey = replace(options, channels=1)
        read = find(of).read(Request(of, grey, request.progress))
        digits = conform(complete(read), grey)
        parts = {}
        for split, (name, count) in enumerate(counts.items()):
            base = digits.parts[name]
            assert base.labels is not None
            rows = draw(len(base), count, seed, split)
            for start in range(0, count, CHUNK):
                writer.append(name, base.images[rows[start : start + CHUNK], 0])
            parts[name] = Part(base.images[:0], labels(base.labels, rows))
        return Collection(
            parts,
            classes=tuple(f"{k:03d}" for k in range(1000)),
            info={
                "attribution": f"{digits.info['attribution']}; three of them in each image",
                "splits": f"each drawn from the same split of {of}",
                "stacked": {"of": of, "classes": 10, "channels": 3},
            },
        )

    height, width = options.height_width or (28, 28)
    identity = fingerprint({"stacked-mnist": VERSION, "of": of, "n": n, "seed": seed})
    return cache.obtain(options, "stacked-mnist", (3, height, width), identity, fill)
