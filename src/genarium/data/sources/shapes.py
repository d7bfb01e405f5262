"""shapes: coloured shapes made from a seed, every factor of variation known.

Factors of an image, drawn independently and uniformly:
    shape        circle, ring, square, triangle, star, cross          (the class label)
    colour       red, orange, yellow, green, cyan, blue, purple, pink
    size         circumradius as a fraction of the shorter side, 0.14 .. 0.34
    x, y         centre, -1 (left, top) .. 1 (right, bottom) of the room that every size has
    rotation     radians, 0 up to the angle that maps the shape onto itself (0 for round ones)
    background   black, grey, white

A shape is a signed distance function d in pixels, negative inside; a pixel's coverage is
clip(1/2 - d, 0, 1), so edges are anti-aliased at any resolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.registry import Request, source
from genarium.data.splits import SPLITS
from genarium.errors import UserError

Floats = NDArray[np.floating]
VERSION = 1  # part of the identity: raise it with every change of the pictures
MOST = 1_000_000
LARGEST_ALL = 1_200_000_000  # pixels of the training split, which is made in memory
SMALLEST, LARGEST = 0.14, 0.34

COLOURS = {
    "red": (220, 38, 38),
    "orange": (249, 130, 22),
    "yellow": (250, 210, 30),
    "green": (34, 160, 70),
    "cyan": (20, 190, 210),
    "blue": (40, 80, 220),
    "purple": (130, 60, 200),
    "pink": (245, 120, 180),
}
BACKGROUNDS = {"black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255)}
FACTORS = ("shape", "colour", "size", "x", "y", "rotation", "background")


def _circle(x: Floats, y: Floats, r: Floats) -> Floats:
    return np.hypot(x, y) - r


def _ring(x: Floats, y: Floats, r: Floats) -> Floats:
    return np.abs(np.hypot(x, y) - 0.75 * r) - 0.25 * r


def _square(x: Floats, y: Floats, r: Floats) -> Floats:
    return np.maximum(np.abs(x), np.abs(y)) - r * math.sqrt(0.5)


def _triangle(x: Floats, y: Floats, r: Floats) -> Floats:
    s, c = math.sin(math.pi / 3), 0.5  # three edges at distance r/2, one of them below
    return np.maximum(y, np.abs(x) * s - y * c) - 0.5 * r


def _cross(x: Floats, y: Floats, r: Floats) -> Floats:
    x, y = np.abs(x), np.abs(y)
    arm = 0.33 * r
    reach = math.sqrt(1 - 0.33**2) * r  # the corners of the arms lie on the circumcircle
    return np.minimum(np.maximum(x - reach, y - arm), np.maximum(y - reach, x - arm))


def _star(x: Floats, y: Floats, r: Floats) -> Floats:
    # Fold the plane into a tenth: 0 is the direction of a tip, pi/5 that of a notch. There the
    # outline is the straight edge from the tip (r, 0) to the notch at 0.45 r.
    angle = np.arctan2(x, -y)
    tenth = math.pi / 5
    angle = np.abs(angle - 2 * tenth * np.round(angle / (2 * tenth)))
    radius = np.hypot(x, y)
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    du, dv = 0.45 * math.cos(tenth) - 1, 0.45 * math.sin(tenth)
    length = math.hypot(du, dv)
    return ((u - r) * dv - v * du) / length


SHAPES: dict[str, tuple[Callable[[Floats, Floats, Floats], Floats], float]] = {
    # name: signed distance of a shape of circumradius r, smallest rotation onto itself
    "circle": (_circle, 0.0),
    "ring": (_ring, 0.0),
    "square": (_square, math.pi / 2),
    "triangle": (_triangle, 2 * math.pi / 3),
    "star": (_star, 2 * math.pi / 5),
    "cross": (_cross, math.pi / 2),
}


def draw_factors(n: int, seed: int, split: int) -> Floats:
    """n rows of the factors in the order of `FACTORS`, [n,7] float32."""
    u = np.random.Generator(np.random.PCG64([seed, split])).random((n, len(FACTORS)))
    kind = np.floor(u[:, 0] * len(SHAPES))
    period = np.array([p for _, p in SHAPES.values()])[kind.astype(int)]
    columns = (
        kind,
        np.floor(u[:, 1] * len(COLOURS)),
        SMALLEST + (LARGEST - SMALLEST) * u[:, 2],
        2 * u[:, 3] - 1,
        2 * u[:, 4] - 1,
        period * u[:, 5],
        np.floor(u[:, 6] * len(BACKGROUNDS)),
    )
    return np.stack(columns, axis=1).astype(np.float32)


def render(factors: Floats, height: int, width: int, stroke: float = 0.0) -> NDArray[np.uint8]:
    """Factors [n,7] -> images uint8 [n,3,height,width].

    stroke: how wide a line along the edge, inside it, is left of each shape, as a share of its
    circumradius; 0 fills the shape.
    """
    out = np.empty((len(factors), 3, height, width), np.uint8)
    block = max(1, 2_000_000 // (height * width))  # keeps the working memory small
    for index, (filled, _) in enumerate(SHAPES.values()):
        distance = _outlined(filled, stroke) if stroke else filled
        rows = np.flatnonzero(factors[:, 0] == index)
        for start in range(0, len(rows), block):
            some = rows[start : start + block]
            out[some] = _render(distance, factors[some], height, width)
    return out


def _outlined(
    distance: Callable[[Floats, Floats, Floats], Floats], stroke: float
) -> Callable[[Floats, Floats, Floats], Floats]:
    """The distance of the band between a shape's edge and `stroke`·r inside it."""

    def band(x: Floats, y: Floats, r: Floats) -> Floats:
        half = 0.5 * stroke * r
        return np.abs(distance(x, y, r) + half) - half

    return band


def _render(
    distance: Callable[[Floats, Floats, Floats], Floats], factors: Floats, height: int, width: int
) -> NDArray[np.uint8]:
    _, colour, size, x, y, rotation, background = (f[:, None, None] for f in factors.T)
    side = min(height, width)
    room_x, room_y = width / 2 - LARGEST * side, height / 2 - LARGEST * side
    px = (np.arange(width, dtype=np.float32) + 0.5)[None, None, :] - (width / 2 + x * room_x)
    py = (np.arange(height, dtype=np.float32) + 0.5)[None, :, None] - (height / 2 + y * room_y)
    cos, sin = np.cos(rotation), np.sin(rotation)
    inside = np.clip(0.5 - distance(px * cos + py * sin, py * cos - px * sin, size * side), 0, 1)
    front = np.array(list(COLOURS.values()), np.float32)[colour[:, 0, 0].astype(int)]
    back = np.array(list(BACKGROUNDS.values()), np.float32)[background[:, 0, 0].astype(int)]
    mixed = back[:, :, None, None] + inside[:, None] * (front - back)[:, :, None, None]
    return np.rint(mixed).astype(np.uint8)


def caption(row: Floats) -> str:
    """The sentence that a row of factors stands for; a function of the factors alone."""
    shape, colour, size, x, y, _, background = row.tolist()
    third = (LARGEST - SMALLEST) / 3
    big = ("small", "medium", "large")[min(2, int((size - SMALLEST) / third))]
    down = "top" if y < -1 / 3 else "bottom" if y > 1 / 3 else ""
    across = "left" if x < -1 / 3 else "right" if x > 1 / 3 else ""
    if down and across:
        place = f"at the {down} {across}"
    elif down:
        place = f"at the {down}"
    else:
        place = f"on the {across}" if across else "in the middle"
    kind, hue = list(SHAPES)[int(shape)], list(COLOURS)[int(colour)]
    behind = list(BACKGROUNDS)[int(background)]
    return f"a {big} {hue} {kind} {place} on a {behind} background"


def facts_of() -> dict[str, Any]:
    """What a data set of such pictures says of itself."""
    return {
        "attribution": "made by Genarium from a seed, free of rights",
        "factors": {
            "names": list(FACTORS),
            "shape": list(SHAPES),
            "colour": list(COLOURS),
            "background": list(BACKGROUNDS),
            "size": [SMALLEST, LARGEST],
            "period": [period for _, period in SHAPES.values()],
        },
        "splits": "drawn independently",
    }


def counts_of(
    name: str, request: Request, n: int, seed: int, domains: int = 1
) -> tuple[dict[str, int], int, int]:
    """Images of each split, height and width, of a source made from a seed.

    domains: pictures made for each image. UserError: too few, too many, too large.
    """
    if not 12 <= n <= MOST:
        raise UserError(f"data source {name}: n={n} is outside 12 .. {MOST}")
    if seed < 0:
        raise UserError(f"data source {name}: seed={seed} is negative")
    height, width = request.options.height_width or (32, 32)
    if domains * n * height * width > LARGEST_ALL:
        twice = "twice " if domains == 2 else ""
        raise UserError(
            f"data source {name}: {twice}n={n} images of {height}x{width} do not fit the memory, "
            "lower n or --size"
        )
    return dict(zip(SPLITS, (n, n // 12, n // 6))), height, width


@source(
    "shapes",
    summary="coloured shapes with known factors and captions, 32x32 RGB, made from a seed",
    licence="CC0-1.0",
)
def shapes(request: Request, *, n: int = 12_000, seed: int = 0) -> Collection:
    """n training images, n/12 for validation and n/6 for the test; any size renders sharply."""
    counts, height, width = counts_of("shapes", request, n, seed)
    parts = {}
    for index, (name, count) in enumerate(counts.items()):
        factors = draw_factors(count, seed, index)
        parts[name] = Part(
            render(factors, height, width),
            factors[:, 0].astype(np.int64),
            {"factors": factors},
            [caption(row) for row in factors],
        )
    return Collection(
        parts,
        classes=tuple(SHAPES),
        info=facts_of(),
        identity=fingerprint({"shapes": VERSION, "n": n, "seed": seed}),
    )
