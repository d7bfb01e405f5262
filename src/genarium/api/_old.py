"""What is left of the library in one file: `encode`, `evaluate` and `compare`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from genarium.data import DataOptions
from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.loading import load, several
from genarium.runs.trained import Trained

if TYPE_CHECKING:
    from genarium.data import Dataset

    Data = Dataset | str | os.PathLike[str]
    Run = Trained | str | os.PathLike[str]
    from genarium.api._referee import Source
    from genarium.evaluation.extractors.extractor import Extractor
    from genarium.evaluation.scores.score import Scores
    from genarium.report.compare import Comparison

# ------------------------------------------------------------------------------ using a run


def loaded(run: Run, data: Data | None = None, accept_changes: bool = False) -> Trained:
    """A run as `Trained`: itself, or what lies at a path. data, accept_changes: as for `load`."""
    if not isinstance(run, Trained):
        return load(inputs.path(run, "run"), data=data, accept_changes=accept_changes)
    if data is not None or accept_changes:
        run.data_at(data, accept_changes)
    return run


def evaluate(
    run: Source,
    *,
    against: Source | None = None,
    n: int | None = None,
    seed: int = 0,
    extractor: str | Extractor | None = None,
    weights: str | None = None,
    metrics: str | None = None,
    train: Source | None = None,
    data: Data | None = None,
    accept_changes: bool = False,
    options: DataOptions | None = None,
) -> Scores:
    """Score a run on the test split of its data, or any images against others.

    run: a run, or with `against` also a folder of images, an .npz file, images [N,C,H,W] (see
    `genarium.runs.inputs`) or a function n -> n images. against: the reference, likewise, or a data set
    by name. n: images drawn, and reference images taken (default: 1,000 of a run, all of a folder).
    extractor: whose features FID uses. weights: a path or an address, for an extractor that comes
    without ("inception", "dinov2"). metrics: "all", or names, e.g. "fid,kid,coverage". train:
    training images for the scores that see copying; a run knows its own. data, accept_changes: the
    run's own data, as for `load`. options: how images of files are read (default: as the run's data
    were; without a run, as they are). See `docs/evaluation.md` for every score.
    """
    from genarium.api import _referee as referee
    from genarium.evaluation import evaluate as evaluator
    from genarium.evaluation.diagnostics.watch import watched
    from genarium.evaluation.extractors import extractor as features
    from genarium.evaluation.scores import modes
    from genarium.evaluation.scores.registry import choose

    if against is not None:
        if data is not None:
            raise UserError("evaluate: against is compared with, so data has no use: give one")
        return referee.score(
            run,
            against,
            train=train,
            n=n,
            seed=seed,
            extractor=extractor,
            weights=weights,
            metrics=choose(metrics),
            options=options,
        )
    if not isinstance(run, Trained | str | os.PathLike):
        raise UserError("evaluate: say with against=... what to score these images against")
    trained = loaded(run, data, accept_changes)
    dataset = trained.dataset()
    if extractor is None or isinstance(extractor, str):
        name = extractor or features.default_for(dataset.name, trained.spec)
        extractor = features.extractor(name, shape=trained.spec.shape, weights=weights)
    further = (*modes.for_data(dataset.info), *watched(dataset, metrics))
    return evaluator.evaluate_model(
        trained.model,
        reference=dataset.test.images,
        labels=dataset.test.labels,
        train=dataset.train.images,
        extractor=extractor,
        n=n or 1000,
        seed=seed,
        # those of the data are of samples like them
        metrics=choose(metrics, further if "sample" in trained.capabilities else ()),
        second=None if dataset.spec.second is None else dataset.test.domain("b"),
        paired=dataset.spec.paired,
    )


def compare(
    runs: Sequence[Run] | Run,
    *,
    out: str | os.PathLike[str] = "comparison.html",
    n: int = 1000,
    seed: int = 0,
    title: str = "",
    data: Data | None = None,
    accept_changes: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Write one self-contained HTML page that compares runs on the same data.

    n: samples a model for the scores. data, accept_changes: the runs' own data, as for `load`.
    progress: called with what is being done. The result has
    the page's `path`, the scores as `table()` and every number as `to_dict()`, which is also in
    results.json beside the page.
    """
    from genarium.report import compare as report

    trained = [loaded(run, data, accept_changes) for run in several(runs)]
    return report.write(
        trained,
        inputs.path(out, "compare: out"),
        n=n,
        seed=seed,
        title=title,
        accept_changes=accept_changes,
        progress=progress,
    )
