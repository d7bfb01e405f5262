"""Products of float32 whose error is to be proven, and rows a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

UNIT = 2.0**-24  # relative rounding error of float32
NUMBERS = 1 << 17  # of rows treated at a time: they stay in the cache


@contextmanager
def float32_products() -> Iterator[None]:
    """Products of float32 in float32, whatever the program has set: no factor rounded further."""
    settings: Any = torch.backends.mkldnn
    before = settings.matmul.fp32_precision
    settings.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        settings.matmul.fp32_precision = before


def parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Rows [N,D] in pieces of about `NUMBERS` numbers."""
    return rows.split(NUMBERS // rows.shape[1] + 1)
