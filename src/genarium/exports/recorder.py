"""Watches operations on tensors run, and keeps what is computed from the input, as a graph.

PyTorch's dispatcher shows every operation on tensors with its arguments. A tensor is a view of a
storage, so a storage is a buffer of the graph, and what only makes views (slices, permutations,
broadcasts) is nothing to do. What does not depend on the input is computed here and now, and is a
constant of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genarium.errors import UserError
from genarium.exports.graph import Graph, Op, View, packed

MOST = 60_000
"""Operations of a graph; one that takes more is a loop over pixels or patches."""


class Unwritable(UserError):
    """A function that no graph can be made of. reason: in words, to be put into an error."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Rules(Protocol):
    """What is known of PyTorch's operations: `genarium.exports.lowering`."""

    def find(self, name: str) -> Callable[..., Any] | None: ...

    def is_view(self, func: Any) -> bool: ...

    def decomposition(self, func: Any) -> Callable[..., Any] | None: ...


class Recorder(TorchDispatchMode):
    """Records what is computed from the tensors given to `watch`."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules
        self.graph = Graph()
        self.buffers: dict[int, int] = {}  # storages that depend on the input
        self._constants: dict[tuple[Any, ...], View] = {}
        self._alive: list[Tensor] = []  # so that no address is used twice

    def watch(self, name: str, tensor: Tensor) -> None:
        """Let `tensor`, which must be packed, be an input."""
        self.graph.inputs[name] = self.made(tensor)
        self.graph.shapes[name] = tuple(tensor.shape)

    # -- tensors and buffers ------------------------------------------------------------------

    def depends(self, value: Any) -> bool:
        """Whether a value is a tensor that was computed from the input."""
        return isinstance(value, Tensor) and storage(value) in self.buffers

    def made(self, tensor: Tensor) -> int:
        """A new buffer for the storage of `tensor`."""
        buffer = self.graph.buffer(room(tensor))
        self.buffers[storage(tensor)] = buffer
        self._alive.append(tensor)
        return buffer

    def view(self, tensor: Tensor, shape: Sequence[int] | None = None) -> View:
        """A tensor as an operand, broadcast to `shape`."""
        if shape is not None:
            tensor = tensor.expand(tuple(shape))
        if self.depends(tensor):
            buffer = self.buffers[storage(tensor)]
            return View(buffer, int(tensor.storage_offset()), tuple(tensor.stride()))
        return self.constant(tensor)

    def constant(self, tensor: Tensor, exact: bool = False) -> View:
        """A constant as an operand; what is broadcast is stored once."""
        steps = tensor.stride()
        small = tensor[tuple(slice(0, 1) if s == 0 else slice(None) for s in steps)]
        key = (storage(tensor), tensor.dtype, tensor.storage_offset(), tensor.shape, steps, exact)
        if key not in self._constants:
            self._alive.append(tensor)
            values = small.detach().to(torch.float32).contiguous().numpy()
            # what is not floating point counts something
            held = self.graph.constant(values, exact or not tensor.is_floating_point())
            kept = packed(small.shape)
            strides = tuple(0 if s == 0 else k for s, k in zip(steps, kept))
            self._constants[key] = View(held, 0, strides)
        return self._constants[key]

    def number(self, value: float, axes: int) -> View:
        """A number as an operand of so many axes."""
        key = ("number", float(value), axes)
        if key not in self._constants:
            self._constants[key] = View(self.graph.constant([value], True), 0, (0,) * axes)
        return self._constants[key]

    def whole(self, tensor: Tensor) -> View:
        """A tensor as a packed operand: copied where it is not packed already."""
        if not self.depends(tensor):
            return View(self.constant(tensor.contiguous()).buffer)
        if tensor.is_contiguous():
            return View(self.buffers[storage(tensor)], int(tensor.storage_offset()))
        return View(self.buffers[storage(self.copied(tensor))])

    def copied(self, tensor: Tensor) -> Tensor:
        """A packed copy of a tensor."""
        result = tensor.clone(memory_format=torch.contiguous_format)
        self.map("copy", [tensor], result)
        return result

    # -- operations ---------------------------------------------------------------------------

    def emit(self, op: Op) -> None:
        self.graph.ops.append(op)
        if len(self.graph.ops) > MOST:
            raise Unwritable(
                f"a picture takes more than {MOST:,} operations, one after another: it is drawn "
                "pixel by pixel or patch by patch"
            )

    def map(
        self, f: str, operands: Sequence[Any], out: Tensor, p: float = 0, q: float = 0
    ) -> Tensor:
        """out = f(operands), tensors and numbers, elementwise; gives `out`."""
        shape = tuple(out.shape)
        if not out.numel():
            return out
        views = [
            self.view(x, shape) if isinstance(x, Tensor) else self.number(x, len(shape))
            for x in operands
        ]
        target = self.target(out)
        numbers = {"f": f, "p": float(p), "q": float(q)}
        self.emit(Op("map", target, views, shape, numbers))
        return out

    def target(self, out: Tensor) -> View:
        """Where a result is written: a new buffer, or the view that is changed."""
        if not self.depends(out):
            self._begin(out)
        return View(self.buffers[storage(out)], int(out.storage_offset()), tuple(out.stride()))

    def renamed(self, changed: Tensor, result: Tensor) -> bool:
        """Let `changed`, of which every number was replaced, be the buffer of `result`; whether
        that can be said of it."""
        if not (changed.is_contiguous() and changed.numel() == room(changed)):
            return False
        if not (result.is_contiguous() and result.numel() == room(result)):
            return False
        self.buffers[storage(changed)] = self.buffers[storage(result)]
        self._alive.append(changed)
        return True

    def _begin(self, out: Tensor) -> None:
        """A buffer for a tensor that did not depend on the input so far."""
        full = torch.empty(0, dtype=out.dtype).set_(out.untyped_storage())
        buffer = self.made(out)
        covers = out.is_contiguous() and out.numel() == len(full)
        if covers or not len(full):
            return  # all of it is written
        # what is not written keeps what it was
        held = self.graph.constant(full.to(torch.float32).nan_to_num().numpy(), True)
        shape, numbers = (len(full),), {"f": "copy", "p": 0.0, "q": 0.0}
        self.emit(Op("map", View(buffer, 0, (1,)), [View(held, 0, (1,))], shape, numbers))

    def run(self, name: str, out: Tensor, inputs: Sequence[View], **numbers: Any) -> Tensor:
        """An operation that fills the new, packed tensor `out`; gives it."""
        self.emit(Op(name, View(self.made(out)), list(inputs), (), numbers))
        return out

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if not any(map(self.depends, given)):
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        lowered: Callable[..., Any] | None = self.rules.find(name)
        if lowered is not None:
            return lowered(self, func, *args, **kwargs)
        if self.rules.is_view(func):
            return func(*args, **kwargs)
        decomposed = self.rules.decomposition(func)
        if decomposed is not None:
            with self:
                return decomposed(*args, **kwargs)
        if name == "_local_scalar_dense":
            raise Unwritable("what it computes depends on numbers of the input")
        raise Unwritable(f"it uses the operation {name}")


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def room(tensor: Tensor) -> int:
    """Numbers that the storage of a tensor holds."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()
