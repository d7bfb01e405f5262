"""PyTorch's operations (ATen) as those of a graph.

Each function of the files here computes the real result too, packed, since later operations look at
it.

    elementwise  one number of the result from one of each operand
    pieces       what is cut out, put together and looked up
    rows         sums, softmax, norms
    products     matrices, convolutions, attention, pools
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

# each of these writes its operations into the table
from genarium.exports.lowering import elementwise, pieces, products, rows
from genarium.exports.lowering.table import LOWERINGS, Lowering
from genarium.exports.recorder import Recorder

__all__ = ["decomposition", "elementwise", "find", "is_view", "pieces", "products", "rows"]

FACTORIES = {
    *("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided", "full_like"),
    *("empty_like", "zeros_like", "ones_like", "empty_strided", "resize_"),
}
VIEWS = {
    *("_unsafe_view", "_reshape_alias", "lift_fresh", "alias", "detach", "detach_", "reshape"),
    *("transpose_", "t_", "squeeze_", "unsqueeze_", "as_strided_"),
}


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
