"""Groups in the codes: which picture is in which, and how well they agree with known classes."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Gt

from genarium import extras
from genarium.api._results import Figures, of_run
from genarium.api._types import AcceptChanges, Count, Device, Pictures, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Help, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.features import Clustering, Grouping
    from genarium.runs import encoding

MOST = 20  # groups, where their number is sought
ROW, SHEET = 12, 64  # pictures of a group in the overview, and on its own sheet


@dataclass(repr=False)
class Clusters(Figures):
    """Groups found in codes.

    names, images, splits, labels: of every picture that was sorted: N names, [N,C,H,W] as stored,
    "train", "validation", "test" or "", classes [N] or None. groupings: by method ("k-means",
    "mixture") the group of each, and how well it belongs there. results: a `Clustering` by method,
    of the test images, where the classes are known. count: of groups. train, test: images they
    were sought in, and scored on. silhouettes: the mean silhouette by number of groups, where that
    number was sought.
    """

    NAME: ClassVar[str] = "clusters.json"

    results: dict[str, Clustering]
    run: str
    data: str
    count: int
    train: int
    test: int
    seed: int
    names: list[str] = field(default_factory=list)
    images: Tensor | None = None
    splits: list[str] = field(default_factory=list)
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    groupings: dict[str, Grouping] = field(default_factory=dict)
    silhouettes: Mapping[int, float] = field(default_factory=dict)

    def members(self, method: str, group: int, n: int | None = None) -> Tensor:
        """Numbers of the pictures of a group, `n` of them at most drawn by the seed; those that
        belong there most in front."""
        from genarium.data.choice import fair

        result = self.groupings[method]
        rows = (result.groups == group).nonzero()[:, 0]
        rows = rows[fair(len(rows), n, self.seed)]
        distance = result.belongs[rows] if method == "k-means" else -result.belongs[rows]
        return rows[distance.argsort(stable=True)]

    def sizes(self, method: str) -> list[int]:
        """How many pictures each group has."""
        return self.groupings[method].groups.bincount(minlength=self.count).tolist()

    def overview(self, method: str = "k-means") -> Tensor:
        """Some pictures of each group in a row, uint8 [C,H',W']."""
        import torch

        from genarium.drawing.contact import contact_sheet

        rows = [self.members(method, group, ROW).tolist() for group in range(self.count)]
        names = [f"{group} ({size:,})" for group, size in enumerate(self.sizes(method))]
        labels = [group for group, own in enumerate(rows) for _ in own]
        some = [row for own in rows for row in own]
        return contact_sheet(self._seen(torch.tensor(some)), labels, names)

    def _seen(self, rows: Tensor) -> Tensor:
        """Some of the pictures for the eye."""
        from genarium.drawing.images import for_the_eye

        assert self.images is not None
        return for_the_eye(self.images[rows], self.spec, stored=True)

    def table(self) -> list[dict[str, Any]]:
        """A row a picture: name, split, class, and by method its group and how well it belongs."""
        known = self.labels is not None
        rows = []
        for i, name in enumerate(self.names):
            row: dict[str, Any] = {"name": name, "split": self.splits[i]}
            if known and self.labels is not None:
                row["class"] = self.classes[int(self.labels[i])]
            for method, result in self.groupings.items():
                row[method] = int(result.groups[i])
                row["distance" if method == "k-means" else "probability"] = float(result.belongs[i])
            rows.append(row)
        return rows

    @classmethod
    def check(cls, out: str | os.PathLike[str], overwrite: bool = False) -> Path:
        from genarium.drawing import folder

        path = super().check(out, overwrite)
        folder.check(_sheets(path), True)
        return path

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        """The figures, FILE.csv with the table, and the folder FILE-groups with the sheets."""
        import csv
        import io

        from genarium.drawing import folder
        from genarium.drawing.contact import contact_sheet
        from genarium.drawing.files import write

        sheets, pictures = _sheets(path), []
        for method in self.groupings:
            pictures.append((f"{method}.png", self.overview(method)))
            for group, size in enumerate(self.sizes(method)):
                if size and self.images is not None:
                    some = self._seen(self.members(method, group, SHEET))
                    sheet = contact_sheet(some, columns=min(8, size))
                    pictures.append((f"{method}-{group:02d}.png", sheet))
        folder.save(sheets, pictures, overwrite=True)
        file = io.StringIO(newline="")
        rows = self.table()
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
        listed = write(path.with_suffix(".csv"), file.getvalue().encode("utf-8", "surrogateescape"))
        return [*super().write(path, overwrite), listed, sheets]

    def facts(self) -> Any:
        result = super().facts()
        if len(self.saved) > 1:
            result |= {"table": str(self.saved[1]), "sheets": str(self.saved[2])}
        return result

    def report(self) -> str:
        result = super().report()
        if len(self.saved) < 3:
            return result
        return f"{result}\ntable: {self.saved[1]}\na contact sheet a group: {self.saved[2]}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "data": self.data,
            "groups": self.count,
            "train": self.train,
            "test": self.test,
            "seed": self.seed,
            "silhouettes": {str(k): value for k, value in self.silhouettes.items()},
            "sizes": {method: self.sizes(method) for method in self.groupings},
            "results": {
                name: {"accuracy": r.accuracy, "nmi": r.nmi, "ari": r.ari, "reduced": r.reduced}
                for name, r in self.results.items()
            },
        }

    def text(self) -> str:
        where = f"found in {self.train:,} codes, {len(self.names):,} pictures sorted into them"
        if self.results:
            where += f", scored on {self.test:,} test images"
        lines = [f"{self.count} groups {where}"]
        if self.silhouettes:
            lines.append(self._criterion())
        if self.results:
            lines.append(f"  {'':<10}{'accuracy':>9}{'NMI':>8}{'ARI':>8}")
        for name, r in self.results.items():
            note = f"   (on {r.reduced} principal components)" if r.reduced else ""
            lines.append(f"  {name:<10}{r.accuracy:>9.4f}{r.nmi:>8.4f}{r.ari:>8.4f}{note}")
        if not self.results:
            for name in self.groupings:
                lines.append(f"  {name:<10}{' '.join(f'{n:,}' for n in self.sizes(name))} pictures")
        return "\n".join(lines)

    def _criterion(self) -> str:
        """How their number was found."""
        from genarium.features.clustering import CLEAR

        best = self.silhouettes[self.count]
        words = (
            f"their number: the largest mean silhouette, {best:.2f}, of 2 to "
            f"{max(self.silhouettes)} groups"
        )
        if best >= CLEAR:
            return words
        return f"{words}; below {CLEAR:g} no groups are clear: any number is a choice, --groups N"

    def _repr_html_(self) -> str:
        from genarium.drawing.images import data_uri

        words = f"<pre>{html.escape(self.text())}</pre>"
        if self.images is None:
            return words
        return f'{words}<img src="{data_uri(self.overview())}" alt="some pictures of each group">'


@verb(
    "features",
    out="FILE.json: the figures; beside it FILE.csv, the group of each picture, and the folder "
    "FILE-groups with a contact sheet of each (default: RUN/clusters.json)",
)
def cluster(
    run: Run,
    source: Pictures | None = None,
    *,
    groups: Annotated[
        int,
        Gt(0),
        Help(
            "how many (default: as many as classes; of data without classes the number, 2 to 20, "
            "whose mean silhouette is largest: Rousseeuw 1987)"
        ),
    ]
    | None = None,
    n: Count = 10000,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Clusters:
    """Find groups in the codes, and say which picture is in which.

    run: a run folder whose model encodes.
    n: training images in which groups are sought, at most; more are drawn by the seed.
    seed: of the starts.
    progress: show on stderr how far reading is.
    """
    import torch

    from genarium.data.choice import fair
    from genarium.features import METHODS, agreement, group, silhouettes
    from genarium.runs.encoding import pictures, that_encodes

    extras.expect("features", "`genarium cluster`")
    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    labelled_data = pictures(trained, source, progress=bool(progress))
    sought, test = _parts(labelled_data)
    if groups is not None and groups > min(n, len(sought)):
        where = "training images" if _known(labelled_data) else "images"
        raise UserError(f"--groups {groups}: there are {min(n, len(sought))} {where}")
    taken = sought[fair(len(sought), n, seed).sort().values]
    others = torch.tensor(
        [i for i, split in enumerate(labelled_data.splits) if split not in ("train", "")]
    )
    others = others.long()[~torch.isin(others.long(), sought)]
    rows = torch.cat([taken, others])  # of more images than n the rest is not sorted
    codes = trained.encode(labelled_data.images[rows])
    train = codes[: len(taken)]
    labels = (
        labelled_data.labels[rows]
        if _known(labelled_data) and labelled_data.labels is not None
        else None
    )
    tried: Mapping[int, float] = {}
    count = groups or (len(labelled_data.classes) if labels is not None else 0)
    if not count:
        if len(train) < 3:
            raise UserError(f"there are {len(train)} images: give three or more, or say --groups")
        tried = silhouettes(train, MOST, seed)
        count = max(tried, key=lambda k: tried[k])
    if count > len(train):
        raise UserError(
            f"{labelled_data.name}: {len(train)} training images make no {count} groups, one a "
            "class: give more of them, or say --groups"
        )
    groupings = {
        str(method): group(train, codes, count=count, method=method, seed=seed)
        for method in METHODS
    }
    known = torch.isin(rows, test)
    results = {}
    if labels is not None and bool(known.any()):
        scored = known.nonzero()[:, 0]
        results = {k: agreement(g, labels[scored], scored) for k, g in groupings.items()}
    made = Clusters(
        results,
        str(trained.path),
        labelled_data.name,
        count,
        len(train),
        int(known.sum()) if results else 0,
        seed,
        [labelled_data.names[row] for row in rows.tolist()],
        labelled_data.images[rows],
        [labelled_data.splits[row] for row in rows.tolist()],
        labels,
        labelled_data.classes,
        groupings,
        tried,
    )
    return of_run(made, trained)


def _sheets(path: Path) -> Path:
    """The folder of the sheets beside FILE.json."""
    return path.with_name(f"{path.stem}-groups")


def _known(result: encoding.Pictures) -> bool:
    """Whether there are classes to score groups by."""
    return result.labels is not None and len(result.classes) > 1


def _parts(result: encoding.Pictures) -> tuple[Tensor, Tensor]:
    """Numbers of the images in which groups are sought (of all, where there are no classes to score
    them by), and of those that they are scored on."""
    import torch

    of = result.splits
    kept = ("train",) if _known(result) else ("train", "validation", "test", "")
    sought = [i for i, split in enumerate(of) if split in kept]
    test = [i for i, split in enumerate(of) if split == "test"]
    if not sought:
        raise UserError(f"{result.name}: the train split holds no images: give more of them")
    return torch.tensor(sought), torch.tensor(test).long()
