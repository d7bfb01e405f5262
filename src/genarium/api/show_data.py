"""What a data set holds, and having it ready."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genarium.api._results import Picture, Result, aligned
from genarium.api._types import DataSource
from genarium.signatures import checked, dataclass_fields
from genarium.verbs import Settings, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data import DataOptions, Dataset


@dataclass(repr=False)
class Facts(Result):
    """What is known of a data set: name, shape, classes, counts, policy, licence ..., by key."""

    entries: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.entries

    def text(self) -> str:
        return aligned(self.entries)


@dataclass(repr=False)
class Shown(Facts, Picture):
    """The facts, and a picture of some training images of all classes, the same ones each time."""

    source: str | os.PathLike[str]
    options: DataOptions

    def _some(self) -> tuple[Dataset, Tensor]:
        from genarium.data import load
        from genarium.data.choice import fair_rows
        from genarium.drawing.points import SHOWN

        dataset = load(self.source, self.options, progress=False, warn=False)  # said already
        rows = fair_rows(dataset.train, SHOWN if dataset.spec.planar else 64)
        return dataset, dataset.train.images[rows]

    @property
    def image(self) -> Tensor:
        from genarium.drawing.images import for_the_eye
        from genarium.drawing.points import sheet

        dataset, images = self._some()
        seen = for_the_eye(images, dataset.spec, stored=True)
        return sheet(seen, mixture=dataset.info.get("mixture"))

    def facts(self) -> Any:
        return self.to_dict()

    def report(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The picture above the facts, whose columns want letters of one width."""
        from genarium.drawing.inline import figure

        return figure(self.image) + Result._repr_html_(self)


def settings_of(words: Sequence[str]) -> Settings:
    """How the images are read."""
    from genarium.data import DataOptions

    return {"how the images are read": dataclass_fields("data", DataOptions)}


def _options(settings: dict[str, Any]) -> DataOptions:
    from genarium.data import DataOptions

    (fields,) = settings_of(()).values()
    return DataOptions(**checked(fields, settings))


@verb(
    "data",
    name="data show",
    out="FILE.png: also draw some of the training images (points of the plane: a plot)",
    settings=settings_of,
)
def show_data(source: DataSource, *, progress: bool | None = None, **settings: Any) -> Shown:
    """What a data set holds: shape, splits, classes, what was left out.

    In Python, any argument of `DataOptions` is one of `settings`, by name.
    """
    from genarium.data import describe

    options = _options(settings)
    return Shown(describe(source, options, progress=bool(progress)), source, options)


@verb("data", name="data prepare", settings=settings_of)
def prepare_data(source: DataSource, *, progress: bool | None = None, **settings: Any) -> Facts:
    """Download and cache a data set, so that training starts at once.

    In Python, any argument of `DataOptions` is one of `settings`, by name.
    """
    from genarium.data import prepare

    return Facts(prepare(source, _options(settings), progress=bool(progress)))
