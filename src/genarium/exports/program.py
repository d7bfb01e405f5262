"""Graphs as what the page's engine reads: one list of operations each, one heap, one file of
weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from genarium.exports.graph import Graph, Op, planned

PATCHES = 1 << 16
"""Numbers of a convolution's patches that are unfolded at a time."""
HALF = 6e4
"""Larger numbers do not fit into half precision."""


def program(graphs: Mapping[str, Graph], half: bool = True) -> tuple[dict[str, Any], bytes]:
    """The program and the weights. Constants that functions share are stored once; half: in half
    precision, but for those that must be exact."""
    constants: list[list[int]] = []
    weights = bytearray()
    known: dict[bytes, int] = {}
    at = 0
    held: dict[str, dict[int, int]] = {}
    for name, graph in graphs.items():
        held[name] = {}
        for number, array in graph.constants.items():
            small = half and number not in graph.exact and bool(np.abs(array).max(initial=0) < HALF)
            content = array.astype("<f2" if small else "<f4").tobytes()
            key = hashlib.sha256(content).digest() + bytes([small])
            if key not in known:
                weights += bytes(-len(weights) % 4)
                constants.append([at, array.size, int(small), len(weights)])
                weights += content
                known[key] = at
                at += array.size
            held[name][number] = known[key]
    heap, scratch, functions = at, 0, {}
    for name, graph in graphs.items():
        places, end = planned(graph, held[name], at)
        heap = max(heap, end)
        scratch = max([scratch, *map(_scratch, graph.ops)])
        functions[name] = {
            "inputs": {n: [places[b], graph.sizes[b]] for n, b in graph.inputs.items()},
            "output": [places[graph.output], graph.sizes[graph.output]],
            "shape": list(graph.shapes["output"]),
            "products": graph.products,
            "ops": [_written(op, places) for op in graph.ops],
        }
    result = {"constants": constants, "heap": heap, "scratch": scratch, "patches": PATCHES}
    return {**result, "functions": functions}, bytes(weights)


def _scratch(op: Op) -> int:
    """Numbers that a convolution unfolds at a time."""
    n = op.numbers
    if op.name == "conv":
        row = n["c"] // n["groups"] * n["kh"] * n["kw"] * n["ow"]
        return max(row, min(row * n["oh"], PATCHES))
    if op.name == "convt":
        row = n["kh"] * n["kw"] * n["h"] * n["w"]
        return max(row, min(row * n["f"], 4 * PATCHES))
    return 0


def _written(op: Op, places: Mapping[int, int]) -> dict[str, Any]:
    at = [places[view.buffer] + view.offset for view in op.views]
    if op.name != "map":
        return {"name": op.name, **op.numbers, "out": at[0], "inputs": at[1:]}
    views = [[place, *view.strides] for place, view in zip(at, op.views)]
    numbers = {name: _finite(value) for name, value in op.numbers.items()}
    return {"name": "map", **numbers, "shape": list(op.shape), "out": views[0], "inputs": views[1:]}


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return math.copysign(3e38, value) if isinstance(value, float) and math.isinf(value) else value
