"""Runs a graph in Python: what a page must give, and the check of a graph before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from genarium.exports.arithmetic import ELEMENTWISE
from genarium.exports.graph import Array, Graph, Op, View
from genarium.exports.program import HALF


def interpret(graph: Graph, inputs: Mapping[str, Any], half: bool = False) -> Array:
    """The output of a graph for one row of each input; half: weights rounded as a page has them."""
    buffers: dict[int, Array] = {}
    for number, array in graph.constants.items():
        rounded = half and number not in graph.exact and np.abs(array).max(initial=0) < HALF
        buffers[number] = array.astype(np.float16).astype(np.float32) if rounded else array
    for name, number in graph.inputs.items():
        values = np.asarray(inputs[name], dtype=np.float32).reshape(-1)
        buffers[number] = values.copy()
    for op in graph.ops:
        for view in op.views:
            if view.buffer not in buffers:
                buffers[view.buffer] = np.zeros(graph.sizes[view.buffer], np.float32)
        with np.errstate(all="ignore"):
            _run(op, buffers)
    return buffers[graph.output].reshape(graph.shapes["output"])


def _strided(buffers: dict[int, Array], view: View, shape: tuple[int, ...]) -> Array:
    array = buffers[view.buffer]
    # negative steps: numpy wants to begin at the element itself
    return np.lib.stride_tricks.as_strided(
        array[view.offset :], shape, [4 * s for s in view.strides]
    )


def _run(op: Op, buffers: dict[int, Array]) -> None:
    n = op.numbers
    if op.name == "map":
        f = ELEMENTWISE[n["f"]].call
        operands = [_strided(buffers, view, op.shape) for view in op.inputs]
        _strided(buffers, op.out, op.shape)[...] = f(*operands, n["p"], n["q"])
        return
    parts = [torch.from_numpy(buffers[v.buffer][v.offset :]) for v in op.inputs]
    result = RUN[op.name](n, *parts).reshape(-1)
    if n.get("act"):
        f, p, q = n["act"]
        result = torch.from_numpy(np.asarray(ELEMENTWISE[f].call(result.numpy(), p, q), np.float32))
    buffers[op.out.buffer][op.out.offset : op.out.offset + len(result)] = result.numpy()


def _take(x: torch.Tensor, *shape: int) -> torch.Tensor:
    count = 1
    for size in shape:
        count *= size
    return x[:count].view(shape)


def _gemv(n: Any, w: Any, x: Any, bias: Any = None) -> torch.Tensor:
    y = _take(w, n["m"], n["k"]) @ _take(x, n["k"])
    return y if bias is None else y + _take(bias, n["m"])


def _matmul(n: Any, a: Any, b: Any, bias: Any = None) -> torch.Tensor:
    y = _take(a, n["g"], n["m"], n["k"]) @ _take(b, n["g"], n["k"], n["n"])
    return y if bias is None else y + _take(bias, n["n"])


def _conv(n: Any, w: Any, x: Any, bias: Any = None) -> torch.Tensor:
    weight = _take(w, n["f"], n["c"] // n["groups"], n["kh"], n["kw"])
    image = _take(x, n["b"], n["c"], n["h"], n["w"])
    bias = None if bias is None else _take(bias, n["f"])
    stride, pad, dilation = ((n["sh"], n["sw"]), (n["ph"], n["pw"]), (n["dh"], n["dw"]))
    return functional.conv2d(image, weight, bias, stride, pad, dilation, n["groups"])


def _convt(n: Any, w: Any, x: Any, bias: Any = None) -> torch.Tensor:
    weight = _take(w, n["f"] * n["kh"] * n["kw"], n["c"]).t().reshape(-1, n["f"], n["kh"], n["kw"])
    image = _take(x, n["b"], n["c"], n["h"], n["w"])
    stride, pad, dilation = ((n["sh"], n["sw"]), (n["ph"], n["pw"]), (n["dh"], n["dw"]))
    sizes = zip((n["h"], n["w"]), (n["oh"], n["ow"]), stride, pad, dilation, (n["kh"], n["kw"]))
    more = [o - ((i - 1) * s - 2 * p + d * (k - 1) + 1) for i, o, s, p, d, k in sizes]
    bias = None if bias is None else _take(bias, n["f"])
    return functional.conv_transpose2d(image, weight, bias, stride, pad, more, 1, dilation)


def _gather(n: Any, x: Any, index: Any) -> torch.Tensor:
    table = _take(x, n["o"], n["m"], n["i"])
    if n["own"]:
        places = _take(index, n["o"], n["n"]).long()
        return table[..., 0].gather(1, places)
    return table[:, _take(index, n["n"]).long()]


def _reduce(n: Any, x: Any) -> torch.Tensor:
    rows = _take(x, n["rows"], n["n"])
    named: dict[str, Callable[..., Any]] = {
        "sum": lambda: rows.sum(1),
        "mean": lambda: rows.mean(1),
        "max": lambda: rows.amax(1),
        "min": lambda: rows.amin(1),
        "argmax": lambda: rows.argmax(1).float(),
    }
    result: torch.Tensor = named[n["f"]]()
    return result


def _pool(n: Any, x: Any) -> torch.Tensor:
    maps = _take(x, n["c"], n["h"], n["w"])
    result = torch.empty(n["c"], n["oh"], n["ow"])
    for i in range(n["oh"]):
        for j in range(n["ow"]):
            (top, bottom), (left, right) = (
                n[name][2 * at : 2 * at + 2] for name, at in (("rows", i), ("columns", j))
            )
            window = maps[:, top:bottom, left:right].flatten(1)
            if n["f"] == "max":
                result[:, i, j] = window.amax(1)
            else:
                result[:, i, j] = window.sum(1) / (n["divide"] or window.shape[1])
    return result


def _norm(n: Any, x: Any) -> torch.Tensor:
    return functional.layer_norm(_take(x, n["rows"], n["n"]), (n["n"],), eps=n["eps"])


RUN: dict[str, Callable[..., torch.Tensor]] = {
    "gemv": _gemv,
    "matmul": _matmul,
    "conv": _conv,
    "convt": _convt,
    "gather": _gather,
    "reduce": _reduce,
    "pool": _pool,
    "norm": _norm,
    "softmax": lambda n, x: _take(x, n["rows"], n["n"]).softmax(1),
    "logsoftmax": lambda n, x: _take(x, n["rows"], n["n"]).log_softmax(1),
    "cumsum": lambda n, x: _take(x, n["rows"], n["n"]).cumsum(1),
}
