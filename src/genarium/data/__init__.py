"""Images in: sources, splits, resize policies, ranges and the cache.

    dataset = genarium.data.load("digits")
    dataset.train.images            # uint8 [N,C,H,W], memory-mapped where it is large
    dataset.spec                    # channels, height, width, class names
    genarium.data.load("photos/", DataOptions(size="64", fit="pad"))

Importing this module imports neither torch nor numpy; what needs them is imported on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genarium.data.api import describe, load, prepare
    from genarium.data.collection import Collection, Part
    from genarium.data.dataset import Dataset, Split
    from genarium.data.given import from_arrays
    from genarium.data.options import DataOptions
    from genarium.data.registry import Request, SourceInfo, list_sources, source

_HOME = {
    "Collection": "collection",
    "DataOptions": "options",
    "Dataset": "dataset",
    "Part": "collection",
    "Request": "registry",
    "SourceInfo": "registry",
    "Split": "dataset",
    "describe": "api",
    "from_arrays": "given",
    "list_sources": "registry",
    "load": "api",
    "prepare": "api",
    "source": "registry",
}

__all__ = [
    "Collection",
    "DataOptions",
    "Dataset",
    "Part",
    "Request",
    "SourceInfo",
    "Split",
    "describe",
    "from_arrays",
    "list_sources",
    "load",
    "prepare",
    "source",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
