"""The page's random numbers: a pure function of seed, sample and place, the same everywhere.

    w₀, w₁ = Threefry-2×32-20(key = (seed mod 2³², seed div 2³²), counter = (sample, place))
    u = (2²¹·w₀ + (w₁ >> 11) + ½) / 2⁵³          uniform on (0, 1)
    z = Φ⁻¹(u)                                  normal, one for each place of a code

Threefry: Salmon, Moraes, Dror & Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3. Φ⁻¹:
Wichura 1988, Algorithm AS 241 (PPND16), relative error about 1e-16. Python and JavaScript agree
to the rounding of a logarithm. `genarium sample` draws by PyTorch's generator and others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA

CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
NEAR = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
     1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959,
     1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187,
     1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
     0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699,
     6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
     7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
     0.59983220655588793769, 1.0),
)  # fmt: skip


def threefry(seed: int, first: Any, second: Any) -> tuple[Any, Any]:
    """Two words of 32 bits for each pair of counters."""
    keys = [np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF)]
    keys.append(np.uint32(PARITY) ^ keys[0] ^ keys[1])
    with np.errstate(over="ignore"):
        x = np.asarray(first, np.uint32) + keys[0]
        y = np.asarray(second, np.uint32) + keys[1]
        for number in range(20):
            x = x + y
            by = ROTATIONS[number % 8]
            y = (y << np.uint32(by) | y >> np.uint32(32 - by)) ^ x
            if number % 4 == 3:
                turn = number // 4 + 1
                x = x + keys[turn % 3]
                y = y + keys[(turn + 1) % 3] + np.uint32(turn)
    return x, y


def uniform(seed: int, samples: Any, places: Any) -> NDArray[np.float64]:
    """Uniform numbers on (0, 1), one for each pair of sample and place."""
    x, y = threefry(seed, samples, places)
    return (x.astype(np.float64) * 2.0**21 + (y >> np.uint32(11)) + 0.5) * 2.0**-53


def _ratio(x: Any, of: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    above, below = (np.polyval(coefficients, x) for coefficients in of)
    return above / below


def normal(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Φ⁻¹(u)."""
    q = u - 0.5
    r = np.sqrt(-np.log(np.minimum(u, 1.0 - u)))
    middle = q * _ratio(0.180625 - q * q, CENTRE)
    tail = np.where(r <= 5.0, _ratio(r - 1.6, NEAR), _ratio(r - 5.0, FAR))
    return np.where(np.abs(q) <= 0.425, middle, np.copysign(tail, q))


def noise(seed: int, first: int, count: int, numbers: int) -> NDArray[np.float32]:
    """The noise of the page's samples first, first + 1 ..., [count, numbers] of N(0, 1)."""
    samples = np.arange(first, first + count, dtype=np.uint32)[:, None]
    places = np.arange(numbers, dtype=np.uint32)[None]
    return normal(uniform(seed, samples, places)).astype(np.float32)
