"""Operations on each number for itself, and copies of tensors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genarium.exports.lowering.table import LOWERINGS, lowers, new
from genarium.exports.recorder import Recorder, Unwritable

UNARY = {
    **{name: name for name in ("relu", "silu", "sigmoid", "tanh", "exp", "expm1", "log", "log1p")},
    **{name: name for name in ("sqrt", "rsqrt", "reciprocal", "abs", "sign", "neg", "sin", "cos")},
    **{name: name for name in ("floor", "ceil", "trunc", "erf")},
    "round": "round",
    "bitwise_not": "not",
    "logical_not": "not",
    "log_sigmoid_forward": "logsigmoid",
}
BINARY = {
    **{name: name for name in ("mul", "div", "lt", "le", "gt", "ge", "eq", "ne")},
    "maximum": "max",
    "minimum": "min",
    "pow": "pow",
    "bitwise_and": "and",
    "logical_and": "and",
    "bitwise_or": "or",
    "logical_or": "or",
}


def _unary(r: Recorder, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    name = func.overloadpacket.__name__
    result = func(x, *args, **kwargs)
    first = result[0] if isinstance(result, tuple) else result
    made = r.map(UNARY[name], [x], new(first))
    return (made, result[1]) if isinstance(result, tuple) else made


def _binary(r: Recorder, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
    name, result = func.overloadpacket.__name__, new(func(a, b, **kwargs))
    if name == "pow" and not isinstance(b, Tensor):
        if b == 2:
            return r.map("mul", [a, a], result)
        return r.map("power", [a], result, p=b)
    if name == "div" and kwargs.get("rounding_mode"):
        r.map("div", [a, b], result)
        return r.map(kwargs["rounding_mode"], [result], new(result))
    return r.map(BINARY[name], [a, b], result)


LOWERINGS.update(dict.fromkeys(UNARY, _unary))
LOWERINGS.update(dict.fromkeys(BINARY, _binary))


@lowers("add", "sub", "rsub")
def _sum(r: Recorder, func: Any, a: Any, b: Any, alpha: float = 1) -> Tensor:
    name, result = func.overloadpacket.__name__, new(func(a, b, alpha=alpha))
    if name == "rsub":
        a, b, name = b, a, "sub"
        if alpha != 1:
            raise Unwritable("it uses rsub with a factor")
    if alpha == 1:
        return r.map(name, [a, b], result)
    if not isinstance(b, Tensor):
        return r.map(name, [a, alpha * b], result)
    return r.map("fma", [b, alpha if name == "add" else -alpha, a], result)


@lowers("__rshift__", "bitwise_right_shift")
def _shifted(r: Recorder, func: Any, a: Tensor, by: int) -> Tensor:
    result = r.map("mul", [a, 2.0**-by], new(func(a, by)))
    return r.map("floor", [result], new(result))


@lowers("leaky_relu")
def _leaky(r: Recorder, func: Any, x: Tensor, slope: float = 0.01) -> Tensor:
    return r.map("leaky", [x], new(func(x, slope)), p=slope)


@lowers("gelu")
def _gelu(r: Recorder, func: Any, x: Tensor, approximate: str = "none") -> Tensor:
    name = "gelu" if approximate == "none" else "gelu_tanh"
    return r.map(name, [x], new(func(x, approximate=approximate)))


@lowers("softplus")
def _softplus(r: Recorder, func: Any, x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    if beta != 1:
        raise Unwritable("it uses softplus with a factor")
    return r.map("softplus", [x], new(func(x, beta, threshold)))


@lowers("clamp", "clamp_min", "clamp_max", "hardtanh")
def _clamp(
    r: Recorder, func: Any, x: Tensor, low: Any = None, high: Any = None, **k: Any
) -> Tensor:
    name = func.overloadpacket.__name__
    if name == "clamp_max":
        low, high = None, low
    low, high = k.get("min", low), k.get("max", high)
    if name == "hardtanh":
        low, high = -1 if low is None else low, 1 if high is None else high
    result = new(torch.clamp(x, low, high))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        for f, bound in (("max", low), ("min", high)):
            if bound is not None:
                x = r.map(f, [x, bound], new(result))
        return x
    least, most = (-math.inf if low is None else low), (math.inf if high is None else high)
    return r.map("clamp", [x], result, p=least, q=most)


@lowers("where")
def _where(r: Recorder, func: Any, condition: Tensor, a: Any, b: Any) -> Tensor:
    return r.map("where", [condition, a, b], new(func(condition, a, b)))


@lowers("masked_fill")
def _masked_fill(r: Recorder, func: Any, x: Tensor, mask: Tensor, value: Any) -> Tensor:
    return r.map("where", [mask, value, x], new(func(x, mask, value)))


@lowers("lerp")
def _lerp(r: Recorder, func: Any, a: Tensor, b: Tensor, weight: Any) -> Tensor:
    return r.map("lerp", [a, b, weight], new(func(a, b, weight)))


@lowers("addcmul")
def _addcmul(r: Recorder, func: Any, x: Tensor, a: Tensor, b: Tensor, value: float = 1) -> Tensor:
    result = new(func(x, a, b, value=value))
    if value != 1:
        raise Unwritable("it uses addcmul with a factor")
    return r.map("fma", [a, b, x], result)


@lowers("clone", "contiguous", "_to_copy")
def _copy(r: Recorder, func: Any, x: Tensor, **kwargs: Any) -> Tensor:
    result = new(func(x, **kwargs))
    whole = not result.is_floating_point() and x.is_floating_point()
    f = "truth" if result.dtype == torch.bool else "trunc" if whole else "copy"
    return r.map(f, [x], result)


@lowers("copy_")
def _copy_into(
    r: Recorder, func: Any, out: Tensor, x: Tensor, non_blocking: bool = False
) -> Tensor:
    func(out, x)
    return r.map("copy", [x], out)


@lowers("fill_", "zero_")
def _fill(r: Recorder, func: Any, out: Tensor, value: Any = 0) -> Tensor:
    func(out, *([value] if func.overloadpacket.__name__ == "fill_" else []))
    return r.map("copy", [value], out)
