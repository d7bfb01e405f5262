"""Texts as rows of bytes, which batches, processes and checkpoints carry like any other tensor.

A caption is its UTF-8 bytes, padded with zeros to T. An image may have several, a line each; K is
the most that any image has, and one with fewer repeats its own, so that a uniform draw of 0 .. K-1
is nearly a uniform draw among the image's own captions.

    N images · K captions an image · T bytes a caption
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 256  # bytes of a caption; longer ones are cut
MOST = 10  # captions of an image; further ones are left out
STEP = 16  # T is a multiple of this


def clean(text: str) -> str:
    """One line in Unicode's form NFC: runs of white space become single spaces."""
    text = text.replace("\0", "").encode(errors="replace").decode()  # no half of a surrogate pair
    return " ".join(unicodedata.normalize("NFC", text).split())


def grid(
    captions: Iterable[str], length: int, shown: int, columns: int = 8
) -> tuple[list[str], NDArray[np.uint8]] | None:
    """For a grid of `shown` pictures the first different captions, one a row of pictures, and the
    row of bytes of each picture, [shown,T]; None where there are no captions."""
    known = dict.fromkeys(own[0] for caption in captions if (own := of_image(caption)))
    chosen = list(known)[: -(-shown // columns)]
    if not chosen:
        return None
    rows = table(chosen, length, 1)[:, 0]
    return chosen, rows[np.arange(shown) // columns % len(rows)]


def of_image(caption: str) -> list[str]:
    """The captions of an image, a line each, clean and none of them empty; at most `MOST`."""
    return [line for line in map(clean, caption.splitlines()) if line][:MOST]


def row(text: str, length: int) -> NDArray[np.uint8]:
    """A caption as uint8 [T]: its UTF-8 bytes, then zeros; cut between characters to T bytes."""
    data = clean(text).encode()[:length]
    data = data.decode(errors="ignore").encode()  # a cut may have left a part of a character
    return np.frombuffer(data.ljust(length, b"\0"), np.uint8)


def text_of(row: Iterable[int]) -> str:
    """The caption of a row: the inverse of `row`."""
    return bytes(row).rstrip(b"\0").decode(errors="replace")


def table(captions: Sequence[str], length: int, each: int) -> NDArray[np.uint8]:
    """Captions of N images as uint8 [N,K,T], K = `each`; an image without one has rows of zeros."""
    result = np.zeros((len(captions), each, length), np.uint8)
    for image, caption in enumerate(captions):
        own = of_image(caption)
        for number in range(each if own else 0):
            result[image, number] = row(own[number % len(own)], length)
    return result


def shape_of(captions: Iterable[str]) -> tuple[int, int, int]:
    """(T, K, how many captions are longer than T) that hold all captions."""
    longest = most = 1
    cut = 0
    for caption in captions:
        own = of_image(caption)
        sizes = [len(text.encode()) for text in own]
        longest, most = max([longest, *sizes]), max(most, len(own))
        cut += sum(size > LONGEST for size in sizes)
    return min(LONGEST, -(-longest // STEP) * STEP), most, cut
