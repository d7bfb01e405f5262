"""Constants of a frozen TensorFlow graph, read without TensorFlow.

A frozen graph is one Protocol Buffers message, GraphDef: a list of nodes, and the weights are the
float tensors of those whose operation is "Const". The wire format is a row of (field number, type,
value), so reading it needs no library and runs nothing. Field numbers below are those of
TensorFlow's graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from genarium.errors import UserError, unreadable

FLOAT = 1  # DT_FLOAT
LARGEST = 1 << 31  # bytes: Protocol Buffers' own limit
MOST = 1 << 28  # values of a tensor: what a short file may ask memory for


class Malformed(ValueError):
    """Not a message of this kind."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, least significant first; and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number without an end")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of a message: whole numbers, or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed(f"wire type {kind}")
        if at + size > len(data):
            raise Malformed("cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _messages(data: memoryview, *path: int) -> Iterator[memoryview]:
    """The byte values at a path of field numbers."""
    for number, value in _fields(data):
        if number == path[0] and isinstance(value, memoryview):
            if len(path) == 1:
                yield value
            else:
                yield from _messages(value, *path[1:])


def _text(data: memoryview, field: int) -> str:
    return next((bytes(v).decode("utf-8", "replace") for v in _messages(data, field)), "")


def _shape(tensor: memoryview) -> list[int]:
    """TensorProto.tensor_shape = 2 { repeated Dim dim = 2 { int64 size = 1 } }."""
    sizes = []
    for dim in _messages(tensor, 2, 2):
        size = next((v for number, v in _fields(dim) if number == 1), 0)
        if not isinstance(size, int):
            raise Malformed("a size that is no number")
        sizes.append(size)
    return sizes


def _tensor(data: memoryview) -> Tensor | None:
    """A TensorProto of floats: all bytes in `tensor_content` = 4, or values in `float_val` = 5."""
    if next((v for number, v in _fields(data) if number == 1), None) != FLOAT:
        return None
    shape = _shape(data)
    raw = b"".join(_messages(data, 4)) or b"".join(_messages(data, 5))
    if not raw or len(raw) % 4:
        raise Malformed(f"{len(raw)} bytes of floats")
    values = torch.frombuffer(bytearray(raw), dtype=torch.float32)
    count = math.prod(shape)
    if len(values) > count or count > MOST:
        raise Malformed(f"{len(values)} values for a shape of {shape}")
    if len(values) < count:  # the last one stands for all that follow
        values = torch.cat([values, values[-1:].expand(count - len(values))])
    return values.view(shape)


def constants(path: Path) -> dict[str, Tensor]:
    """The float constants of a frozen graph (a binary GraphDef, .pb) by node name.

    Raises UserError if the file is not such a graph.
    """
    results: dict[str, Tensor] = {}
    try:
        if path.stat().st_size > LARGEST:
            raise Malformed(f"larger than {LARGEST >> 20} MiB")
        for node in _messages(memoryview(path.read_bytes()), 1):  # GraphDef.node
            if _text(node, 2) != "Const":  # NodeDef.op
                continue
            for entry in _messages(node, 5):  # NodeDef.attr, a map of name -> AttrValue
                if _text(entry, 1) == "value":
                    for tensor in _messages(entry, 2, 8):  # AttrValue.tensor
                        value = _tensor(tensor)
                        if value is not None:
                            results[_text(node, 1)] = value
    except OSError as error:
        raise UserError(f"--weights {path}: {(error.strerror or str(error)).lower()}") from None
    except unreadable() as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--weights {path}: not a whole frozen graph ({reason}); get it again"
        ) from None
    return results
