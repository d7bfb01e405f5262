"""A function of a model as a graph: it is run once, on one row of each input, and watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genarium.exports import lowering
from genarium.exports.graph import Graph, simplified
from genarium.exports.recorder import Recorder, Rules, Unwritable, room, storage
from genarium.nn.patches import plain_convolutions

__all__ = ["Unwritable", "record"]


class _Watched(TorchFunctionMode):
    """Refuses to hand numbers of the input to Python, which the dispatcher does not see."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in TO_PYTHON and self.recorder.depends(args[0]):
            raise Unwritable("what it computes depends on numbers of the input")
        if func is torch.max_pool1d:  # its kernel passes the dispatcher by
            return _pooled(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _pooled(
    x: Tensor, size: Any, stride: Any = None, pad: Any = 0, dilation: Any = 1, ceil: bool = False
) -> Tensor:
    """`max_pool1d` as that of maps of one row."""
    size, stride, pad, dilation = (
        value[0] if isinstance(value, (tuple, list)) and value else value
        for value in (size, stride or size, pad, dilation)
    )
    sizes = ((1, size), (1, stride), (0, pad), (1, dilation))
    return torch.max_pool2d(x.unsqueeze(-2), *sizes, ceil).squeeze(-2)


TO_PYTHON = {torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__}


def record(call: Callable[..., Tensor], inputs: Mapping[str, Tensor]) -> Graph:
    """The graph of a function on one row of each input; raises `Unwritable`."""
    rows = {name: tensor[:1].detach().clone().contiguous() for name, tensor in inputs.items()}
    recorder = Recorder(cast(Rules, lowering))
    with torch.no_grad():
        for name, tensor in rows.items():
            recorder.watch(name, tensor)
        with plain_convolutions(), _Watched(recorder), recorder:
            result = call(*rows.values())
        if not recorder.depends(result):
            raise Unwritable("what it gives does not depend on its input")
        if not (result.is_contiguous() and result.numel() == room(result)):
            result = recorder.copied(result)
    graph = recorder.graph
    graph.output = recorder.buffers[storage(result)]
    graph.shapes["output"] = tuple(result.shape[1:])
    return simplified(graph)
