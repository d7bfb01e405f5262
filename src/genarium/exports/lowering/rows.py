"""Rows made one number, or normalized: sums, means, extremes, softmax, norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from genarium.exports.lowering.table import lowers, new
from genarium.exports.recorder import Recorder, Unwritable


def _last(x: Tensor, dims: Sequence[int]) -> Tensor:
    """x with these axes moved to the end."""
    chosen = sorted(d % x.ndim for d in dims)
    return x.permute(*(d for d in range(x.ndim) if d not in chosen), *chosen)


def _reduced(r: Recorder, f: str, x: Tensor, dims: Sequence[int] | None, result: Tensor) -> Tensor:
    dims = list(dims) if dims else list(range(x.ndim))
    moved = _last(x, dims)
    n = math.prod(x.shape[d] for d in dims)
    return r.run("reduce", new(result), [r.whole(moved)], f=f, rows=x.numel() // n, n=n)


@lowers("sum", "mean")
def _mean(
    r: Recorder, func: Any, x: Tensor, dim: Any = None, keepdim: bool = False, **k: Any
) -> Tensor:
    name = func.overloadpacket.__name__
    dims = [dim] if isinstance(dim, int) else dim
    result = func(x) if dims is None else func(x, dims, keepdim)
    return _reduced(r, name, x, dims, result)


@lowers("amax", "amin")
def _extreme(r: Recorder, func: Any, x: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    name = func.overloadpacket.__name__[1:]
    return _reduced(r, name, x, [dim] if isinstance(dim, int) else dim, func(x, dim, keepdim))


@lowers("argmax")
def _argmax(r: Recorder, func: Any, x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return _reduced(r, "argmax", x, None if dim is None else [dim], func(x, dim, keepdim))


@lowers("var", "var_mean")
def _variance(r: Recorder, func: Any, x: Tensor, dim: Any = None, **k: Any) -> Any:
    both = func.overloadpacket.__name__ == "var_mean"
    keep, correction = k.get("keepdim", False), k.get("correction", 1)
    dims = list(range(x.ndim)) if dim is None else list(dim)
    count = math.prod(x.shape[d] for d in dims)
    with r:
        mean = x.mean(dims, keepdim=True)
        centred = x - mean
        variance = (centred * centred).sum(dims, keepdim=keep) / (count - correction)
        if not both:
            return variance
        return variance, mean if keep else x.mean(dims)


@lowers("_softmax", "_log_softmax")
def _softmax(r: Recorder, func: Any, x: Tensor, dim: int, half: bool) -> Tensor:
    moved = _last(x, [dim])
    n = x.shape[dim]
    name = "softmax" if func.overloadpacket.__name__ == "_softmax" else "logsoftmax"
    made = r.run(name, new(func(moved, -1, half)), [r.whole(moved)], rows=x.numel() // n, n=n)
    return made.movedim(-1, dim)


@lowers("cumsum")
def _cumsum(r: Recorder, func: Any, x: Tensor, dim: int, **k: Any) -> Tensor:
    moved, n = _last(x, [dim]), x.shape[dim]
    result = new(func(moved, -1))
    return r.run("cumsum", result, [r.whole(moved)], rows=x.numel() // n, n=n).movedim(-1, dim)


def _normed(r: Recorder, x: Tensor, rows: int, eps: float) -> Tensor:
    """(x − mean)/√(var + ε) of so many packed rows."""
    n = x.numel() // rows
    flat = x.reshape(rows, n)
    result = functional.layer_norm(flat, (n,), eps=eps).view(x.shape)
    return r.run("norm", result, [r.whole(x)], rows=rows, n=n, eps=eps)


def _scaled(r: Recorder, x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    if scale is None and shift is None:
        return x
    one, zero = torch.ones(()), torch.zeros(())
    scale, shift = (one if scale is None else scale), (zero if shift is None else shift)
    return r.map("fma", [x, scale, shift], new(x * scale + shift))


def _channels(tensor: Tensor | None, axes: int) -> Tensor | None:
    return None if tensor is None else tensor.view(1, -1, *[1] * (axes - 2))


@lowers("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
def _batch_norm(
    r: Recorder, func: Any, x: Tensor, weight: Any, bias: Any, *args: Any, **k: Any
) -> Any:
    out = k.pop("out", None)
    statistics = [a for a in args if isinstance(a, Tensor)]
    training = k.get("training", next((a for a in args if isinstance(a, bool)), False))
    eps = k.get("eps", args[-1] if args else 1e-5)
    axes = x.ndim
    if training or not statistics:
        if len(x) != 1:
            raise Unwritable("it takes the statistics of several images")
        made = _normed(r, x if r.depends(x) and x.is_contiguous() else r.copied(x), x.shape[1], eps)
        made = _scaled(r, made, _channels(weight, axes), _channels(bias, axes))
    else:
        mean, variance = statistics
        scale = torch.rsqrt(variance.double() + eps)
        scale = scale if weight is None else scale * weight.double()
        shift = -mean.double() * scale
        shift = shift if bias is None else shift + bias.double()
        parts = [_channels(t.to(x.dtype), axes) for t in (scale, shift)]
        made = _scaled(r, x, *parts)
    if out is not None:
        out[0].copy_(made)
        r.map("copy", [made], out[0])
        return out
    return made, torch.empty(0), torch.empty(0)


@lowers("native_layer_norm")
def _layer_norm(
    r: Recorder, func: Any, x: Tensor, shape: Any, weight: Any, bias: Any, eps: float
) -> Any:
    made = _normed(r, x, x.numel() // math.prod(shape), eps)
    return _scaled(r, made, weight, bias), torch.empty(0), torch.empty(0)


@lowers("native_group_norm")
def _group_norm(
    r: Recorder,
    func: Any,
    x: Tensor,
    weight: Any,
    bias: Any,
    n: int,
    c: int,
    hw: int,
    g: int,
    eps: float,
) -> Any:
    made = _normed(r, x, n * g, eps)
    made = _scaled(r, made, _channels(weight, x.ndim), _channels(bias, x.ndim))
    return made, torch.empty(0), torch.empty(0)
