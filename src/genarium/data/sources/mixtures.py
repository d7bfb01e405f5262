"""ring8 and grid25: mixtures of Gaussians in the plane, whose modes can be counted.

    ring8    8 modes on the circle of radius 1, σ = 0.01
    grid25   5x5 modes on -4, -2 .. 4, σ = 0.05

all equally likely and round, as in PacGAN (Lin, Khetan, Fanti & Oh 2018) and VEEGAN (Srivastava
et al. 2017). A point (x, y) is an image of one row and two columns, the first x, the second y:

    pixel = round((coordinate / scale + 1) · 127.5)        so coordinate = scale · signed pixel

Rounding adds the variance step²/12 of a uniform error, step = 2·scale/255: σ grows from 0.01 to
0.0103 on the ring and from 0.05 to 0.0510 on the grid. It also moves points over the edge of a
circle around a centre. `scale` is a little beyond the outermost centre, and such that the share of
the stored points within 3 σ stays near the exact 1 - exp(-4.5) = 0.9889 (it is 0.9872 and 0.9887;
others near by give down to 0.978).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.registry import Request, source
from genarium.errors import UserError

VERSION = 1  # part of the identity: raise it with every change of the points
MOST = 5_000_000
VALIDATION, TEST = 5_000, 10_000

ON_CIRCLE = (0.0, math.sqrt(0.5), 1.0, math.sqrt(0.5), 0.0, -math.sqrt(0.5), -1.0, -math.sqrt(0.5))
RING = [(ON_CIRCLE[(k + 2) % 8], ON_CIRCLE[k]) for k in range(8)]  # counter-clockwise from (1, 0)
GRID = [(float(x), float(y)) for x, y in itertools.product(range(-4, 5, 2), repeat=2)]


def draw(
    centres: NDArray[np.float64], sigma: float, n: int, seed: int, split: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """n points of the mixture [n,2], in data units, and the mode of each [n]."""
    generator = np.random.Generator(np.random.PCG64([seed, split]))
    modes = generator.integers(len(centres), size=n)
    return centres[modes] + sigma * generator.standard_normal((n, 2)), modes


def stored(points: NDArray[np.float64], scale: float) -> NDArray[np.uint8]:
    """Points [n,2] in data units -> images uint8 [n,1,1,2]; what lies outside is clipped."""
    pixels = np.rint((points / scale + 1) * 127.5).clip(0, 255)
    return pixels.astype(np.uint8).reshape(-1, 1, 1, 2)


def _mixture(
    request: Request,
    name: str,
    centres: list[tuple[float, float]],
    sigma: float,
    scale: float,
    n: int,
    seed: int,
) -> Collection:
    if not 1 <= n <= MOST:
        raise UserError(f"data source {name}: n={n} is outside 1 .. {MOST}")
    if seed < 0:
        raise UserError(f"data source {name}: seed={seed} is negative")
    options = request.options
    if options.height_width not in (None, (1, 2)) or options.channels not in (None, 1):
        raise UserError(
            f"data source {name}: points in the plane have no other size or colour: leave "
            "--size and --channels out"
        )
    means = np.array(centres)
    parts = {}
    counts = {"train": n, "validation": VALIDATION, "test": TEST}
    for split, (part, count) in enumerate(counts.items()):
        points, modes = draw(means, sigma, count, seed, split)
        parts[part] = Part(stored(points, scale), modes)
    facts: dict[str, Any] = {
        "attribution": "made by Genarium from a seed, free of rights",
        "mixture": {"centres": [list(c) for c in centres], "sigma": sigma, "scale": scale},
        "splits": "drawn independently",
    }
    return Collection(
        parts,
        classes=tuple(f"mode {k}" for k in range(len(centres))),
        info=facts,
        identity=fingerprint({name: VERSION, "n": n, "seed": seed}),
    )


@source(
    "ring8",
    summary="points in the plane, 8 Gaussians on a circle, to count the modes found",
    licence="CC0-1.0",
)
def ring8(request: Request, *, n: int = 100_000, seed: int = 0) -> Collection:
    """n training points of 8 modes; 5,000 for validation and 10,000 for the test."""
    return _mixture(request, "ring8", RING, 0.01, 1.06, n, seed)


@source(
    "grid25",
    summary="points in the plane, 5x5 Gaussians, to count the modes found",
    licence="CC0-1.0",
)
def grid25(request: Request, *, n: int = 100_000, seed: int = 0) -> Collection:
    """n training points of 25 modes; 5,000 for validation and 10,000 for the test."""
    return _mixture(request, "grid25", GRID, 0.05, 4.5, n, seed)
