"""What a proof of the error of float32 products needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

UNIT = 2.0**-24  # relative rounding error of float32


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
