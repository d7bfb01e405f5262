"""A classifier begun with the encoder, and one from scratch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Gt

from genarium.api._results import Figures, of_run
from genarium.api._types import AcceptChanges, Count, Data, Device, Place, Run, Seed, Step
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.features import FineTuning

Labels = int | Literal["all"]


@dataclass(repr=False)
class FineTunings(Figures):
    """Test errors of both classifiers, for each count of labelled images.

    results: a `FineTuning` each: labels, pretrained and scratch (an error a seed), gain. test: how
    many images they were tried on.
    """

    NAME: ClassVar[str] = "finetune.json"

    results: tuple[FineTuning, ...]
    run: str
    data: str
    test: int
    steps: int
    batch: int
    lr: float
    seeds: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        settings = {"steps": self.steps, "batch": self.batch, "lr": self.lr}
        results = [
            {
                "labels": r.labels,
                "pretrained": list(r.pretrained),
                "scratch": list(r.scratch),
                "gain": r.gain,
            }
            for r in self.results
        ]
        facts = {"run": self.run, "data": self.data, **settings, "seeds": list(self.seeds)}
        return {**facts, "results": results}

    def text(self) -> str:
        times = len(self.seeds)
        lines = [
            f"error on {self.test:,} test images, mean ± standard deviation of {times} seeds",
            f"  {'labels':>8}   {'from the encoder':<20}from scratch",
        ]
        for r in self.results:
            lines.append(f"  {r.labels:>8,}   {_spread(r.pretrained):<20}{_spread(r.scratch)}")
        return "\n".join(lines)


@verb("features", out="FILE.json: the figures (default: RUN/finetune.json)")
def finetune(
    run: Run,
    source: Data | None = None,
    *,
    labels: Annotated[Labels | Sequence[Labels] | str, Flag(metavar="N,...", raw=True)] = (
        100,
        1000,
        "all",
    ),
    seeds: Count = 3,
    steps: Count = 500,
    batch: Count = 100,
    lr: Annotated[float, Gt(0)] = 1e-3,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | Callable[[str], None] | None = None,
) -> FineTunings:
    """Train a classifier from the encoder, and one from scratch.

    run: a run folder whose model encodes.
    labels: labelled training images, the classes balanced.
    seeds: how many times, from --seed on.
    steps: of each classifier.
    batch: images a step.
    lr: of Adam.
    seed: the first; of the choice of labelled images, their order and the fresh network.
    progress: True prints a line for each classifier on stderr; or what to call with it.
    """
    from genarium.features import finetune as train
    from genarium.runs.building import build
    from genarium.runs.encoding import counts_of, enough, labelled, that_encodes

    counts = counts_of("--labels", labels)
    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    labelled_data = labelled(trained, source, bool(progress))
    for count in counts:
        enough("--labels", count, len(labelled_data.train[1]))
    tried = range(seed, seed + seeds)
    results = tuple(
        train(
            trained.model,
            lambda seed: build(
                trained.recipe, trained.spec, trained.config["arguments"], seed, stored=True
            ),
            labelled_data.train,
            labelled_data.test,
            classes=len(labelled_data.classes),
            labels=count,
            seeds=tried,
            steps=steps,
            batch=batch,
            lr=lr,
            progress=progress if callable(progress) else _line if progress else _silent,
        )
        for count in counts
    )
    made = FineTunings(
        results,
        str(trained.path),
        labelled_data.name,
        len(labelled_data.test[1]),
        steps,
        batch,
        lr,
        tuple(tried),
    )
    return of_run(made, trained)


def _line(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)


def _silent(text: str) -> None: ...


def _spread(errors: Sequence[float]) -> str:
    mean = f"{100 * statistics.fmean(errors):.2f}"
    return f"{mean} ± {100 * statistics.stdev(errors):.2f} %" if len(errors) > 1 else f"{mean} %"
