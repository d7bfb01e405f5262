"""The compiled kernel: runs a `Program` over the rows of a group of images.

Compiled by numba at its first use and kept on disk; see `walk.compiled`. Everything here is plain
loops over flat arrays, without objects and locks, so that threads run it side by side. Types are
numba's, so no signature states them: `past`, `weights` and `embedded` are float32 or float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from genarium.models.autoregressive.fast.arithmetic import exp
from genarium.models.autoregressive.fast.levels import ABREAST, edge, first_above, summed, tabulate
from genarium.models.autoregressive.fast.program import (
    ABOVE,
    ADD,
    ALL_COLUMNS,
    BASE,
    CELL,
    CHOOSE,
    COLUMN,
    COPY,
    DECODE,
    DRAW,
    ENCODE,
    FLAG,
    FROM_RIGHT,
    GATE,
    IMAGE,
    INIT,
    KIND,
    MORE,
    OUT,
    PLACE,
    PLACES,
    POSITIVE,
    PRECISION,
    PRODUCT,
    RELU,
    ROW,
    ROWS,
    TABLE,
    TWICE,
    TWIN,
    WEIGHT,
    WORD,
    K,
    N,
    X,
)
from genarium.models.autoregressive.fast.vectors import VECTOR_BYTES, get, make_tile, put

_8x1, _4x2, _4x1, _2x4, _2x2, _1x4, _1x2, _1x1 = (
    make_tile(*size) for size in ((8, 1), (4, 2), (4, 1), (2, 4), (2, 2), (1, 4), (1, 2), (1, 1))
)


@njit(nogil=True, error_model="numpy")
def _product(
    past, o, oo, t, tt, i, ii, e, ee, a, aa, weights, w, k, n, m, least, low,
):  # fmt: skip
    """[n] outputs of each of m lines, see `vectors`.

    Weights come vector by vector and serve all lines while they are in the nearest cache.
    """
    lanes = VECTOR_BYTES // past.itemsize
    v = 0
    while v < n:
        vectors = (n - v + lanes - 1) // lanes
        vectors = min(vectors, 2) if m >= 4 or vectors < 4 else 4
        rest = min(n - v - (vectors - 1) * lanes, lanes)
        p = 0
        while p < m:
            left = m - p
            po, pt, pi, pe = o + p * oo + v, t + p * tt + v, i + p * ii + v, e + p * ee + v
            pa, pw = a + p * aa, w + v * k
            if vectors == 4 and left >= 2:
                _2x4(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 2
            elif vectors == 4:
                _1x4(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 1
            elif vectors == 2 and left >= 4:
                _4x2(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 4
            elif vectors == 2 and left >= 2:
                _2x2(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 2
            elif vectors == 2:
                _1x2(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 1
            elif left >= 8:  # eight sums at once, for each waits four cycles for its next one
                _8x1(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 8
            elif left >= 4:
                _4x1(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 4
            else:
                _1x1(past, po, oo, pt, tt, pi, ii, pe, ee, pa, aa, weights, pw, k, least, low, rest)
                p += 1
        v += vectors * lanes


@njit(nogil=True, error_model="numpy")
def _run(record, begins, c, b, m, step, pixel, past, weights, labels, pixels):
    """One record at column c of image b, and at m - 1 more columns or images, `step`.

    begins: where its places are in this row.
    """
    kind, n = record[KIND], record[N]
    o = begins[0] + c * record[OUT + COLUMN] + b * record[OUT + IMAGE]
    x = begins[1] + c * record[X + COLUMN] + b * record[X + IMAGE]
    i = begins[2] + c * record[INIT + COLUMN] + b * record[INIT + IMAGE]
    e = begins[3] + c * record[MORE + COLUMN] + b * record[MORE + IMAGE]
    o_step, x_step, i_step = record[OUT + step], record[X + step], record[INIT + step]
    e_step = record[MORE + step]
    one = past.dtype.type(1)
    if kind == PRODUCT:
        least = past.dtype.type(0.0 if record[FLAG] == POSITIVE else -np.inf)
        t, t_step, low = o, o_step, least
        if record[FLAG] == TWICE:
            t = begins[4] + c * record[TWIN + COLUMN] + b * record[TWIN + IMAGE]
            t_step, low = record[TWIN + step], past.dtype.type(0.0)
        _product(
            past, o, o_step, t, t_step, i, i_step, e, e_step, x, x_step, weights, record[WEIGHT],
            record[K], n, m, least, low,
        )  # fmt: skip
    elif kind == RELU:
        for _ in range(m):
            for j in range(n):
                put(past, o + j, max(get(past, x + j), past.dtype.type(0)))
            o, x = o + o_step, x + x_step
    elif kind == ADD:
        for _ in range(m):
            for j in range(n):
                put(past, o + j, get(past, x + j) + get(past, i + j))
            o, x, i = o + o_step, x + x_step, i + i_step
    elif kind == GATE:
        # tanh(a) = 2·σ(2a) - 1
        for _ in range(m):
            for j in range(n):
                a, s = exp(-(get(past, x + j) + get(past, x + j))), exp(-get(past, x + n + j))
                put(past, o + j, (one - a) / ((one + a) * (one + s)))
            o, x = o + o_step, x + x_step
    elif kind == CELL:
        for _ in range(m):
            # In two loops: the compiler makes no vectors where one reads a state beside that which
            # it writes.
            for j in range(n):
                forget, into = exp(-get(past, x + n + j)), exp(-get(past, x + 2 * n + j))
                content = exp(-(get(past, x + 3 * n + j) + get(past, x + 3 * n + j)))
                content = (one - content) / ((one + content) * (one + into))
                put(past, o + j, get(past, i + j) / (one + forget) + content)
            for j in range(n):
                cell, out = get(past, o + j), exp(-get(past, x + j))
                put(past, e + j, cell)
                content = exp(-(cell + cell))
                put(past, o + j, (one - content) / ((one + content) * (one + out)))
            o, x, i, e = o + o_step, x + x_step, i + i_step, e + e_step
    elif kind == TABLE:
        for line in range(m):
            row = labels[line] * pixels if record[FLAG] else 0
            w = record[WEIGHT] + (row + pixel) * n
            for j in range(n):
                put(past, o + j, get(past, x + j) + get(weights, w + j))
            o, x = o + o_step, x + x_step
    elif kind == COPY:
        for _ in range(m):
            for j in range(n):
                put(past, o + j, get(past, x + j))
            o, x = o + o_step, x + x_step


@njit(nogil=True, error_model="numpy")
def _draw(
    record, begins, c, pixel, colours, images, past, tables, embedded, noise, keep, levels, job,
    head, coded, state, words,
):  # fmt: skip
    """The level of a pixel and colour in every image: chosen, coded or read; and its float."""
    colour = record[FLAG]
    o, x = begins[0] + c * record[OUT + COLUMN], begins[1] + c * record[X + COLUMN]
    for b in range(images):
        if b % ABREAST == 0:
            together = min(ABREAST, images - b)
            for line in range(together):
                tabulate(past, x + line * record[X + IMAGE], head, tables[line])
            summed(tables, together, head)
        table = tables[b % ABREAST]
        level, slot = levels[b, colour, pixel], 0
        if job == DECODE:
            slot = int(state[0] & np.uint64((1 << PRECISION) - 1))
            level = first_above(head, table, slot, True)
        elif job == CHOOSE and not (len(keep) and keep[b, colour, pixel]):
            level = first_above(head, table, noise[b, colour, pixel], False)
        if job != CHOOSE:
            start = edge(level - 1, head, table) if level else 0
            count = edge(level, head, table) - start
            if job == ENCODE:
                number = (pixel * colours + colour) * images + b
                coded[number, 0], coded[number, 1] = start, count
            else:
                high = state[0] >> np.uint64(PRECISION)
                state[0] = np.uint64(count) * high + np.uint64(slot - start)
                if state[0] < np.uint64(1 << WORD):
                    word = words[state[1]] if state[1] < len(words) else 0
                    state[0] = (state[0] << np.uint64(WORD)) + np.uint64(word)
                    state[1] += np.uint64(1)
        levels[b, colour, pixel] = level
        past[o] = embedded[level]
        o, x = o + record[OUT + IMAGE], x + record[X + IMAGE]


@njit(nogil=True, error_model="numpy")
def walk(
    records, blocks, weights, past, begins, tables, embedded, shape, images, begin, end,
    labels, noise, keep, levels, job, head, coded, state, words,
):  # fmt: skip
    """The rows begin .. end-1 of a group of images; the arguments are those of `walk.Compiled`.

    begins, tables: room for where the places of a row are, and for distributions.
    """
    height, width, colours = shape
    for r in range(begin, end):
        for q in range(len(records)):
            for place in range(PLACES):
                at = OUT + PLACE * place
                ring = records[q, at + ROWS]
                line = (r + records[q, at + ABOVE] + ring) % ring
                begins[q, place] = records[q, at + BASE] + line * records[q, at + ROW]
        for block in range(len(blocks)):
            order, first, last, since = blocks[block]
            if r < since:
                continue
            if order == ALL_COLUMNS:
                for q in range(first, last):
                    for b in range(images):
                        _run(
                            records[q], begins[q], 0, b, width, COLUMN, 0, past, weights, labels,
                            height * width,
                        )  # fmt: skip
                continue
            for column in range(width):
                c = width - 1 - column if order == FROM_RIGHT else column
                for q in range(first, last):
                    record = records[q]
                    if record[KIND] != DRAW:
                        _run(
                            record, begins[q], c, 0, images, IMAGE, r * width + c, past, weights,
                            labels, height * width,
                        )  # fmt: skip
                        continue
                    _draw(
                        record, begins[q], c, r * width + c, colours, images, past, tables,
                        embedded, noise, keep, levels, job, head, coded, state, words,
                    )  # fmt: skip
