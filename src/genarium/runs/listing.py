"""Images by name that are not read yet, so that some of them can be chosen and only those read.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from genarium.data import DataOptions, depths
from genarium.data import load as load_data
from genarium.data.choice import fair
from genarium.data.decode import SUFFIXES, Bad, strict
from genarium.data.files.opening import format_of, opened
from genarium.data.files.reader import Asked
from genarium.data.layout import arrange
from genarium.data.names import shown
from genarium.data.registry import find
from genarium.data.scan import scan
from genarium.data.splits import SPLITS
from genarium.data.stream import Array, image_of
from genarium.errors import UserError

if TYPE_CHECKING:
    from genarium.data import Dataset, Split


log = logging.getLogger("genarium.data")


class Picked(NamedTuple):
    """names, images: as of `Given`. labels: the classes [n] int64, -1 where none is known, or None
    for all; classes: their names."""

    names: list[str]
    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]


class Given(NamedTuple):
    """names: of the images, as a table would show them. images: [n,C,H,W] as stored."""

    names: list[str]
    images: Tensor


@dataclass(frozen=True)
class Listed:
    """Images by name.

    each: numbers of them -> stored [n,C,H,W], or a list of [C,H,W] where sizes may differ. labels:
    their classes [N], any numbers, where they are known. classes: names of the classes. chosen: the
    images were named one by one, so that nobody may choose among them.
    """

    names: list[str]
    each: Callable[[list[int]], Tensor | Sequence[Tensor]]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    chosen: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: list[int]) -> Given:
        """Some of them, read; they must have one size."""
        result = self.each(rows)
        images = result if isinstance(result, Tensor) else torch.stack(list(result))
        return Given([self.names[row] for row in rows], images)

    def all(self) -> Given:
        """All of them, read."""
        return self.take([*range(len(self))])

    def fair(self, n: int, seed: int) -> list[int]:
        """Numbers of `n` of them at most, drawn by the seed, the classes in turn."""
        return fair(len(self), n, seed, self.labels).tolist()


def joined(lists: Sequence[Listed]) -> Listed:
    """Several as one; their classes stay apart, also where names are alike."""
    if len(lists) == 1:
        return lists[0]
    labels: list[Tensor] = []
    classes: list[str] = []
    for part in lists:
        own, names = torch.zeros(len(part)).long(), [""]
        if part.labels is not None:
            own = part.labels - min(0, int(part.labels.min()))
            count = max(int(own.max()) + 1, len(part.classes))
            names = [*part.classes, *map(str, range(len(part.classes), count))]
        labels.append(own + len(classes))
        classes += names
    places = [(part, row) for part in lists for row in range(len(part))]

    def each(rows: list[int]) -> list[Tensor]:
        return [part.each([row])[0] for part, row in (places[number] for number in rows)]

    known = any(part.labels is not None for part in lists)
    return Listed(
        [name for part in lists for name in part.names],
        each,
        torch.cat(labels),
        tuple(classes) if known else (),
    )


def picked(lists: Sequence[Listed], n: int, seed: int) -> Picked:
    """What was named one by one, and of the others `n` at most, drawn by `seed`, the classes in
    turn. All must have one size."""
    parts = [part for part in lists if part.chosen]
    rows = [(part, [*range(len(part))]) for part in parts]
    sets = [part for part in lists if not part.chosen]
    if sets:
        many = joined(sets)
        some = [*range(len(many))] if len(many) <= n else many.fair(n, seed)
        parts.append(many)
        rows.append((many, some))
    results = [part.take(some) for part, some in rows]
    named = [part for part in parts if part.classes]
    classes = named[0].classes if named else ()  # of files that are named one by one none is known
    labels = [
        part.labels[some]
        if part.classes and part.labels is not None
        else torch.full([len(some)], -1)
        for part, some in rows
    ]
    return Picked(
        [name for part in results for name in part.names],
        torch.cat([part.images for part in results]),
        torch.cat(labels) if classes else None,
        classes,
    )


def of_split(split: Split, name: str, domain: str = "a", classes: tuple[str, ...] = ()) -> Listed:
    """The images of a split, called NAME:0, NAME:1 ..."""
    images, labels = split.domain(domain), split.labels
    known = labels is not None and len(labels) == len(images)
    names = [f"{name}:{row}" for row in range(len(images))]
    return Listed(names, lambda rows: images[rows], labels if known else None, classes)


def of_dataset(dataset: Dataset, splits: Sequence[str] = SPLITS, prefix: str = "") -> Listed:
    """The images of some splits of a data set; those without a file's name are called test:7.

    prefix: before the names of files.
    """
    parts = [(name, dataset.split(name)) for name in splits]
    names = [
        f"{prefix}{own}" if split.names else own
        for name, split in parts
        for own in split.names or [f"{name}:{row}" for row in range(len(split))]
    ]
    places = [(split, row) for _, split in parts for row in range(len(split))]
    labels = [split.labels for _, split in parts if split.labels is not None]
    known = torch.cat(labels) if len(labels) == len(parts) else None

    def each(rows: list[int]) -> list[Tensor]:
        return [split.images[row] for split, row in (places[number] for number in rows)]

    return Listed(names, each, known, dataset.spec.classes)


def of_path(where: str, path: Path, read_as: DataOptions, said: str = "") -> Listed:
    """The images of a file, a folder, an archive or a file of arrays, read as `read_as` says.

    where: for errors. said: what stands behind the path's colon, as `--data` takes it. A TIFF of
    several pages is a file of arrays, whose pages are images. Raises UserError for what holds none.
    """
    asked = _asked(where, path, said)
    if asked is not None:
        images = torch.cat(list(Array(path, read_as, asked=asked).batches(256)))
        names = [f"{shown(str(path))}:{row}" for row in range(len(images))]
        return Listed(names, lambda rows: images[rows])
    if said or (path.is_file() and is_archive(str(path))):
        text = f"{path}:{said}" if said else str(path)
        result = of_dataset(load_data(text, read_as, progress=False), prefix=f"{shown(str(path))}/")
        order = sorted(range(len(result)), key=result.names.__getitem__)
        labels = None if result.labels is None else result.labels[order]
        names = [result.names[row] for row in order]
        return Listed(
            names, lambda rows: result.each([order[row] for row in rows]), labels, result.classes
        )
    if not path.is_dir():
        return Listed([shown(str(path))], lambda rows: _decoded([path], read_as), chosen=True)
    files = scan(path)
    if not files.files:
        raise UserError(f"{where}: the folder holds no images")
    layout = arrange([file.name for file in files.files], files.folders)
    return Listed(
        [shown(str(file.path)) for file in files.files],
        lambda rows: _decoded([files.files[row].path for row in rows], read_as),
        None if layout.labels is None else torch.tensor(layout.labels),
        layout.classes,
    )


def _asked(where: str, path: Path, said: str) -> Asked | None:
    """What is asked of a file of arrays; None for other files, and where it has labels."""
    if format_of(path) is None:
        if said and not path.is_dir() and not is_archive(str(path)):
            raise UserError(f"{where}: of a picture nothing can be said behind a colon")
        return None
    if said:
        asked = Asked(**find(f"{path}:{said}").arguments(said))
        return None if asked.labels else asked
    picture = path.name.lower().endswith(tuple(SUFFIXES))
    return Asked() if not picture or _has_pages(path) else None


def _has_pages(path: Path) -> bool:
    """Whether a TIFF holds several images of one kind: not a photograph with a small one of it."""
    try:
        with opened(path, Asked()) as reader:
            return len(reader) > 1
    except Bad:  # the reader of pictures says why, or reads it
        return False


def is_archive(text: str) -> bool:
    """Whether a name is that of an archive of images."""
    try:
        return find(text).name in ("ARCHIVE", "PARQUET")
    except UserError:
        return False


def _decoded(files: list[Path], read_as: DataOptions) -> list[Tensor]:
    results, facts = [], []
    with strict():
        for file in files:
            try:
                image, known = image_of(file, read_as)
            except Bad as bad:
                raise UserError(f"{shown(str(file))}: {bad}: leave the file out") from None
            results.append(image)
            facts.append((str(file), known))
    for words in depths.said(facts):
        log.warning("%s", words)
    return results
