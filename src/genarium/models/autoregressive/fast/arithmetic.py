"""e^x in the compiled kernel: by arithmetic alone, so that every machine gives the same bits."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from genarium.models.autoregressive.fast.vectors import power_of_two

# e^x = 2^n·e^r with n the whole number next to x/ln 2; ln 2 in two parts, of which n times the
# first is exact. e^r by its series, to the last bit or two.
_LOG2E = 1.4426950408889634
_HIGH64, _LOW64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_HIGH32, _LOW32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SHIFT64, _SHIFT32 = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
_LOG2E32 = np.float32(_LOG2E)
_SERIES = tuple(1.0 / math.factorial(n) for n in range(14))
_SERIES32 = tuple(np.float32(1.0 / math.factorial(n)) for n in range(8))
_ONE32, _TWO32, _MOST32 = np.float32(1.0), np.float32(2.0), np.float32(80.0)


def exp(x):
    """e^x by arithmetic alone: the same bits on every machine. |x| at most 80 (700 in float64)."""
    raise NotImplementedError


@overload(exp, inline="always")
def _exp(x):
    if x == types.float32:

        def single(x):
            x = min(max(x, -_MOST32), _MOST32)
            shifted = x * _LOG2E32 + _SHIFT32
            n = shifted - _SHIFT32
            r = (x - n * _HIGH32) - n * _LOW32
            c = _SERIES32
            s = c[4] + r * (c[5] + r * (c[6] + r * c[7]))
            return (c[0] + r * (c[1] + r * (c[2] + r * (c[3] + r * s)))) * power_of_two(shifted)

        return single

    def double(x):
        x = min(max(x, -700.0), 700.0)
        shifted = x * _LOG2E + _SHIFT64
        n = shifted - _SHIFT64
        r = (x - n * _HIGH64) - n * _LOW64
        c = _SERIES
        s = c[10] + r * (c[11] + r * (c[12] + r * c[13]))
        s = c[6] + r * (c[7] + r * (c[8] + r * (c[9] + r * s)))
        s = c[2] + r * (c[3] + r * (c[4] + r * (c[5] + r * s)))
        return (c[0] + r * (c[1] + r * s)) * power_of_two(shifted)

    return double
