"""Your own extractors by name: decorated functions in files of a folder of GENARIUM_PATH.

    from genarium.evaluation.extractors.extractor import from_module
    from genarium.evaluation.extractors.own import feature_extractor

    @feature_extractor("mine")
    def mine(weights: str | None):                       # what --weights says, or None
        return from_module(MyNetwork(weights), name="mine", dims=128, prepare=..., resize="...")

`genarium evaluate RUN --extractor mine` then finds it.
"""

from __future__ import annotations

from collections.abc import Callable

from genarium.evaluation.extractors.extractor import Extractor
from genarium.plugins import Registry

Maker = Callable[[str | None], Extractor]

_known: Registry[Maker] = Registry("feature_extractor")


def feature_extractor(name: str) -> Callable[[Maker], Maker]:
    """Decorator that registers a function `(weights) -> Extractor` under a name."""

    def wrap(function: Maker) -> Maker:
        _known.add(name, function, function)
        return function

    return wrap


def registered() -> dict[str, Maker]:
    """Every registered function by name, those of GENARIUM_PATH included."""
    return _known.all()
