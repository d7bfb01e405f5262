"""The range and the unit that stand beside values which Genarium wrote; see `drawing.values`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from genarium.data.collection import Ends

KEYS = ("low", "high", "unit", "rule")
"""Arrays of a .npz; entries of the JSON in a TIFF's or a PNG's description."""

LONGEST = 1 << 16  # bytes of one of them, characters of a description
UNIT = 40  # characters of a unit


def said(entries: Mapping[str, Any], dtype: np.dtype, channels: int) -> tuple[Ends | None, str]:
    """The range and the unit that the entries state of images of this type; (None, "") where they
    are not all there and of one kind: another program's `low` may be anything."""
    if set(entries) != set(KEYS):
        return None, ""
    try:
        low, high = (np.array(entries[key], np.float64) for key in ("low", "high"))
    except (TypeError, ValueError):
        return None, ""
    unit = np.asarray(entries["unit"])
    fitting = low.ndim == 1 and low.shape == high.shape and len(low) in (1, channels)
    if not fitting or unit.ndim or unit.dtype.kind != "U" or len(str(unit)) >= UNIT:
        return None, ""
    ends = np.stack([low, high])
    if not np.isfinite(ends).all() or (low >= high).any():
        return None, ""
    if dtype.kind in "iu":
        top = np.iinfo(dtype)
        if (ends != ends.round()).any() or low.min() < top.min or high.max() > top.max:
            return None, ""
    return (tuple(low.tolist()), tuple(high.tolist())), str(unit)


def described(text: object, dtype: np.dtype, channels: int) -> tuple[Ends | None, str]:
    """`said` of a description."""
    if not isinstance(text, str) or len(text) > LONGEST or not text.startswith('{"low"'):
        return None, ""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return None, ""
    return said(entries, dtype, channels)
