"""A causal network as data: the records that the compiled kernel reads.

Features lie in one flat array of floats, `past`, one of each thread. A buffer of it holds what a
layer gives of a group of images, [rows kept, images, columns, channels]: the rows are a ring, and
what only the pixel at hand needs has one row and one column. A `Program` is a list of records, each
of which reads and writes buffers at the pixel, or beside or above it; `BLOCKS` says which records
run when a row begins, over all its columns, and which pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a record does.
PRODUCT = 0
"""out = init + more + W·x, [n] of [k]; see `POSITIVE` and `TWICE`."""
RELU = 1
"""out = max(0, x)"""
ADD = 2
"""out = x + init"""
GATE = 3
"""out = tanh(x[:n])·σ(x[n:])"""
TABLE = 4
"""out = x + the table's row of this pixel; where FLAG is 1, of the image's class."""
CELL = 5
"""An LSTM cell: gates (o, f, i, g) x [4n], cell before init [n] -> hidden out, cell `more`."""
DRAW = 6
"""The level of colour FLAG from the outputs x; out is the image."""
COPY = 7
"""out = x"""

# Columns of a record.
KIND, N, K, WEIGHT, FLAG = range(5)
PLACES, PLACE = 5, 6
OUT, X, INIT, MORE, TWIN = range(5, 5 + PLACES * PLACE, PLACE)
"""Where a place begins: its six numbers are BASE .. COLUMN."""
BASE, ROWS, ABOVE, ROW, IMAGE, COLUMN = range(6)
"""The place of row r, image b, column c lies at BASE + ((r + ABOVE) mod ROWS)·ROW + b·IMAGE +
c·COLUMN."""
FIELDS = 5 + PLACES * PLACE

POSITIVE, TWICE = 1, 2
"""FLAG of a product: out = max(0, that); or out as it is, and max(0, that) beside it in `twin`."""

# What a block of records runs over.
ALL_COLUMNS = 0
"""Each record over all columns of the row, then the next record: needs rows above only."""
FROM_RIGHT = 1
"""All records at one column, then at the next one to the left."""
PIXELS = 2
"""All records at one pixel, then at the next one to the right."""

SOFTMAX, LOGISTICS = range(2)
CHOOSE, ENCODE, DECODE = range(3)
"""What a DRAW does: choose by a random number, say what a level costs, or read it from a code."""

PRECISION = 24
"""Frequencies of levels are counted in units of 2^-24."""
WORD = 32
"""Bits of a word of a code."""
CODED = 16
"""Images that are coded together."""

Floats = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Program:
    """A network lowered for groups of so many images.

    records: [R, FIELDS]. blocks: [N,4], what it runs over, first record, end, first row in which
    it runs. weights: packed, see `lowering`. past: the array as it is before the first row.
    """

    records: Ints
    blocks: Ints
    weights: Floats
    past: Floats
