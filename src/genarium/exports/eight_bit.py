"""The weights of an ONNX file in 8 bits: a quarter of the bytes, computed with in single precision.

Each matrix or kernel W becomes integers q = round(W / s) from -127 to 127, with a scale
s = max|W| / 127 for each output channel (symmetric, per channel: Krishnamoorthi 2018, Quantizing
deep convolutional networks for efficient inference, section 2), and an operation `DequantizeLinear`
gives q·s where W was used. Activations stay as they are, so nothing has to be calibrated. (ONNX
Runtime's own quantizer of weights alone knows matrices and no kernels; of these it gives the same
integers, see tests/export/test_onnx.py.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 64
"""Numbers of a tensor that are worth a scale a channel."""
AXES = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1}
"""The axis of the output channels of an operation's weight."""


def quantized(weight: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers of the shape of `weight`, and the scale of each channel along `axis`."""
    others = tuple(a for a in range(weight.ndim) if a != axis)
    scale = np.abs(weight).max(axis=others) / 127
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    q = np.rint(weight / scale.reshape(shape)).clip(-127, 127)
    return q.astype(np.int8), scale


def eight_bit(content: bytes) -> bytes:
    """An ONNX file whose weights are in 8 bits; whatever else is in it stays as it is."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(content)
    graph = model.graph
    known = {each.name: each for each in graph.initializer}
    axes: dict[str, int] = {}
    for node in graph.node:
        axis = _axis(node)
        if axis is None:
            continue
        weight = known.get(node.input[1])
        if weight is None or weight.data_type != onnx.TensorProto.FLOAT:
            continue
        if len(weight.dims) > 1 and np.prod(weight.dims) >= LEAST:
            axes.setdefault(weight.name, axis % len(weight.dims))
    nodes = []
    for name, axis in axes.items():
        q, scale = quantized(numpy_helper.to_array(known[name]), axis)
        graph.initializer.remove(known[name])
        parts = [f"{name}.int8", f"{name}.scale"]
        graph.initializer.extend(map(numpy_helper.from_array, (q, scale), parts))
        nodes.append(helper.make_node("DequantizeLinear", parts, [name], axis=axis))
    kept = [*graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    model.metadata_props.add(key="weights", value="int8, a scale for each output channel")
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString()
    return result


def _axis(node: Any) -> int | None:
    """The axis of the output channels in the second input; None of other operations."""
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return AXES.get(node.op_type)
