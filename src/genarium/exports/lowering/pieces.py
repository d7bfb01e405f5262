"""Tensors put together, cut, turned over and looked up: numbers change their places only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.exports.graph import Op, View
from genarium.exports.lowering.table import lowers, new
from genarium.exports.recorder import Recorder, Unwritable


@lowers("cat")
def _cat(r: Recorder, func: Any, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    some = [t for t in tensors if t.numel()]
    result, at = new(func(some, dim)), 0
    r.made(result)
    for tensor in some:
        r.map("copy", [tensor], result.narrow(dim, at, tensor.shape[dim]))
        at += tensor.shape[dim]
    return result


@lowers("flip")
def _flip(r: Recorder, func: Any, x: Tensor, dims: Sequence[int]) -> Tensor:
    result = new(func(x, dims))
    view = r.view(x)
    steps, offset = list(view.strides), view.offset
    for dim in dims:
        offset += steps[dim] * (x.shape[dim] - 1)
        steps[dim] = -steps[dim]
    numbers = {"f": "copy", "p": 0.0, "q": 0.0}
    source = View(view.buffer, offset, tuple(steps))
    r.emit(Op("map", r.target(result), [source], tuple(x.shape), numbers))
    return result


@lowers("pixel_shuffle", "pixel_unshuffle")
def _shuffle(r: Recorder, func: Any, x: Tensor, by: int) -> Tensor:
    *batch, c, h, w = x.shape
    n = len(batch)
    if func.overloadpacket.__name__ == "pixel_shuffle":
        cut = x.reshape(*batch, c // by**2, by, by, h, w)
        order, shape = (0, 3, 1, 4, 2), (*batch, c // by**2, h * by, w * by)
    else:
        cut = x.reshape(*batch, c, h // by, by, w // by, by)
        order, shape = (0, 2, 4, 1, 3), (*batch, c * by**2, h // by, w // by)
    if r.depends(x) and not r.depends(cut):  # it had to be copied
        r.map("copy", [x], cut.view(x.shape))
    moved = cut.permute(*range(n), *(n + i for i in order))
    result = r.map("copy", [moved], new(moved))
    return result.view(shape)


@lowers("constant_pad_nd")
def _pad(r: Recorder, func: Any, x: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    inner = x
    for axis, (low, high) in enumerate(zip(pad[::2], pad[1::2])):
        dim = x.ndim - 1 - axis
        start, length = max(0, -low), x.shape[dim] + min(0, low) + min(0, high)
        inner = inner.narrow(dim, start, length)
    result = new(func(x, pad, value))
    r.map("copy", [value], result)
    part = result
    for axis, (low, _) in enumerate(zip(pad[::2], pad[1::2])):
        dim = x.ndim - 1 - axis
        part = part.narrow(dim, max(0, low), inner.shape[dim])
    r.map("copy", [inner], part)
    return result


def _gathered(
    r: Recorder, x: Tensor, result: Tensor, index: View, o: int, n: int, m: int, i: int, own: bool
) -> Tensor:
    numbers = {"o": o, "n": n, "m": m, "i": i, "own": int(own)}
    return r.run("gather", result, [r.whole(x), index], **numbers)


@lowers("reflection_pad2d", "replication_pad2d", "upsample_nearest2d", "_upsample_nearest_exact2d")
def _rearranged(r: Recorder, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Maps whose every pixel is one of x."""
    h, w = x.shape[-2:]
    result = new(func(x, *args, **kwargs))
    places = torch.arange(h * w, dtype=torch.float64).view(1, 1, h, w)
    index = func(places, *args, **kwargs)[0, 0]
    height, width = result.shape[-2:]
    if "upsample" in func.overloadpacket.__name__ and not (height % h or width % w):
        return _repeated(r, x, result)
    held = r.constant(index, exact=True)
    size = height * width
    return _gathered(r, x, result, View(held.buffer), x.numel() // (h * w), size, h * w, 1, False)


def _repeated(r: Recorder, x: Tensor, result: Tensor) -> Tensor:
    """Each pixel of x as a block of equal ones."""
    (h, w), (height, width) = x.shape[-2:], result.shape[-2:]
    f, g = height // h, width // w
    blocks = x[..., :, None, :, None].expand(*x.shape[:-2], h, f, w, g)
    r.map("copy", [blocks], result.view(*x.shape[:-2], h, f, w, g))
    return result


@lowers("index_select")
def _index_select(r: Recorder, func: Any, x: Tensor, dim: int, index: Tensor) -> Tensor:
    dim = dim % x.ndim
    result = new(func(x, dim, index))
    o, i = math.prod(x.shape[:dim]), math.prod(x.shape[dim + 1 :])
    where = r.whole(index) if r.depends(index) else View(r.constant(index, True).buffer)
    return _gathered(r, x, result, where, o, len(index), x.shape[dim], i, False)


@lowers("index")
def _index(r: Recorder, func: Any, x: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if len(given) == 1 and given[0][1].ndim == 1 and given[0][1].dtype == torch.int64:
        dim, index = given[0]
        if not r.depends(index):
            index = index % x.shape[dim]
        return _index_select(r, torch.ops.aten.index_select.default, x, dim, index)
    if any(r.depends(index) for _, index in given):
        raise Unwritable("it looks up places that depend on the input")
    result = new(func(x, indices))
    places = torch.arange(x.numel()).view(x.shape)
    held = r.constant(func(places, indices).contiguous(), exact=True)
    return _gathered(r, x, result, View(held.buffer), 1, result.numel(), x.numel(), 1, False)


@lowers("gather")
def _gather(r: Recorder, func: Any, x: Tensor, dim: int, index: Tensor, **k: Any) -> Tensor:
    if dim % x.ndim != x.ndim - 1 or x.shape[:-1] != index.shape[:-1]:
        raise Unwritable("it gathers along an axis that is not the last")
    result, rows = new(func(x, dim, index)), math.prod(x.shape[:-1])
    where = r.whole(index) if r.depends(index) else View(r.constant(index, True).buffer)
    return _gathered(r, x, result, where, rows, index.shape[-1], x.shape[-1], 1, True)


@lowers("embedding")
def _embedding(r: Recorder, func: Any, weight: Tensor, index: Tensor, *args: Any) -> Tensor:
    result = new(func(weight, index, *args))
    n, size = len(weight), weight.shape[1]
    return _gathered(r, weight, result, r.whole(index), 1, index.numel(), n, size, False)
