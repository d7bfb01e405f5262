"""Groups in the codes, found without labels and scored by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.api._results import Figures, of_run
from genarium.api._types import AcceptChanges, Count, Data, Device, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import verb

if TYPE_CHECKING:
    from genarium.features import Clustering


@dataclass(repr=False)
class Clusters(Figures):
    """Groups found in codes.

    results: a `Clustering` by method ("k-means", "mixture"): the group of each test image and how
    well the groups agree with the classes. count: of groups. train, test: images they were sought
    in, and scored on.
    """

    NAME: ClassVar[str] = "clusters.json"

    results: dict[str, Clustering]
    run: str
    data: str
    count: int
    train: int
    test: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "data": self.data,
            "groups": self.count,
            "train": self.train,
            "test": self.test,
            "seed": self.seed,
            "results": {
                name: {"accuracy": r.accuracy, "nmi": r.nmi, "ari": r.ari, "reduced": r.reduced}
                for name, r in self.results.items()
            },
        }

    def text(self) -> str:
        where = f"found in {self.train:,} codes, scored on {self.test:,} test images"
        lines = [f"{self.count} groups {where}", f"  {'':<10}{'accuracy':>9}{'NMI':>8}{'ARI':>8}"]
        for name, r in self.results.items():
            note = f"   (on {r.reduced} principal components)" if r.reduced else ""
            lines.append(f"  {name:<10}{r.accuracy:>9.4f}{r.nmi:>8.4f}{r.ari:>8.4f}{note}")
        return "\n".join(lines)


@verb("features", out="FILE.json: the figures (default: RUN/clusters.json)")
def cluster(
    run: Run,
    source: Data | None = None,
    *,
    groups: Count | None = None,
    n: Count = 10000,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Clusters:
    """Find groups in the codes.

    run: a run folder whose model encodes.
    groups: how many (default: as many as classes).
    n: training images in which groups are sought, at most.
    seed: of the starts.
    progress: show on stderr how far reading is.
    """
    from genarium.features import METHODS
    from genarium.features import cluster as sort
    from genarium.runs.encoding import labelled, that_encodes

    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    labelled_data = labelled(trained, source, bool(progress))
    count = groups or len(labelled_data.classes)
    images = labelled_data.train[0][:n]
    if count > len(images):
        raise UserError(f"--groups {count}: there are {len(images)} training images")
    train, test = trained.encode(images), trained.encode(labelled_data.test[0])
    results = {
        str(method): sort(train, test, labelled_data.test[1], count=count, method=method, seed=seed)
        for method in METHODS
    }
    sizes = (count, len(train), len(test))
    return of_run(Clusters(results, str(trained.path), labelled_data.name, *sizes, seed), trained)
