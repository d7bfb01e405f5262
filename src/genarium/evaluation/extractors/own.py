"""Your own extractors by name: decorated functions in files of a folder of GENARIUM_PATH.

    from genarium.evaluation.extractors.extractor import from_module
    from genarium.evaluation.extractors.own import feature_extractor

    @feature_extractor("mine")
    def mine(weights: str | None):                       # what --weights says, or None
        return from_module(MyNetwork(weights), name="mine", dims=128, prepare=..., resize="...")

`genarium evaluate RUN --extractor mine` then finds it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from genarium.data.registry import import_file, uses_decorator
from genarium.evaluation.extractors.extractor import Extractor

Maker = Callable[[str | None], Extractor]

_registered: dict[str, Maker] = {}


def feature_extractor(name: str) -> Callable[[Maker], Maker]:
    """Decorator that registers a function `(weights) -> Extractor` under a name."""

    def wrap(function: Maker) -> Maker:
        _registered[name] = function
        return function

    return wrap


@cache
def _discover(extra: str) -> None:
    for folder in filter(None, extra.split(os.pathsep)):
        for file in sorted(Path(folder).glob("*.py")):
            if uses_decorator(file, "feature_extractor"):
                import_file(file)


def registered() -> dict[str, Maker]:
    """Every registered function by name, those of GENARIUM_PATH included."""
    _discover(os.environ.get("GENARIUM_PATH", ""))
    return _registered
