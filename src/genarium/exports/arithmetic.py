"""The functions of one, two and three numbers that a graph knows: in JavaScript and in numpy.

Operands are a, b, c; p and q are the parameters of an operation. True and false are 1 and 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Elementwise(NamedTuple):
    """operands: how many. script: the expression in JavaScript. call: the same in numpy."""

    operands: int
    script: str
    call: Callable[..., Any]


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _erf(x: Any) -> Any:
    import torch

    return torch.erf(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


def _of(operands: int, script: str, call: Callable[..., Any]) -> Elementwise:
    return Elementwise(operands, script, call)


ELEMENTWISE: dict[str, Elementwise] = {
    "copy": _of(1, "a", lambda a, p, q: a),
    "relu": _of(1, "a > 0 ? a : 0", lambda a, p, q: np.maximum(a, 0.0)),
    "leaky": _of(1, "a > 0 ? a : p * a", lambda a, p, q: np.where(a > 0, a, p * a)),
    "elu": _of(
        1,
        "a > 0 ? a : p * Math.expm1(a)",
        lambda a, p, q: np.where(a > 0, a, p * np.expm1(np.minimum(a, 0))),
    ),
    "silu": _of(1, "a / (1 + Math.exp(-a))", lambda a, p, q: a * _sigmoid(a)),
    "sigmoid": _of(1, "1 / (1 + Math.exp(-a))", lambda a, p, q: _sigmoid(a)),
    "tanh": _of(1, "Math.tanh(a)", lambda a, p, q: np.tanh(a)),
    "gelu": _of(
        1,
        "0.5 * a * (1 + erf(a * Math.SQRT1_2))",
        lambda a, p, q: 0.5 * a * (1.0 + _erf(a * 2**-0.5)),
    ),
    "gelu_tanh": _of(
        1,
        "0.5 * a * (1 + Math.tanh(0.7978845608028654 * (a + 0.044715 * a * a * a)))",
        lambda a, p, q: _gelu_tanh(a),
    ),
    "erf": _of(1, "erf(a)", lambda a, p, q: _erf(a)),
    "softplus": _of(
        1, "Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)))", lambda a, p, q: _softplus(a)
    ),
    "logsigmoid": _of(
        1, "Math.min(a, 0) - Math.log1p(Math.exp(-Math.abs(a)))", lambda a, p, q: -_softplus(-a)
    ),
    "exp": _of(1, "Math.exp(a)", lambda a, p, q: np.exp(a)),
    "expm1": _of(1, "Math.expm1(a)", lambda a, p, q: np.expm1(a)),
    "log": _of(1, "Math.log(a)", lambda a, p, q: np.log(a)),
    "log1p": _of(1, "Math.log1p(a)", lambda a, p, q: np.log1p(a)),
    "sqrt": _of(1, "Math.sqrt(a)", lambda a, p, q: np.sqrt(a)),
    "rsqrt": _of(1, "1 / Math.sqrt(a)", lambda a, p, q: 1.0 / np.sqrt(a)),
    "reciprocal": _of(1, "1 / a", lambda a, p, q: 1.0 / a),
    "abs": _of(1, "Math.abs(a)", lambda a, p, q: np.abs(a)),
    "sign": _of(1, "Math.sign(a)", lambda a, p, q: np.sign(a)),
    "neg": _of(1, "-a", lambda a, p, q: -a),
    "sin": _of(1, "Math.sin(a)", lambda a, p, q: np.sin(a)),
    "cos": _of(1, "Math.cos(a)", lambda a, p, q: np.cos(a)),
    "floor": _of(1, "Math.floor(a)", lambda a, p, q: np.floor(a)),
    "ceil": _of(1, "Math.ceil(a)", lambda a, p, q: np.ceil(a)),
    "trunc": _of(1, "Math.trunc(a)", lambda a, p, q: np.trunc(a)),
    "round": _of(1, "even(a)", lambda a, p, q: np.rint(a)),
    "clamp": _of(1, "a < p ? p : a > q ? q : a", lambda a, p, q: np.minimum(np.maximum(a, p), q)),
    "power": _of(1, "Math.pow(a, p)", lambda a, p, q: np.power(a, p)),
    "truth": _of(1, "a !== 0 ? 1 : 0", lambda a, p, q: (a != 0) * 1.0),
    "not": _of(1, "a !== 0 ? 0 : 1", lambda a, p, q: (a == 0) * 1.0),
    "add": _of(2, "a + b", lambda a, b, p, q: a + b),
    "sub": _of(2, "a - b", lambda a, b, p, q: a - b),
    "mul": _of(2, "a * b", lambda a, b, p, q: a * b),
    "div": _of(2, "a / b", lambda a, b, p, q: a / b),
    "pow": _of(2, "Math.pow(a, b)", lambda a, b, p, q: np.power(a, b)),
    "max": _of(2, "Math.max(a, b)", lambda a, b, p, q: np.maximum(a, b)),
    "min": _of(2, "Math.min(a, b)", lambda a, b, p, q: np.minimum(a, b)),
    "lt": _of(2, "a < b ? 1 : 0", lambda a, b, p, q: (a < b) * 1.0),
    "le": _of(2, "a <= b ? 1 : 0", lambda a, b, p, q: (a <= b) * 1.0),
    "gt": _of(2, "a > b ? 1 : 0", lambda a, b, p, q: (a > b) * 1.0),
    "ge": _of(2, "a >= b ? 1 : 0", lambda a, b, p, q: (a >= b) * 1.0),
    "eq": _of(2, "a === b ? 1 : 0", lambda a, b, p, q: (a == b) * 1.0),
    "ne": _of(2, "a !== b ? 1 : 0", lambda a, b, p, q: (a != b) * 1.0),
    "and": _of(2, "a && b ? 1 : 0", lambda a, b, p, q: ((a != 0) & (b != 0)) * 1.0),
    "or": _of(2, "a || b ? 1 : 0", lambda a, b, p, q: ((a != 0) | (b != 0)) * 1.0),
    "fma": _of(3, "a * b + c", lambda a, b, c, p, q: a * b + c),
    "lerp": _of(3, "a + c * (b - a)", lambda a, b, c, p, q: a + c * (b - a)),
    "where": _of(3, "a ? b : c", lambda a, b, c, p, q: np.where(a != 0, b, c)),
}


def scripts(operands: int) -> str:
    """The functions of so many operands, as the inner loops of the engine: `MAP1`, `MAP2`, `MAP3`.

    Each runs n numbers from offset o (step so) with the operands at i, j, k (steps si, sj, sk).
    """
    names = "abc"[:operands]
    places = [f"{at}, s{at}" for at in "ijk"[:operands]]
    loads = ", ".join(f"{n} = H[{at}]" for n, at in zip(names, "ijk"))
    steps = ", ".join(f"{at} += s{at}" for at in "ijk"[:operands])
    lines = [
        f"{name}(H, n, p, q, o, so, {', '.join(places)}) {{ for (; n > 0; n--, o += so, {steps}) "
        f"{{ const {loads}; H[o] = {each.script}; }} }}"
        for name, each in ELEMENTWISE.items()
        if each.operands == operands
    ]
    return "{\n" + ",\n".join(lines) + "\n}"
