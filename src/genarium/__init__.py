"""Genarium: every classic family of deep generative image models in one workbench.

Train, sample, measure, compare and explore; the library has the same verbs as the command.
Importing this package does not import torch: each name is loaded on first use.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As that of `typing`, whose import takes longer than this file: a Ctrl-C meets it less often."""

if TYPE_CHECKING:
    from genarium.api._old import compare, encode, evaluate, load, resume, save_grid, train
    from genarium.contract import Batch, Model, Optim, Phase, Spec, Step, to_uint8
    from genarium.errors import RunError, UserError
    from genarium.recipes import recipe
    from genarium.runs.trained import Trained

_HOMES = {
    "genarium.api._old": ("compare", "encode", "evaluate", "load", "resume", "save_grid", "train"),
    "genarium.contract": ("Batch", "Model", "Optim", "Phase", "Spec", "Step", "to_uint8"),
    "genarium.errors": ("RunError", "UserError"),
    "genarium.recipes": ("recipe",),
    "genarium.runs.trained": ("Trained",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 (in the order of use)
    "train",
    "resume",
    "load",
    "encode",
    "evaluate",
    "compare",
    "save_grid",
    "to_uint8",
    "Trained",
    "recipe",
    "Spec",
    "Batch",
    "Phase",
    "Optim",
    "Step",
    "Model",
    "UserError",
    "RunError",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'genarium' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
