"""Pictures on their way to the page: raw bytes behind a line of JSON.

A reply is four bytes (the length n of the JSON, little-endian), n bytes of JSON, and the pictures
one after the other as bytes [N,H,W,C]; `shape` in the JSON says which. No PNG: compressing takes
longer than sending a picture within one machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

TYPE = "application/vnd.genarium.pictures"


def packet(pictures: Tensor | None, **facts: Any) -> bytes:
    """Pictures, uint8 [N,1 or 3,H,W] or none, and what is to be said of them."""
    shape, body = [0, 0, 0, 0], b""
    if pictures is not None and len(pictures):
        rows = pictures.permute(0, 2, 3, 1).contiguous()
        shape, body = [*rows.shape], rows.numpy().tobytes()
    head = json.dumps({**facts, "shape": shape}, allow_nan=False).encode()
    return len(head).to_bytes(4, "little") + head + body
