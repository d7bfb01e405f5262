"""Distributions of a pixel's level in the compiled kernel, in float64; see `heads`.

head: kind, L, components, 1/temperature, least ln s.
"""

from __future__ import annotations

from numba import njit

from genarium.models.autoregressive.fast.arithmetic import exp
from genarium.models.autoregressive.fast.program import PRECISION, SOFTMAX
from genarium.models.autoregressive.fast.vectors import get, put

ABREAST = 4
"""Images whose distributions are tabulated together."""


@njit(nogil=True, error_model="numpy")
def share(level, head, table):
    """F(level), the probability of all levels up to it, in float64."""
    if head[0] == SOFTMAX:
        return table[level] / table[int(head[1])]
    components = int(head[2])
    border = (level + 0.5) * (2.0 / (head[1] - 1.0)) - 1.0
    total = 0.0
    for j in range(components):
        z = (table[components + j] - border) * table[2 * components + j]
        total += table[j] / (1.0 + exp(z))
    return total


@njit(nogil=True, error_model="numpy")
def tabulate(past, x, head, table):
    """What `share` needs of the outputs: a mixture's shares, means, 1/s; or of a softmax the
    exponentials, which `summed` adds up."""
    levels, components, coldness = int(head[1]), int(head[2]), head[3]
    softmax = head[0] == SOFTMAX
    size = levels if softmax else components
    for j in range(size):
        table[j] = get(past, x + j)
    left = size  # the greatest of these is that of all; by halves, for they are compared at once
    while left > 1:
        half = (left + 1) // 2
        for j in range(left - half):
            table[j] = max(table[j], table[j + half])
        left = half
    top = table[0]
    for j in range(size):
        table[j] = exp((get(past, x + j) - top) * coldness)
    if softmax:
        return
    total = 0.0
    for j in range(size):
        total += table[j]
    for j in range(size):
        table[j] /= total
        middle = (j + 1.0) * (2.0 / (size + 1.0)) - 1.0
        table[size + j] = get(past, x + size + j) + middle
        table[2 * size + j] = exp(-max(get(past, x + 2 * size + j) - 2.0, head[4]))


@njit(nogil=True, error_model="numpy")
def summed(tables, count, head):
    """Sums of the exponentials in the first `count` tables, in the levels' order.

    A sum waits for the one before it; those of ABREAST tables do not wait for one another.
    """
    levels = int(head[1])
    if head[0] != SOFTMAX:
        return
    if count == ABREAST:
        a, b, c, d = tables[0], tables[1], tables[2], tables[3]
        first = second = third = fourth = 0.0
        for j in range(levels):
            first, second = first + get(a, j), second + get(b, j)
            third, fourth = third + get(c, j), fourth + get(d, j)
            put(a, j, first)
            put(b, j, second)
            put(c, j, third)
            put(d, j, fourth)
        a[levels], b[levels], c[levels], d[levels] = first, second, third, fourth
        return
    for line in range(count):
        table, total = tables[line], 0.0
        for j in range(levels):
            total += table[j]
            table[j] = total
        table[levels] = total


@njit(nogil=True, error_model="numpy")
def edge(level, head, table):
    """Units of 2^-24 up to a level and with it. Each level has two, of which rounding takes one."""
    levels = int(head[1])
    if level == levels - 1:
        return 1 << PRECISION
    units = min(max(share(level, head, table), 0.0), 1.0) * ((1 << PRECISION) - 2 * levels)
    return int(units + 0.5) + 2 * (level + 1)


@njit(nogil=True, error_model="numpy")
def first_above(head, table, number, in_units):
    """The least level whose share (or edge) is more than `number`; the last one has all."""
    low, high = 0, int(head[1]) - 1
    while low < high:
        middle = (low + high) // 2
        if in_units:
            above = edge(middle, head, table) > number
        else:
            above = share(middle, head, table) > number
        if above:
            high = middle
        else:
            low = middle + 1
    return low
