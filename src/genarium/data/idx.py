"""The IDX format of the MNIST family: a strict reader.

Layout: two zero bytes, the element type (0x08: unsigned byte), the number of dimensions d,
d big-endian unsigned 32-bit sizes, then the elements, last dimension fastest.
Source: the format's description on the MNIST page (LeCun, Cortes, Burges).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08


def parse(data: bytes, dimensions: int) -> NDArray[np.uint8]:
    """IDX bytes -> uint8 array with `dimensions` axes; ValueError says what is wrong."""
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise ValueError(f"{len(data)} bytes are fewer than the {header} of the header")
    if data[0] or data[1] or data[2] != UNSIGNED_BYTE or data[3] != dimensions:
        expected = bytes([0, 0, UNSIGNED_BYTE, dimensions]).hex()
        raise ValueError(f"the magic number is {data[:4].hex()}, not {expected}")
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, header, 4))
    if math.prod(shape) != len(data) - header:
        said = "x".join(map(str, shape))
        raise ValueError(f"the header says {said} bytes, the file holds {len(data) - header}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def dump(array: NDArray[np.uint8]) -> bytes:
    """uint8 array -> IDX bytes, the inverse of `parse`."""
    head = bytes([0, 0, UNSIGNED_BYTE, array.ndim])
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + sizes + np.ascontiguousarray(array, np.uint8).tobytes()
