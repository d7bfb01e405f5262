"""Splits decided by content: the same image always lands on the same side.

An image's place follows from the SHA-256 of its pixels, so a split does not depend on file
names, on order or on the machine, and exact duplicates never straddle two splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
SALT = b"genarium-split-1"
FEW = 1000  # below this many distinct images exact counts matter more than stability


def digest(image: NDArray[np.uint8]) -> str:
    """SHA-256 (hex) of an image's shape and pixels."""
    sha256 = hashlib.sha256(repr(image.shape).encode())
    sha256.update(np.ascontiguousarray(image).data)
    return sha256.hexdigest()


def _rank(digests: Iterable[str]) -> list[str]:
    """The distinct digests in the fixed, salted order that every split is cut from."""
    return sorted(set(digests), key=lambda d: hashlib.sha256(SALT + d.encode()).digest())


def holdout(digests: Sequence[str], count: int) -> NDArray[np.bool_]:
    """Marks about `count` of the images (exactly, where no duplicates straddle the cut)."""
    chosen: set[str] = set()
    sizes: dict[str, int] = {}
    for d in digests:
        sizes[d] = sizes.get(d, 0) + 1
    taken = 0
    for d in _rank(digests):
        if taken + sizes[d] > count:
            break
        chosen.add(d)
        taken += sizes[d]
    return np.array([d in chosen for d in digests], dtype=bool)


def divide(digests: Sequence[str], fractions: dict[str, float]) -> list[str]:
    """A split name an image: each name of `fractions` gets its share, train gets the rest.

    With 1,000 distinct images or more each image decides for itself (adding images moves none of
    the others); with fewer they are ranked, so that the counts are met, and every split gets an
    image as soon as there are enough.
    """
    home = dict.fromkeys(digests, "train")
    if len(home) >= FEW:
        for d in home:
            place = int.from_bytes(hashlib.sha256(SALT + d.encode()).digest()[:8], "big") / 2**64
            for name, fraction in fractions.items():
                if place < fraction:
                    home[d] = name
                    break
                place -= fraction
    else:
        ranked, start = _rank(digests), 0
        for name, fraction in fractions.items():
            count = max(1, round(len(ranked) * fraction)) if len(ranked) - start > 1 else 0
            for d in ranked[start : start + count]:
                home[d] = name
            start += count
    return [home[d] for d in digests]
