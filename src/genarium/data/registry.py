"""Sources: typed functions that read images, registered by a decorator.

    @source("blobs", summary="Two blobs", licence="CC0-1.0")
    def blobs(request: Request, *, n: int = 1000, seed: int = 0) -> Collection:
        images = ...                                     # uint8 [n,C,H,W]
        return Collection({"train": Part(images)})

The keyword arguments are what a user may add to the name: "blobs:n=500,seed=3". Every module in
`genarium/data/sources` is a source; so is any file that uses the decorator in a folder of
GENARIUM_PATH.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from genarium.data.addresses import address, exists
from genarium.data.collection import Collection
from genarium.data.decode import SUFFIXES
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.errors import UserError
from genarium.plugins import Registry


@dataclass(frozen=True)
class Request:
    """What a source function is asked: the source as the user wrote it and the options."""

    source: str
    options: DataOptions
    progress: bool = True

    @property
    def label(self) -> str:
        """The source as it may be printed."""
        return shown(self.source)


class SourceInfo(NamedTuple):
    """One line of the list of sources."""

    name: str
    summary: str
    licence: str


@dataclass(frozen=True)
class Source:
    """A registered source.

    matches: for sources addressed by something other than their name (a folder's path): whether
    a string is theirs. files: whether it takes official files from `from_dir`. paths: names of its
    arguments that are paths. positional: the argument that stands behind the colon without a name
    (`file.h5:images`).
    """

    name: str
    function: Callable[..., Collection]
    summary: str
    licence: str
    matches: Callable[[str], bool] | None = None
    files: bool = False
    paths: tuple[str, ...] = ()
    positional: str = ""

    def arguments(self, text: str) -> dict[str, Any]:
        """ "n=500,seed=3" -> {"n": 500, "seed": 3} by the function's signature."""
        hints = typing.get_type_hints(self.function)
        known = list(inspect.signature(self.function).parameters)[1:]
        values: dict[str, Any] = {}
        for item in filter(None, text.split(",")):
            key, equals, value = (piece.strip() for piece in item.partition("="))
            if self.positional and not equals and not values:
                key, equals, value = self.positional, "=", key
            if key not in known or not equals:
                close = difflib.get_close_matches(key, known, n=1)
                every = f"it takes {', '.join(known)}" if known else "it takes none"
                hint = f"did you mean {close[0]}=...?" if close else every
                raise UserError(f"data source {self.name}: unknown argument {item!r}: {hint}")
            try:
                values[key] = hints[key](value)
            except ValueError:
                kind = hints[key].__name__
                raise UserError(
                    f"data source {self.name}: {key}={value!r} is not of type {kind}"
                ) from None
        return values

    def read(self, request: Request) -> Collection:
        """Call the function for this request."""
        if request.options.from_dir is not None and not self.files:
            raise UserError(f"--from: {self.name} is not read from official files, leave it out")
        if self.matches is not None:
            named = address(request.source)
            if named is None:  # of another kind than a path
                return self.function(request)
            return self.function(request, **self.arguments(named.rest))
        return self.function(request, **self.arguments(request.source.partition(":")[2]))


_known: Registry[Source] = Registry("source")


def source(
    name: str,
    *,
    summary: str,
    licence: str,
    matches: Callable[[str], bool] | None = None,
    files: bool = False,
    paths: tuple[str, ...] = (),
    positional: str = "",
) -> Callable[[Callable[..., Collection]], Callable[..., Collection]]:
    """Decorator that registers a function `(request, *, argument: type = default)`."""

    def wrap(function: Callable[..., Collection]) -> Callable[..., Collection]:
        made = Source(name, function, summary, licence, matches, files, paths, positional)
        _known.add(name, made, function)
        return function

    return wrap


@cache
def _own() -> None:
    """Import every module of the sources folder."""
    from genarium.data import sources

    for module in pkgutil.iter_modules(sources.__path__):
        importlib.import_module(f"{sources.__name__}.{module.name}")


def registered() -> dict[str, Source]:
    """Every source by name, those of GENARIUM_PATH included."""
    _own()
    return _known.all()


def list_sources() -> list[SourceInfo]:
    """Name, summary and licence of every source; imports no torch."""
    return [SourceInfo(s.name, s.summary, s.licence) for s in registered().values()]


def find(text: str) -> Source:
    """The source that `text` names: a registered name (with arguments), or a path."""
    known = registered()
    if not text.strip():
        raise UserError("--data is empty: name a folder of images or a data source")
    name = text.partition(":")[0].strip()
    if name in known and known[name].matches is None:
        return known[name]
    for candidate in known.values():
        if candidate.matches is not None and candidate.matches(text):
            return candidate
    names = [s.name for s in known.values() if s.matches is None]
    if exists(text):
        if Path(text).suffix.lower() in SUFFIXES:
            raise UserError(
                f"--data {shown(text)}: one picture, and data are many: name its folder, "
                f"{shown(str(Path(text).resolve().parent))}, or look at it with genarium show"
            )
        raise UserError(
            f"--data {shown(text)}: not a folder of images, a .zip or .tar of one, nor a file of "
            "arrays (.npy, .npz, .h5, .zarr, .tif, .dcm, .nii, .parquet)"
        )
    close = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1)
    if close and "/" not in text and os.sep not in text:
        raise UserError(f"--data {shown(text)!r} is no data source: did you mean {close[0]!r}?")
    raise UserError(
        f"--data {shown(text)!r} does not exist: name a folder of images, or one of "
        f"{', '.join(names)}"
    )
