"""A contact sheet of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from genarium.api._results import Picture
from genarium.api._types import AcceptChanges, Count, Place, Seed
from genarium.api.show_data import settings_of
from genarium.errors import UserError
from genarium.signatures import checked
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data import DataOptions, Dataset
    from genarium.runs import inputs
    from genarium.runs.listing import Listed
    from genarium.runs.trained import Trained

    Shown = (
        Trained
        | Dataset
        | inputs.Pictures
        | str
        | os.PathLike[str]
        | Sequence[str]
        | Sequence[os.PathLike[str]]
    )
else:
    Shown = Annotated[Any, Flag(metavar="SOURCE", raw=True, repeat=True)]

NATIVE, DEFAULT = 256, 64  # as a folder is read for training: larger and mixed ones become 64


@dataclass(repr=False)
class ContactSheet(Picture):
    """Some pictures of a set, of a class in a row each.

    images: for the eye, uint8 [n,1 or 3,H,W]. names: of each. labels: [n] int64 or None where there
    are no classes. classes: names in label order. total: how many there are to choose from.
    legend: what the pictures stand for, "" of 8 bits in grey or RGB. folders: those that they are
    from.
    """

    NAME: ClassVar[str] = "contact-sheet.png"

    images: Tensor
    names: list[str]
    labels: Tensor | None
    classes: tuple[str, ...]
    source: str
    total: int
    seed: int
    legend: str = ""
    folders: list[Path] = field(default_factory=list, compare=False)

    @property
    def image(self) -> Tensor:
        from genarium.drawing.contact import contact_sheet
        from genarium.drawing.points import planar, sheet

        if planar(self.images):
            return sheet(self.images)
        labels = None if self.labels is None else self.labels.tolist()
        return contact_sheet(self.images, labels, self.classes)

    def class_names(self) -> list[str] | None:
        """The class of each picture, None where there are no classes."""
        if self.labels is None:
            return None
        known = dict(enumerate(self.classes))
        return [known.get(label, str(label)) for label in self.labels.tolist()]

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        """Raises UserError for a place among the pictures that are shown: it would be one more."""
        from genarium.data.scan import RUN

        inside = [folder for folder in self.folders if path.resolve().is_relative_to(folder)]
        if inside and not (inside[0] / RUN).exists():
            raise UserError(
                f"--out {path} lies in the folder of the pictures and would be one of them: name "
                "another place"
            )
        return super().write(path, overwrite)

    def to_dict(self) -> dict[str, Any]:
        facts = {"source": self.source, "n": len(self.images), "of": self.total, "seed": self.seed}
        size = "x".join(map(str, self.images.shape[-2:]))
        return {**facts, "size": size, "images": self.names, "classes": self.class_names()}

    def text(self) -> str:
        few = f"{len(self.images):,} of {self.total:,} pictures"
        if self.labels is not None:
            few += f" in {len(self.labels.unique())} of {len(self.classes)} classes"
        height, width = self.images.shape[-2:]
        words = f"{few}, {height}x{width}, drawn by seed {self.seed}"
        return f"{words}; {self.legend}" if self.legend else words


@verb(
    "data",
    out="FILE.png: the sheet (default: contact-sheet.png, of a run in its folder)",
    settings=settings_of,
)
def show(
    source: Shown,
    *,
    n: Count = 64,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    progress: bool = False,
    **settings: Any,
) -> ContactSheet:
    """Show some pictures of a folder, a data set or a run's data, the classes in turn.

    source: a folder of images, files, an .npz array, a data set by name, or a run folder (its data,
        read as at training).
    n: how many are drawn; files that are named one by one are all shown.
    seed: of which are drawn.
    """
    import torch

    from genarium.runs.selection import names_of

    (fields,) = settings_of(()).values()
    asked = checked(fields, settings)
    result, name, home, legend, raw = _listed(source, asked, data, accept_changes, progress)
    rows = [*range(len(result))] if result.chosen else result.fair(n, seed)
    each = list(result.each(rows))
    sizes = {tuple(image.shape[-2:]) for image in each}
    if "size" not in asked and (len(sizes) > 1 or max(map(max, sizes)) > NATIVE):
        smaller = {**asked, "size": str(DEFAULT)}
        each = list(_listed(source, smaller, data, accept_changes, False).images.each(rows))
    if raw is not None:
        each, legend = _toned(each, raw, name or "show")
    channels = max(len(image) for image in each)
    images = torch.stack([image.expand(channels, -1, -1) for image in each])
    labels = None
    if result.labels is not None and result.classes:
        labels = result.labels[rows]
    names = [result.names[row] for row in rows]
    shown = name or " ".join(names_of(source)) or "given images"
    made = ContactSheet(images, names, labels, result.classes, shown, len(result), seed, legend)
    made.home = home
    made.folders = [Path(text).resolve() for text in names_of(source) if Path(text).is_dir()]
    return made


class _Pool(NamedTuple):
    """The pictures, what they are called, the folder that the sheet belongs to, and the legend.

    raw: how they were read, where they are values whose range nobody has decided; None: pictures.
    """

    images: Listed
    name: str = ""
    home: Path = Path()
    legend: str = ""
    raw: DataOptions | None = None


def _listed(
    source: Any, asked: dict[str, Any], data: Any, accept_changes: bool, progress: bool
) -> _Pool:
    """What there is to show."""
    from genarium.data import Dataset
    from genarium.runs import inputs
    from genarium.runs.listing import Listed, joined, of_dataset
    from genarium.runs.loading import opened
    from genarium.runs.selection import names_of
    from genarium.runs.sources import is_run

    texts = names_of(source)
    one = source[0] if texts and isinstance(source, list | tuple) else source
    if len(texts) < 2 and is_run(one):
        if asked:
            flag = "--" + next(iter(asked)).replace("_", "-")
            raise UserError(f"{flag}: the data of a run are read as at training: leave it out")
        run = opened(one, None, "cpu", data=data, accept_changes=accept_changes)
        result = run.dataset(progress)
        return _seen(result, f"{result.name}, the data of {run.name}", run.path)
    if data is not None or accept_changes:
        flag = f"--data {data}" if data is not None else "--accept-changes"
        raise UserError(f"{flag}: goes with a run folder only")
    if isinstance(source, Dataset):
        return _seen(source, source.name)
    read_as = _options(asked)
    if texts:
        parts = [_named(text, read_as, progress) for text in texts]
        if len(parts) == 1 and isinstance(parts[0], Dataset):
            return _seen(parts[0])
        lists = [of_dataset(part) if isinstance(part, Dataset) else part for part in parts]
        return _Pool(joined(lists), raw=read_as)
    pixels = inputs.read(source, "show: source", read_as)
    one_by_one = isinstance(source, list | tuple)
    names = [str(row) for row in range(len(pixels))]
    listed = Listed(names, lambda rows: pixels[rows], chosen=one_by_one)
    return _Pool(listed, "given images", raw=read_as)


def _named(text: str, read_as: DataOptions, progress: bool) -> Listed | Dataset:
    from genarium.data import load
    from genarium.runs.listing import of_path
    from genarium.runs.selection import is_source
    from genarium.runs.sources import exists

    path = Path(text).expanduser()
    if exists(path) and not is_source(text):
        return of_path(text, path, read_as)
    name = text.partition(":")[0].strip()
    if not is_source(name) and not exists(Path(name).expanduser()):
        raise UserError(f"{text} does not exist: name a folder, a file, a data set or a run folder")
    return load(text, read_as, progress=progress)


def _toned(each: list[Tensor], read_as: DataOptions, name: str) -> tuple[list[Tensor], str]:
    """Images [C,H,W] as pictures for the eye, and the legend.

    What is darkest and brightest is decided on those that are shown, of each type by itself.
    """
    import torch

    from genarium.contract import Spec
    from genarium.data import ranges, showing
    from genarium.data.collection import Collection, Part, fingerprint
    from genarium.data.dataset import values_of
    from genarium.data.splits import digest
    from genarium.drawing.images import for_the_eye, legend

    results, legends = [*each], list[str]()
    for kind in dict.fromkeys((image.dtype, image.shape) for image in each):
        rows = [row for row, image in enumerate(each) if (image.dtype, image.shape) == kind]
        images = torch.stack([each[row] for row in rows])
        identity = fingerprint([digest(image) for image in images.numpy()])
        part = Collection({"train": Part(images.numpy())}, identity=identity)
        values = values_of(ranges.applied(part, read_as, name))
        shown = showing.chosen(read_as.show, images.shape[1])
        channels, height, width = images.shape[1:]
        spec = Spec(channels, height, width, values=values, shown=shown)
        for row, picture in zip(rows, for_the_eye(images, spec, stored=True), strict=True):
            results[row] = picture
        legends.append(legend(spec))
    return results, "; ".join(dict.fromkeys(words for words in legends if words))


def _seen(dataset: Dataset, name: str = "", home: Path = Path()) -> _Pool:
    """The images of a data set, as pictures for the eye."""
    from genarium.drawing.images import for_the_eye, legend
    from genarium.runs.listing import of_dataset

    listed = of_dataset(dataset)

    def each(rows: list[int]) -> Tensor:
        import torch

        return for_the_eye(torch.stack(list(listed.each(rows))), dataset.spec, stored=True)

    return _Pool(replace(listed, each=each), name, home, legend(dataset.spec))


def _options(asked: dict[str, Any]) -> DataOptions:
    from genarium.data import DataOptions

    return DataOptions(**asked)
