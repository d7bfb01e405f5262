"""Tails and quantiles of the distributions behind the intervals: binomial, Student's t, Poisson.

By the incomplete beta and gamma functions, so that scores need no SciPy; tests hold them to it.

    DLMF 8.17 (I_x(a, b), its continued fraction), 8.4 (P(a, x))
"""

from __future__ import annotations

import math
from collections.abc import Callable

TINY = 1e-300  # stands for a zero in the continued fraction, which divides by it (Lentz 1976)
CLOSE = 1e-16


def beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the regularized incomplete beta function, for a, b > 0 and x in [0, 1]."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly: the other tail
        return 1 - beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value, m = d, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) <= CLOSE or m > 100 + 10 * math.sqrt(max(a, b)):
            return math.exp(front) * value / a


def gamma(a: float, x: float) -> float:
    """P(a, x), the regularized lower incomplete gamma function, for a > 0 and x ≥ 0."""
    if x <= 0:
        return 0.0
    front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:  # the series
        term = total = 1 / a
        n = a
        while term > total * CLOSE:
            n += 1
            term *= x / n
            total += term
        return math.exp(front) * total
    # the continued fraction of the other tail
    b = x + 1 - a
    c, d = 1 / TINY, 1 / _not_zero(b)
    value, i = d, 0
    while True:
        i += 1
        term, b = -i * (i - a), b + 2
        d = 1 / _not_zero(term * d + b)
        c = _not_zero(b + term / c)
        value *= d * c
        if abs(d * c - 1) <= CLOSE or i > 100 + 10 * math.sqrt(a):
            return 1 - math.exp(front) * value


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def at_most(count: int, n: int, share: float) -> float:
    """P(X ≤ count) for X ~ Binomial(n, share)."""
    if count >= n or count < 0:
        return float(count >= n)
    return beta(n - count, count + 1, 1 - share)


def more_than(count: int, n: int, share: float) -> float:
    """P(X > count) for X ~ Binomial(n, share)."""
    if count >= n or count < 0:
        return float(count < 0)
    return beta(count + 1, n - count, share)


def beta_quantile(a: float, b: float, level: float) -> float:
    """The x with I_x(a, b) = level."""
    return _where(lambda x: beta(a, b, x), level, 1.0)


def gamma_quantile(a: float, level: float) -> float:
    """The x with P(a, x) = level: of the mean of a Poisson count, by its tails (Garwood 1936)."""
    return _where(lambda x: gamma(a, x), level, a + 10 + 40 * math.sqrt(a))


def student_quantile(freedom: float, level: float) -> float:
    """The t with P(T ≤ t) = level for Student's t, level ≥ 1/2."""
    # t²/(ν + t²) ~ Beta(1/2, ν/2) in both tails together
    share = beta_quantile(0.5, freedom / 2, 2 * level - 1)
    return math.sqrt(freedom * share / (1 - share))


def _where(rising: Callable[[float], float], level: float, high: float) -> float:
    """Where a rising function reaches `level` between 0 and `high`, by halving."""
    low = 0.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high) or high - low <= CLOSE * high:
            return middle
        low, high = (middle, high) if rising(middle) < level else (low, middle)
