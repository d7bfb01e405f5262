"""PyTorch's operations (ATen) as those of a graph.

Each function here computes the real result too, packed, since later operations look at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from genarium.exports.graph import View
from genarium.exports.recorder import Recorder, Unwritable

Lowering = Callable[..., Any]
LOWERINGS: dict[str, Lowering] = {}

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
FACTORIES = {
    *("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided", "full_like"),
    *("empty_like", "zeros_like", "ones_like", "empty_strided", "resize_"),
}
VIEWS = {
    *("_unsafe_view", "_reshape_alias", "lift_fresh", "alias", "detach", "detach_", "reshape"),
    *("transpose_", "t_", "squeeze_", "unsqueeze_", "as_strided_"),
}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Decorator: a function that lowers the operations of these names."""

    def wrap(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return wrap


def find(name: str) -> Lowering | None:
    """What lowers the operation of this name. An operation in place changes its first operand."""
    if name in LOWERINGS:
        return LOWERINGS[name]
    if name in FACTORIES:
        return lambda r, func, *args, **kwargs: func(*args, **kwargs)
    if name.endswith("_") and not name.endswith("__") and name[:-1] in LOWERINGS:
        return lambda r, func, *args, **kwargs: _in_place(r, name[:-1], args, kwargs)
    return None


def _in_place(r: Recorder, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    with r:
        result = getattr(torch.ops.aten, name)(*args, **kwargs)
    changed: Tensor = args[0]
    changed.copy_(result)
    if not r.renamed(changed, result):
        r.map("copy", [result], changed)
    return changed


def is_view(func: Any) -> bool:
    """Whether an operation gives a view of its operand."""
    if func.overloadpacket.__name__ in VIEWS:
        return True
    infos = [argument.alias_info for argument in func._schema.arguments]
    return any(info is not None and not info.is_write for info in infos)


@cache
def _table() -> dict[Any, Callable[..., Any]]:
    from torch._decomp import core_aten_decompositions

    return dict(core_aten_decompositions())


def decomposition(func: Any) -> Callable[..., Any] | None:
    """PyTorch's own way of writing an operation with simpler ones."""
    if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
        return func.decompose
    return _table().get(func)


def _new(tensor: Tensor) -> Tensor:
    """A packed tensor of its own, of these values."""
    return tensor.clone(memory_format=torch.contiguous_format)


# ---------------------------------------------------------------------------- elementwise


def _unary(r: Recorder, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    name = func.overloadpacket.__name__
    result = func(x, *args, **kwargs)
    first = result[0] if isinstance(result, tuple) else result
    made = r.map(UNARY[name], [x], _new(first))
    return (made, result[1]) if isinstance(result, tuple) else made


def _binary(r: Recorder, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
    name, result = func.overloadpacket.__name__, _new(func(a, b, **kwargs))
    if name == "pow" and not isinstance(b, Tensor):
        if b == 2:
            return r.map("mul", [a, a], result)
        return r.map("power", [a], result, p=b)
    if name == "div" and kwargs.get("rounding_mode"):
        r.map("div", [a, b], result)
        return r.map(kwargs["rounding_mode"], [result], _new(result))
    return r.map(BINARY[name], [a, b], result)


LOWERINGS.update(dict.fromkeys(UNARY, _unary))
LOWERINGS.update(dict.fromkeys(BINARY, _binary))


@lowers("add", "sub", "rsub")
def _sum(r: Recorder, func: Any, a: Any, b: Any, alpha: float = 1) -> Tensor:
    name, result = func.overloadpacket.__name__, _new(func(a, b, alpha=alpha))
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
    result = r.map("mul", [a, 2.0**-by], _new(func(a, by)))
    return r.map("floor", [result], _new(result))


@lowers("leaky_relu")
def _leaky(r: Recorder, func: Any, x: Tensor, slope: float = 0.01) -> Tensor:
    return r.map("leaky", [x], _new(func(x, slope)), p=slope)


@lowers("gelu")
def _gelu(r: Recorder, func: Any, x: Tensor, approximate: str = "none") -> Tensor:
    name = "gelu" if approximate == "none" else "gelu_tanh"
    return r.map(name, [x], _new(func(x, approximate=approximate)))


@lowers("softplus")
def _softplus(r: Recorder, func: Any, x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    if beta != 1:
        raise Unwritable("it uses softplus with a factor")
    return r.map("softplus", [x], _new(func(x, beta, threshold)))


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
    result = _new(torch.clamp(x, low, high))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        for f, bound in (("max", low), ("min", high)):
            if bound is not None:
                x = r.map(f, [x, bound], _new(result))
        return x
    least, most = (-math.inf if low is None else low), (math.inf if high is None else high)
    return r.map("clamp", [x], result, p=least, q=most)


@lowers("where")
def _where(r: Recorder, func: Any, condition: Tensor, a: Any, b: Any) -> Tensor:
    return r.map("where", [condition, a, b], _new(func(condition, a, b)))


@lowers("masked_fill")
def _masked_fill(r: Recorder, func: Any, x: Tensor, mask: Tensor, value: Any) -> Tensor:
    return r.map("where", [mask, value, x], _new(func(x, mask, value)))


@lowers("lerp")
def _lerp(r: Recorder, func: Any, a: Tensor, b: Tensor, weight: Any) -> Tensor:
    return r.map("lerp", [a, b, weight], _new(func(a, b, weight)))


@lowers("addcmul")
def _addcmul(r: Recorder, func: Any, x: Tensor, a: Tensor, b: Tensor, value: float = 1) -> Tensor:
    result = _new(func(x, a, b, value=value))
    if value != 1:
        raise Unwritable("it uses addcmul with a factor")
    return r.map("fma", [a, b, x], result)


@lowers("clone", "contiguous", "_to_copy")
def _copy(r: Recorder, func: Any, x: Tensor, **kwargs: Any) -> Tensor:
    result = _new(func(x, **kwargs))
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


# ---------------------------------------------------------------------------- pieces


@lowers("cat")
def _cat(r: Recorder, func: Any, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    some = [t for t in tensors if t.numel()]
    result, at = _new(func(some, dim)), 0
    r.made(result)
    for tensor in some:
        r.map("copy", [tensor], result.narrow(dim, at, tensor.shape[dim]))
        at += tensor.shape[dim]
    return result


@lowers("flip")
def _flip(r: Recorder, func: Any, x: Tensor, dims: Sequence[int]) -> Tensor:
    result = _new(func(x, dims))
    view = r.view(x)
    steps, offset = list(view.strides), view.offset
    for dim in dims:
        offset += steps[dim] * (x.shape[dim] - 1)
        steps[dim] = -steps[dim]
    from genarium.exports.graph import Op

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
    result = r.map("copy", [moved], _new(moved))
    return result.view(shape)


@lowers("constant_pad_nd")
def _pad(r: Recorder, func: Any, x: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    inner = x
    for axis, (low, high) in enumerate(zip(pad[::2], pad[1::2])):
        dim = x.ndim - 1 - axis
        start, length = max(0, -low), x.shape[dim] + min(0, low) + min(0, high)
        inner = inner.narrow(dim, start, length)
    result = _new(func(x, pad, value))
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
    result = _new(func(x, *args, **kwargs))
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
    result = _new(func(x, dim, index))
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
    result = _new(func(x, indices))
    places = torch.arange(x.numel()).view(x.shape)
    held = r.constant(func(places, indices).contiguous(), exact=True)
    return _gathered(r, x, result, View(held.buffer), 1, result.numel(), x.numel(), 1, False)


@lowers("gather")
def _gather(r: Recorder, func: Any, x: Tensor, dim: int, index: Tensor, **k: Any) -> Tensor:
    if dim % x.ndim != x.ndim - 1 or x.shape[:-1] != index.shape[:-1]:
        raise Unwritable("it gathers along an axis that is not the last")
    result, rows = _new(func(x, dim, index)), math.prod(x.shape[:-1])
    where = r.whole(index) if r.depends(index) else View(r.constant(index, True).buffer)
    return _gathered(r, x, result, where, rows, index.shape[-1], x.shape[-1], 1, True)


@lowers("embedding")
def _embedding(r: Recorder, func: Any, weight: Tensor, index: Tensor, *args: Any) -> Tensor:
    result = _new(func(weight, index, *args))
    n, size = len(weight), weight.shape[1]
    return _gathered(r, weight, result, r.whole(index), 1, index.numel(), n, size, False)


# ---------------------------------------------------------------------------- rows


def _last(x: Tensor, dims: Sequence[int]) -> Tensor:
    """x with these axes moved to the end."""
    chosen = sorted(d % x.ndim for d in dims)
    return x.permute(*(d for d in range(x.ndim) if d not in chosen), *chosen)


def _reduced(r: Recorder, f: str, x: Tensor, dims: Sequence[int] | None, result: Tensor) -> Tensor:
    dims = list(dims) if dims else list(range(x.ndim))
    moved = _last(x, dims)
    n = math.prod(x.shape[d] for d in dims)
    return r.run("reduce", _new(result), [r.whole(moved)], f=f, rows=x.numel() // n, n=n)


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
    made = r.run(name, _new(func(moved, -1, half)), [r.whole(moved)], rows=x.numel() // n, n=n)
    return made.movedim(-1, dim)


@lowers("cumsum")
def _cumsum(r: Recorder, func: Any, x: Tensor, dim: int, **k: Any) -> Tensor:
    moved, n = _last(x, [dim]), x.shape[dim]
    result = _new(func(moved, -1))
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
    return r.map("fma", [x, scale, shift], _new(x * scale + shift))


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


# ---------------------------------------------------------------------------- products


@lowers("mm", "bmm", "addmm", "baddbmm")
def _product(r: Recorder, func: Any, *args: Any, **k: Any) -> Tensor:
    bias, (a, b) = (args[0], args[1:]) if len(args) == 3 else (None, args)
    if any(value != 1 for value in k.values()):
        raise Unwritable("it uses addmm with a factor")
    result = _new(func(*args))
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
    product = result if bias is None or row else _new(result - bias)
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
    result = _new(
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
    first = _new(result[0] if isinstance(result, tuple) else result)
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
