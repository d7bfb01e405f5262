"""Products of matrices, convolutions, attention; and pools, whose windows are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.exports.graph import View
from genarium.exports.lowering.table import lowers, new
from genarium.exports.recorder import Recorder, Unwritable


@lowers("mm", "bmm", "addmm", "baddbmm")
def _product(r: Recorder, func: Any, *args: Any, **k: Any) -> Tensor:
    bias, (a, b) = (args[0], args[1:]) if len(args) == 3 else (None, args)
    if any(value != 1 for value in k.values()):
        raise Unwritable("it uses addmm with a factor")
    result = new(func(*args))
    m, kk, n = a.shape[-2], a.shape[-1], b.shape[-1]
    if a.ndim == 2 and m == 1 and not r.depends(b):
        inputs = [r.whole(b.t()), r.whole(a)]
        if bias is not None:
            inputs.append(r.whole(bias.expand(1, n)))
        return r.run("gemv", result, inputs, m=n, k=kk, bias=int(bias is not None))
    inputs = [r.whole(a), r.whole(b)]
    row = bias is not None and bias.numel() == n and not r.depends(bias)
    if bias is not None and row:
        inputs.append(r.whole(bias.reshape(n)))
    g = a.shape[0] if a.ndim == 3 else 1
    product = result if bias is None or row else new(result - bias)
    r.run("matmul", product, inputs, g=g, m=m, n=n, k=kk, bias=int(row))
    return result if product is result else r.map("add", [product, bias], result)


@lowers("dot", "mv")
def _vector(r: Recorder, func: Any, a: Tensor, b: Tensor) -> Tensor:
    with r:
        return (a * b).sum(-1)


@lowers("_scaled_dot_product_flash_attention_for_cpu")
def _attention(
    r: Recorder, func: Any, q: Tensor, k: Tensor, v: Tensor, *args: Any, **more: Any
) -> Any:
    causal = bool(args[1]) if len(args) > 1 else bool(more.get("is_causal", False))
    scale, mask = more.get("scale") or q.shape[-1] ** -0.5, more.get("attn_mask")
    with r:
        weights = (q @ k.transpose(-2, -1)) * scale
        if causal:
            hidden = torch.ones(q.shape[-2], k.shape[-2]).tril().logical_not()
            weights = weights.masked_fill(hidden, -1e30)
        if mask is not None:
            weights = weights + mask
        return weights.softmax(-1) @ v, torch.empty(0)


@lowers("linalg_solve_triangular")
def _solved(r: Recorder, func: Any, a: Tensor, b: Tensor, *, upper: bool, **k: Any) -> Tensor:
    if r.depends(a) or not k.get("left", True):
        raise Unwritable("it solves equations that depend on the input")
    one = torch.eye(a.shape[-1], dtype=torch.float64)
    inverse = func(a.double(), one, upper=upper, **k).to(b.dtype)
    with r:
        return inverse.expand(*b.shape[:-2], -1, -1) @ b


@lowers("convolution")
def _convolution(
    r: Recorder,
    func: Any,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    if r.depends(weight):
        raise Unwritable("it convolves with what depends on the input")
    result = new(
        func(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    )
    flat = x.ndim == 3  # a signal is a map of one row
    b, c = x.shape[:2]
    (h, w), (oh, ow) = ((1, *s)[-2:] for s in (x.shape[2:], result.shape[2:]))
    kh, kw = (1, *weight.shape[2:])[-2:]
    (sh, sw), (dh, dw) = ((1, *s)[-2:] for s in (stride, dilation))
    ph, pw = (0, *padding)[-2:] if flat else padding
    f = result.shape[1]
    if transposed:
        if groups != 1:
            raise Unwritable("it uses a transposed convolution in groups")
        table = weight.reshape(c, -1).t()
    else:
        table = weight.reshape(f, -1)
    inputs = [View(r.constant(table.contiguous()).buffer), r.whole(x)]
    if bias is not None:
        inputs.append(r.whole(bias))
    sizes = {"b": b, "c": c, "h": h, "w": w, "f": f, "oh": oh, "ow": ow, "kh": kh, "kw": kw}
    steps = {"sh": sh, "sw": sw, "ph": ph, "pw": pw, "dh": dh, "dw": dw}
    name = "convt" if transposed else "conv"
    numbers = {**sizes, **steps, "groups": groups, "bias": int(bias is not None)}
    return r.run(name, result, inputs, **numbers)


@lowers("_adaptive_avg_pool2d", "avg_pool2d", "max_pool2d_with_indices")
def _pool(r: Recorder, func: Any, x: Tensor, size: Any, *args: Any, **k: Any) -> Any:
    name = func.overloadpacket.__name__
    result = func(x, size, *args, **k)
    first = new(result[0] if isinstance(result, tuple) else result)
    h, w = x.shape[-2:]
    oh, ow = first.shape[-2:]
    if name == "_adaptive_avg_pool2d":
        rows, columns = (
            [(i * n // o, -(-(i + 1) * n // o)) for i in range(o)] for n, o in ((h, oh), (w, ow))
        )
        divide = 0
    else:
        kernel = list(size) * (2 // len(size))
        stride = list(args[0] if args and args[0] else kernel)
        stride = stride * (2 // len(stride))
        pad = list(args[1]) if len(args) > 1 else [0, 0]
        pad = pad * (2 // len(pad))
        rows, columns = (
            [(max(0, i * s - p), min(n, i * s - p + k)) for i in range(o)]
            for n, o, k, s, p in zip((h, w), (oh, ow), kernel, stride, pad)
        )
        divide = kernel[0] * kernel[1] if any(pad) else 0
    f = "max" if name.startswith("max") else "mean"
    windows = {"rows": [*sum(rows, ())], "columns": [*sum(columns, ())]}
    maps = x.numel() // (h * w)
    made = r.run(
        "pool", first, [r.whole(x)], f=f, c=maps, h=h, w=w, oh=oh, ow=ow, divide=divide, **windows
    )
    return (made, result[1]) if isinstance(result, tuple) else made
