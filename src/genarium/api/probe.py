"""What simple classifiers find in frozen codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from genarium import extras
from genarium.api._results import Figures, of_run
from genarium.api._types import AcceptChanges, Data, Device, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.features import Probe


@dataclass(repr=False)
class Probes(Figures):
    """Accuracies of a linear classifier and of k nearest neighbours.

    features: a `Probe` for the "codes", for as many principal components, and for the "pixels".
    """

    NAME: ClassVar[str] = "probe.json"

    features: dict[str, Probe]
    run: str
    data: str
    seed: int

    @property
    def codes(self) -> Probe:
        """That of the model's codes."""
        return self.features["codes"]

    def to_dict(self) -> dict[str, Any]:
        features = {name: asdict(probe) for name, probe in self.features.items()}
        return {"run": self.run, "data": self.data, "seed": self.seed, "features": features}

    def text(self) -> str:
        test, labels = self.codes.test, self.codes.labels
        lines = [
            f"accuracy on {test:,} test images, {labels:,} labels (± standard error)",
            f"  {'':<24}{'columns':>8}   {'linear':<16}k nearest",
        ]
        for name, r in self.features.items():
            linear = f"{r.linear:.4f} ± {r.linear_error:.4f}"
            knn = f"{r.knn:.4f} ± {r.knn_error:.4f}  (k = {r.neighbours})"
            lines.append(f"  {name:<24}{r.dims:>8}   {linear:<16}{knn}")
        return "\n".join(lines)


@verb("features", out="FILE.json: the figures (default: RUN/probe.json)")
def probe(
    run: Run,
    source: Data | None = None,
    *,
    labels: Annotated[int | Literal["all"], Flag(metavar="N", raw=True)] = 2000,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Probes:
    """Train simple classifiers on the codes, beside pixels and PCA.

    run: a run folder whose model encodes.
    labels: labelled training images, the classes balanced, or all.
    seed: of the choice of labelled images.
    progress: show on stderr how far reading is.
    """
    from genarium.data.splits import SPLITS
    from genarium.features import pca
    from genarium.features import probe as fit
    from genarium.runs.encoding import chosen, count_of, labelled, that_encodes

    count = count_of("--labels", labels)
    extras.expect("features", "`genarium probe`")
    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    labelled_data = labelled(trained, source, bool(progress), SPLITS)
    rows = chosen("--labels", count, labelled_data.train[1], seed)
    images = [labelled_data.train[0][rows], labelled_data.validation[0], labelled_data.test[0]]
    known = [labelled_data.train[1][rows], labelled_data.validation[1], labelled_data.test[1]]
    if len(known[0].unique()) < 2:
        raise UserError(f"--labels {labels}: a probe needs two classes at least, give more")
    codes = [trained.encode(x) for x in images]
    pixels = [x.flatten(1).float() for x in images]
    parts = pca(pixels[0], codes[0].shape[1], *pixels[1:])
    columns = {"codes": codes, f"PCA, {parts[0].shape[1]} components": parts, "pixels": pixels}
    results = {}
    for name, feature in columns.items():
        train, validation, test = zip(feature, known)
        results[name] = fit(train, validation, test)
    return of_run(Probes(results, str(trained.path), labelled_data.name, seed), trained)
