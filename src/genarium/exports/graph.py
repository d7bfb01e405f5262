"""A graph: operations on numbered buffers of float32, in the order in which they run.

An operand is a view of a buffer: where it begins, and by how much each axis steps. So reshaping,
slicing, transposing and broadcasting are no operations at all.

    map      out = f(a[, b[, c]]) over a shape, by strides       f of `arithmetic`
    gemv     out[M] = act(W[M,K]·x[K] + bias[M])
    matmul   out[G,M,N] = A[G,M,K]·B[G,K,N] (+ bias[N]), act
    conv     out[F,h',w'] = act(W ∗ x[C,h,w] + bias[F])           W [F, C/groups·kh·kw]
    convt    the transposed convolution                          W [F·kh·kw, C]
    gather   out[o,j,i] = x[o, index[j], i]                      own: index[o,j]
    reduce   sum, mean, max, min, argmax over rows of n          x [rows, n]
    norm     (x − mean)/√(var + ε) of rows of n
    softmax, cumsum   of rows of n
    pool     mean or maximum over windows of maps x [C,h,w]

Each works on one image, so the page's batch is a loop; the operands of all but `map` are packed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FUSED = ("gemv", "matmul", "conv", "convt")
"""Operations that apply a function of one number to what they make."""


@dataclass(frozen=True)
class View:
    """A part of a buffer: where it begins, and the step of each axis."""

    buffer: int
    offset: int = 0
    strides: tuple[int, ...] = ()


@dataclass
class Op:
    """One operation. name: its kind; of a map, which function is `numbers["f"]`."""

    name: str
    out: View
    inputs: list[View]
    shape: tuple[int, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def views(self) -> list[View]:
        return [self.out, *self.inputs]

    @property
    def products(self) -> int:
        """Multiplications, as a measure of its cost."""
        n = self.numbers
        if self.name == "gemv":
            return n["m"] * n["k"]
        if self.name == "matmul":
            return n["g"] * n["m"] * n["n"] * n["k"]
        if self.name == "conv":
            return n["b"] * n["f"] * n["c"] // n["groups"] * n["kh"] * n["kw"] * n["oh"] * n["ow"]
        if self.name == "convt":
            return n["b"] * n["f"] * n["c"] * n["kh"] * n["kw"] * n["h"] * n["w"]
        return 0


@dataclass
class Graph:
    """sizes: of each buffer, numbers. constants: what buffers hold from the start. exact: buffers
    whose numbers must not be rounded to half precision. inputs: buffers by name. output: a buffer.
    """

    sizes: list[int] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    exact: set[int] = field(default_factory=set)
    ops: list[Op] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    output: int = -1
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def buffer(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes) - 1

    def constant(self, values: Any, exact: bool = False) -> int:
        """A buffer that holds these values, as they are now."""
        array = np.array(values, dtype=np.float32).reshape(-1)
        number = self.buffer(array.size)
        self.constants[number] = array
        if exact:
            self.exact.add(number)
        return number

    @property
    def products(self) -> int:
        return sum(op.products for op in self.ops)

    @property
    def weights(self) -> int:
        """Numbers that are stored."""
        return sum(array.size for array in self.constants.values())


def packed(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array without gaps."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def merged(op: Op) -> Op:
    """A map over as few axes as its strides allow: equal functions of longer rows."""
    axes = [
        (size, [view.strides[i] for view in op.views])
        for i, size in enumerate(op.shape)
        if size != 1
    ]
    joined: list[tuple[int, list[int]]] = []
    for size, steps in axes:
        if joined and all(a == b * size for a, b in zip(joined[-1][1], steps)):
            joined[-1] = (joined[-1][0] * size, steps)
        else:
            joined.append((size, steps))
    if not joined:
        joined = [(1, [0] * len(op.views))]
    views = [
        replace(view, strides=tuple(steps[number] for _, steps in joined))
        for number, view in enumerate(op.views)
    ]
    return replace(op, shape=tuple(size for size, _ in joined), out=views[0], inputs=views[1:])


def simplified(graph: Graph) -> Graph:
    """The same function: scales folded into weights, activations into what they follow, nothing
    computed that nobody reads."""
    _fold(graph)
    _fuse(graph)
    _drop(graph)
    graph.ops = [merged(op) if op.name == "map" else op for op in graph.ops]
    return graph


def _readers(graph: Graph) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Which operations read, and which write, each buffer."""
    read: dict[int, list[int]] = {}
    written: dict[int, list[int]] = {}
    for number, op in enumerate(graph.ops):
        for view in op.inputs:
            read.setdefault(view.buffer, []).append(number)
        written.setdefault(op.out.buffer, []).append(number)
    return read, written


def _made_for(graph: Graph, names: Iterable[str]) -> Iterable[tuple[Op, Op, int]]:
    """Pairs (maker, map) where the map is all that reads what the maker made, and its place."""
    read, written = _readers(graph)
    for number, op in enumerate(graph.ops):
        if op.name != "map":
            continue
        buffer = op.inputs[0].buffer
        makers = written.get(buffer, [])
        if len(makers) != 1 or read[buffer] != [number] or buffer == graph.output:
            continue
        if len(written[op.out.buffer]) != 1:
            continue
        maker = graph.ops[makers[0]]
        if maker.name in names and maker.numbers.get("act") is None:
            yield maker, op, number


def _covers(op: Op) -> NDArray[np.int64] | None:
    """For each number that a map writes, in the order of its buffer, which of its first operand it
    reads; None unless it writes all of its buffer."""
    shape = op.shape
    size = int(np.prod(shape))
    if op.out.offset or op.out.strides != packed(shape):
        return None
    places = np.full(shape, op.inputs[0].offset, dtype=np.int64)
    for axis, step in enumerate(op.inputs[0].strides):
        along = np.arange(shape[axis]) * step
        places += along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return places.reshape(size)


def _spread(graph: Graph, view: View, shape: tuple[int, ...]) -> Array:
    """What a constant operand holds at each place of a shape."""
    array = graph.constants[view.buffer][view.offset :]
    steps = [4 * step for step in view.strides]
    return np.lib.stride_tricks.as_strided(array, shape, steps).reshape(-1)


def _fold(graph: Graph) -> None:
    """a·scale + shift behind a layer becomes part of its weights (batch norm after training)."""
    dropped: set[int] = set()
    for maker, op, number in list(_made_for(graph, ("gemv", "conv", "convt"))):
        if op.numbers["f"] != "fma" or any(v.buffer not in graph.constants for v in op.inputs[1:]):
            continue
        if maker.inputs[0].buffer not in graph.constants:
            continue
        places = _covers(op)
        n = maker.numbers
        rows = n["m"] if maker.name == "gemv" else n["f"]
        each = 1 if maker.name == "gemv" else n["oh"] * n["ow"]
        if places is None or len(places) != rows * each or n.get("b", 1) != 1:
            continue
        scale, shift = (_spread(graph, view, op.shape) for view in op.inputs[1:])
        if each > 1:
            if (places != np.arange(len(places))).any():
                continue
            tables = [t.reshape(rows, each) for t in (scale, shift)]
            if any((t != t[:, :1]).any() for t in tables):
                continue
            scale, shift = (t[:, 0] for t in tables)
            places = np.arange(rows)
        elif sorted(places) != list(range(rows)):
            continue
        weight = graph.constants[maker.inputs[0].buffer].reshape(rows, -1)
        weight = weight[places] * scale[:, None]
        bias = np.zeros(rows, np.float32)
        if n["bias"]:
            bias = graph.constants[maker.inputs[2].buffer].reshape(-1)[places]
        inputs = [View(graph.constant(weight)), maker.inputs[1]]
        maker.inputs = [*inputs, View(graph.constant(bias * scale + shift))]
        maker.numbers["bias"] = 1
        maker.out = op.out
        dropped.add(number)
    graph.ops = [op for number, op in enumerate(graph.ops) if number not in dropped]


def _fuse(graph: Graph) -> None:
    """A function of one number behind a layer is done with it."""
    from genarium.exports.arithmetic import ELEMENTWISE

    dropped: set[int] = set()
    for maker, op, number in list(_made_for(graph, FUSED)):
        if ELEMENTWISE[op.numbers["f"]].operands != 1 or maker.numbers.get("act") is not None:
            continue
        places = _covers(op)
        if places is None or (places != np.arange(len(places))).any():
            continue
        if len(places) != graph.sizes[maker.out.buffer] or maker.out.offset:
            continue
        maker.numbers["act"] = [op.numbers["f"], op.numbers.get("p", 0.0), op.numbers.get("q", 0.0)]
        maker.out = View(op.out.buffer)
        dropped.add(number)
    graph.ops = [op for number, op in enumerate(graph.ops) if number not in dropped]


def _drop(graph: Graph) -> None:
    """Leaves out what does not reach the output, and constants that nobody reads."""
    needed, kept = {graph.output}, []
    for op in reversed(graph.ops):
        if op.out.buffer in needed:
            needed |= {view.buffer for view in op.inputs}
            kept.append(op)
    graph.ops = kept[::-1]
    graph.constants = {n: array for n, array in graph.constants.items() if n in needed}


def planned(graph: Graph, constants: dict[int, int], start: int) -> tuple[dict[int, int], int]:
    """Where each buffer lies, and the end of all: from `start` on, buffers share room in turn.

    constants: where those lie. Inputs and the output keep their room to themselves.
    """
    places, at = dict(constants), start
    last: dict[int, int] = {}
    for number, op in enumerate(graph.ops):
        for view in op.views:
            last[view.buffer] = number
    for buffer in (*graph.inputs.values(), graph.output):
        if buffer not in places:
            places[buffer] = at
            at += graph.sizes[buffer]
    end = at
    alive: list[tuple[int, int, int]] = []  # place, end, last use
    for number, op in enumerate(graph.ops):
        buffer = op.out.buffer
        if buffer in places:
            continue
        alive = sorted(room for room in alive if room[2] >= number)
        size, place = graph.sizes[buffer], at
        for low, high, _ in alive:
            if place + size <= low:
                break
            place = max(place, high)
        places[buffer] = place
        alive.append((place, place + size, last[buffer]))
        end = max(end, place + size)
    return places, end
