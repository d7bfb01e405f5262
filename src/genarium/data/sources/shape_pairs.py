"""Two domains of the coloured shapes, with known factors, so that a translation can be scored.

shape-masks     pairs: A is a shape in the colour that stands for its class, B the same in its own
                colour, which A does not say: one of eight is right, and their mean is none
shape-domains   A has filled shapes, B outlined ones, both on white, of the same factors in the same
                ranges; drawn each by itself, or the same pictures in both with `paired=yes`

`extra["factors"]` holds the factors of A, and with pairs those of B, as of `shapes`; `outlined` of
them is the only right translation of a filled shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.registry import Request, source
from genarium.data.sources.shapes import (
    BACKGROUNDS,
    COLOURS,
    FACTORS,
    SHAPES,
    VERSION,
    Floats,
    caption,
    counts_of,
    draw_factors,
    facts_of,
    render,
)
from genarium.errors import UserError

STROKE = 0.3  # of the circumradius: at 32 pixels a line of 1.3 to 3.3 of them


def masks(factors: Floats, height: int, width: int) -> NDArray[np.uint8]:
    """Factors [n,7] -> the shapes uint8 [n,3,height,width], the n-th class in the n-th colour."""
    shown = factors.copy()
    shown[:, FACTORS.index("colour")] = factors[:, FACTORS.index("shape")]
    return render(shown, height, width)


def outlined(factors: Floats, height: int, width: int) -> NDArray[np.uint8]:
    """Factors [n,7] -> the shapes as outlines, uint8 [n,3,height,width]."""
    return render(factors, height, width, STROKE)


def _on_white(n: int, seed: int, split: int) -> Floats:
    """Factors [n,7] of shapes on white.

    One background, because instance norm takes the level of an even image away: a network that
    has it at its first layer could hardly separate black from white.
    """
    factors = draw_factors(n, seed, split)
    factors[:, FACTORS.index("background")] = list(BACKGROUNDS).index("white")
    return factors


@source(
    "shape-masks",
    summary="pairs: shapes in the colour of their class and in their own, 32x32 RGB, from a seed",
    licence="CC0-1.0",
)
def shape_masks(request: Request, *, n: int = 6000, seed: int = 0) -> Collection:
    """n training pairs, n/12 for validation and n/6 for the test."""
    counts, height, width = counts_of("shape-masks", request, n, seed, domains=2)
    parts = {}
    for index, (name, count) in enumerate(counts.items()):
        factors = draw_factors(count, seed, index)
        parts[name] = Part(
            masks(factors, height, width),
            factors[:, 0].astype(np.int64),
            {"factors": factors, "b": render(factors, height, width)},
            [caption(row) for row in factors],
        )
    legend = dict(zip(SHAPES, COLOURS))
    identity = fingerprint({"shape-masks": VERSION, "n": n, "seed": seed})
    return Collection(
        parts,
        tuple(SHAPES),
        {**facts_of(), "second": {"paired": True, "channels": 3}, "legend": legend},
        identity,
    )


@source(
    "shape-domains",
    summary="two domains: filled and outlined shapes, 32x32 RGB, from a seed; paired=yes for pairs",
    licence="CC0-1.0",
)
def shape_domains(
    request: Request, *, n: int = 6000, seed: int = 0, paired: str = "no"
) -> Collection:
    """n training images a domain, n/12 for validation and n/6 for the test."""
    if paired not in ("yes", "no"):
        raise UserError(f"data source shape-domains: paired={paired}: choose yes or no")
    counts, height, width = counts_of("shape-domains", request, n, seed, domains=2)
    parts = {}
    for index, (name, count) in enumerate(counts.items()):
        factors = _on_white(count, seed, index)
        part = Part(
            render(factors, height, width),
            factors[:, 0].astype(np.int64),
            {"factors": factors},
            [caption(row) for row in factors],
        )
        if paired == "yes":
            part.extra["b"] = outlined(factors, height, width)
        else:
            others = _on_white(count, seed, len(counts) + index)
            part.unpaired["b"] = outlined(others, height, width)
        parts[name] = part
    second = {"paired": paired == "yes", "channels": 3, "counts": counts}
    identity = fingerprint({"shape-domains": VERSION, "n": n, "seed": seed, "paired": paired})
    return Collection(parts, tuple(SHAPES), {**facts_of(), "second": second}, identity)
