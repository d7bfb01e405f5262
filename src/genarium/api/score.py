"""The log-likelihood of each image, the least likely first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from genarium.api._results import Picture, of_run
from genarium.api._types import (
    AcceptChanges,
    Condition,
    Count,
    Device,
    Images,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Likelihood

SHOWN = 16


@dataclass(repr=False)
class Likelihoods(Picture):
    """ln p(x) of images: a table, and a picture of its ends.

    names, images, nats: of each image as it was given, those of `against` behind the first `own`.
    images are [N,C,H,W] as stored, nats [N]. density: what it is the density of. kind: "log_prob",
    exact; "elbo", a lower bound by k importance samples; or "estimate_log_prob", the mean of k
    draws, by `estimator`, whose standard errors [N] are `errors`; so is a bound that names one.
    against: what was given to be distinguished, or ().
    """

    NAME: ClassVar[str] = "scores.csv"
    SUFFIXES: ClassVar[tuple[str, ...]] = (".csv",)

    names: list[str]
    images: Tensor
    nats: Tensor
    own: int
    density: str
    kind: Likelihood
    run: str
    k: int = 1
    against: tuple[str, ...] = ()
    errors: Tensor | None = None
    estimator: str = ""

    @property
    def exact(self) -> bool:
        """Whether it is the likelihood itself."""
        return self.kind == "log_prob"

    @property
    def order(self) -> list[int]:
        """Numbers of the images, the least likely first."""
        return [int(i) for i in self.nats.argsort(stable=True)]

    @property
    def bits_per_dim(self) -> Tensor:
        """-ln p(x) / (D ln 2) of each image, [N]."""
        return self.nats.double() / (-self.images[0].numel() * math.log(2))

    @property
    def auroc(self) -> float | None:
        """The chance that one of the images is likelier than one of `against`."""
        from genarium.evaluation.metrics.likelihood import auroc

        return auroc(self.nats[: self.own], self.nats[self.own :]) if self.against else None

    @property
    def image(self) -> Tensor:
        """The strangest images, then the likeliest."""
        from genarium.drawing.images import for_the_eye
        from genarium.drawing.points import sheet

        order = self.order
        ends = order[:SHOWN] + order[max(SHOWN, len(order) - SHOWN) :][::-1]
        some = for_the_eye(self.images[ends], self.spec, stored=True)
        return sheet(some, min(SHOWN, len(ends)))

    def rows(self) -> list[tuple[str, float, float]]:
        """(name, nats, bits a dimension) of each image, the least likely first."""
        bits = self.bits_per_dim.tolist()
        return [(self.names[i], float(self.nats[i]), bits[i]) for i in self.order]

    def _errors(self) -> list[float]:
        """The standard error of each image's nats, the least likely first; NaN where unknown."""
        if self.errors is None:
            return [math.nan] * len(self.names)
        return [float(self.errors[i]) for i in self.order]

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        import csv
        import io

        from genarium.drawing.files import write

        sets = ["images" if i < self.own else "against" for i in self.order]
        file = io.StringIO(newline="")
        table = csv.writer(file)
        columns = ["set"] if self.against else []
        columns += ["nats_error"] if self.errors is not None else []
        table.writerow(("name", "nats", "bits_per_dim", *columns))
        for (name, nats, bits), of, error in zip(self.rows(), sets, self._errors()):
            more = [of] if self.against else []
            more += [f"{error:.4f}"] if self.errors is not None else []
            table.writerow((name, f"{nats:.4f}", f"{bits:.6f}", *more))
        write(path, file.getvalue().encode("utf-8", "surrogateescape"))
        return [path, *super().write(path.with_suffix(".png"), overwrite)]

    def facts(self) -> dict[str, Any]:
        entries = super().facts()
        return {**entries, "picture": str(self.saved[1])} if self.saved else entries

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "density": self.density, "exact": self.exact}
        facts |= {} if self.exact else {"k": self.k}
        facts |= {"estimator": self.estimator} if self.estimator else {}
        if self.against:
            facts |= {"auroc": self.auroc, "against": list(self.against)}
        scores = [{"name": name, "nats": n, "bits_per_dim": b} for name, n, b in self.rows()]
        for row, error in zip(scores, self._errors()):
            row |= {} if math.isnan(error) else {"nats_error": error}
        return {**facts, "scores": scores}

    def text(self) -> str:
        rows = self.rows()
        draws = f"{self.k} draw{'' if self.k == 1 else 's'} an image"
        bound = f"{self.estimator}, {draws}" if self.estimator else f"k = {self.k}"
        kind = {
            "log_prob": "ln p(x)",
            "elbo": f"lower bound on ln p(x) ({bound})",
            "estimate_log_prob": f"estimate of ln p(x) ({self.estimator}, {draws})",
        }[self.kind]
        bits = self.bits_per_dim
        mean = f"{bits[: self.own].mean():.4f} bits/dim on average"
        lines = [f"{kind} of {self.own} images, {self.density}: {mean}"]
        if self.against:
            lines[0] += f"; of the {len(rows) - self.own} others {bits[self.own :].mean():.4f}"
            lines.append(
                f"AUROC {self.auroc:.4f}: the chance that one of the {self.own} images is likelier "
                f"than one of the {len(rows) - self.own} others ({' '.join(self.against)})"
            )
        for (name, n, b), error in zip(rows[:5], self._errors()):
            about = "" if math.isnan(error) else f" ± {error:.2f}"
            lines.append(f"  {n:12.2f}{about} nats  {b:8.4f} bits/dim  {name}")
        return "\n".join(lines)

    def report(self) -> str:
        if not self.saved:
            return self.text()
        table, picture = self.saved
        ends = f"all, the least likely first: {table}; the ends as a picture: {picture}"
        return f"{self.text()}\n{ends}"


@verb(
    "measures",
    out="FILE.csv: name, nats, bits_per_dim, least likely first; beside it FILE.png with the "
    f"{SHOWN} strangest and the {SHOWN} likeliest images (default: RUN/scores.csv)",
)
def score(
    run: Run,
    images: Images | None = None,
    *,
    against: Annotated[Images | None, Flag(metavar="IMAGES", several=True, raw=True)] = None,
    from_dir: Annotated[str | None, Flag("--from", "DIR")] = None,
    condition: Condition | None = None,
    k: Count = 1,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> Likelihoods:
    """Give the log-likelihood of each image, the least likely first.

    run: a run folder whose model has a likelihood.
    images: image files, folders of them, test, or test:NUMBERS (default: test).
    against: other images, or a data set (its test split): how well the score separates the two
        (AUROC).
    from_dir: official files of the set of --against.
    condition: as images of this class: ln p(x|y).
    k: importance samples an image, for a model with a bound: 5000 closes it all but for a few
        hundredths of a nat (1: the ELBO); or draws an image, for an estimate and for the bound of
        ddpm, whose standard error needs 2 or more.
    seed: of a bound's samples and an estimate's draws.
    """
    import torch

    from genarium.contract import EstimatesElbo, EstimatesLogProb, likelihood_of
    from genarium.runs.loading import opened
    from genarium.runs.selection import given, named, names_of

    if from_dir is not None and against is None:
        raise UserError(f"--from {from_dir}: say --against, or leave it out")
    trained = opened(run, step, device, data=data, accept_changes=accept_changes)
    names, pixels = named(trained, ["test"] if images is None else images, "images")
    own, others = len(names), []
    texts = names_of(against) if against is not None else []
    if texts:
        others = [given(trained, f"--against {text}", text, from_dir) for text in texts]
    elif against is not None:
        others, texts = [named(trained, against, "--against")], ["given images"]
    names = names + [name for part in others for name in part.names]
    pixels = torch.cat([pixels, *(part.images for part in others)])
    nats, errors = trained.likelihoods(pixels, seed, condition, k)
    kind = likelihood_of(trained.capabilities)
    assert kind is not None
    drawn = isinstance(trained.model, EstimatesElbo | EstimatesLogProb)
    made = Likelihoods(
        names,
        pixels,
        nats,
        own,
        str(trained.model.density),
        kind,
        str(trained.path),
        k,
        tuple(texts),
        errors if drawn and k > 1 else None,
        str(getattr(trained.model, "estimator", "")) if drawn else "",
    )
    return of_run(made, trained)
