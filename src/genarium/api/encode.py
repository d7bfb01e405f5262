"""The codes of images as a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from genarium.api._results import Result, of_run
from genarium.api._types import AcceptChanges, Device, Pictures, Place, Run, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor


ALL = ("train", "validation", "test")
HEAD = 5  # rows of a notebook's view


@dataclass(repr=False)
class Codes(Result):
    """Codes as a table, a row an image.

    names: of the images, N. codes: [N,D] float32. labels: [N] int64 or None where none are known;
    -1 where an image has none. classes: names in label order. data: what they are of. reading,
    encoding: seconds.
    """

    NAME: ClassVar[str] = "codes.npz"
    SUFFIXES: ClassVar[tuple[str, ...]] = (".npz", ".parquet", ".csv")

    names: list[str]
    codes: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    run: str
    data: str
    reading: float = 0.0
    encoding: float = 0.0

    def __len__(self) -> int:
        return len(self.names)

    def class_names(self) -> list[str] | None:
        """The label of each image as text, "" where it has none."""
        from genarium.features import Table

        return Table(self.names, self.codes, self.labels, self.classes).class_names()

    @classmethod
    def check(cls, out: str | os.PathLike[str], overwrite: bool = False) -> Path:
        from genarium.features import check

        return check(super().check(out, overwrite))  # parquet may lack its library

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.features import write

        write(self, path)
        return [path]

    def to_dict(self) -> dict[str, Any]:
        n, size = self.codes.shape
        facts = {"run": self.run, "data": self.data, "images": n, "dims": size}
        seconds = {
            "seconds_reading": round(self.reading, 3),
            "seconds_encoding": round(self.encoding, 3),
        }
        return {**facts, "labels": self.labels is not None, **seconds}

    def text(self) -> str:
        n, size = self.codes.shape
        labels = "with labels" if self.labels is not None else "without labels"
        return f"{n:,} codes of {size} numbers, {labels}"

    def report(self) -> str:
        rate = len(self) / max(self.encoding, 1e-9)
        speed = f"encoded in {self.encoding:.1f} s ({rate:,.0f} images/s)"
        return f"{super().report()}\nread in {self.reading:.1f} s, {speed}"

    def _repr_html_(self) -> str:
        import html

        def row(cells: Sequence[object], tag: str = "td") -> str:
            words = (f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
            return f"<tr>{''.join(words)}</tr>"

        labels = self.class_names()
        some = range(min(6, self.codes.shape[1]))
        more = ["…"] if self.codes.shape[1] > len(some) else []
        head = ["name", *(["label"] if labels else []), *(f"z{d}" for d in some), *more]
        rows = [row(head, "th")]
        for i, name in enumerate(self.names[:HEAD]):
            numbers = [f"{self.codes[i, d]:.4g}" for d in some]
            rows.append(row([name, *([labels[i]] if labels else []), *numbers, *more]))
        return f"<table>{''.join(rows)}</table><p>{html.escape(self.text())}</p>"


@verb(
    "features",
    out="the table, FILE.npz, .parquet or .csv: names, codes, and labels where they are known "
    "(default: RUN/codes.npz)",
)
def encode(
    run: Run,
    source: Pictures | None = None,
    *,
    split: Annotated[
        str | Sequence[str], Flag(metavar="{train,validation,test,all}", raw=True)
    ] = "all",
    splits: Annotated[Sequence[str] | None, Flag(raw=True, hidden=True)] = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Codes:
    """Write the codes of images as a table.

    run: a run folder whose model encodes.
    split: which images.
    splits: the old name of split.
    progress: show on stderr how far reading is.
    """
    import time

    from genarium.runs.encoding import is_loose, pictures, splits_of, that_encodes
    from genarium.runs.selection import names_of

    wanted = splits_of("--split", split) if splits is None else splits_of("--splits", splits)
    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    start = time.monotonic()
    if is_loose(source) and {*wanted} != {*ALL}:
        given = " ".join(names_of(source)) or "source"
        raise UserError(f"{given}: has no splits: leave --split out")
    name, names, images, labels, classes, _ = pictures(trained, source, wanted, bool(progress))
    read = time.monotonic()
    codes = trained.encode(images)
    seconds = (read - start, time.monotonic() - read)
    return of_run(Codes(names, codes, labels, classes, str(trained.path), name, *seconds), trained)
