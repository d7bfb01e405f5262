"""Objectives by name, with those of a user's own: classes under a decorator.

    from genarium.models.gan.objectives import Objective
    from genarium.models.gan.own import objective

    @objective("pearson")
    class Pearson(Objective): ...

In a file of a folder of GENARIUM_PATH it is a value of `--objective`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, TypeAlias, TypeVar

from genarium.errors import UserError
from genarium.models.gan.objectives import OBJECTIVES, Objective
from genarium.plugins import PATH, Registry
from genarium.signatures import OneOf

Kind = TypeVar("Kind", bound=type[Objective])

LOSSES = ("discriminator_loss", "generator_loss", "output")

_known: Registry[type[Objective]] = Registry("objective")


def objective(name: str) -> Callable[[Kind], Kind]:
    """Decorator that makes an objective of a class, an `Objective` of which no field needs a value.

    name: in `--objective`, and in the configuration of a run.

    Raises UserError for a name that the package has, and for a class that lacks a loss.
    """
    if not name or name in OBJECTIVES:
        raise UserError(f"objective {name!r}: the package has this name: give another")

    def wrap(kind: Kind) -> Kind:
        missing = [loss for loss in LOSSES if _of(kind, loss) in (None, _of(Objective, loss))]
        if missing or Objective not in kind.__mro__:
            raise UserError(
                f"objective {name!r}: {kind.__name__} must be an Objective with "
                f"{', '.join(missing or LOSSES)}"
            )
        open_fields = [f.name for f in _fields(kind) if f.init and not _has_default(f)]
        if open_fields:
            raise UserError(f"objective {name!r}: give {', '.join(open_fields)} a default")
        _known.add(name, kind, kind)
        return kind

    return wrap


def objectives() -> dict[str, type[Objective]]:
    """Every objective by name: the package's, then those of GENARIUM_PATH."""
    return {**OBJECTIVES, **_known.all()}


def find(name: str) -> type[Objective]:
    """The objective of that name; a `UserError` where there is none any more (a run's own)."""
    known = objectives()
    if name not in known:
        raise UserError(
            f"--objective {name!r}: there is none of this name: add the folder of its file to "
            f"{PATH}, or choose {', '.join(known)}"
        )
    return known[name]


def names() -> tuple[str, ...]:
    """The values of `--objective`."""
    return tuple(objectives())


ObjectiveName: TypeAlias = Annotated[str, OneOf(names)]
"""The type of `--objective`."""


def takes_smoothing(kind: type[Objective]) -> bool:
    """Whether an objective has the field `smoothing`."""
    return "smoothing" in {field.name for field in _fields(kind)}


def _of(kind: type, name: str) -> object:
    return getattr(kind, name, None)


def _fields(kind: type) -> tuple[dataclasses.Field[object], ...]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _has_default(field: dataclasses.Field[object]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing
