"""Scores of a trained model, or of images against others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge

from genarium.api._results import Figures
from genarium.api._types import (
    AcceptChanges,
    Device,
    Extractor,
    HeldAgainst,
    Place,
    Seed,
    Step,
    Weights,
)
from genarium.errors import UserError
from genarium.evaluation.scores.score import Scores
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.data import DataOptions
    from genarium.runs import sources
    from genarium.runs.trained import Trained

    Given: TypeAlias = sources.Source
    Reference: TypeAlias = sources.Source
else:
    Given = Annotated[Any, Flag(metavar="RUN", raw=True)]
    Reference = Annotated[Any, Flag(metavar="IMAGES", raw=True)]


@dataclass(repr=False)
class Evaluation(Scores, Figures):
    """The scores of a run or of images: everything of `Scores`, and what was scored.

    rows: the scores. get(NAME): one of them. about: the run or images, and what they were held
    against.
    """

    NAME: ClassVar[str] = ""

    about: Mapping[str, str] = field(default_factory=dict)
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {**self.about, **super().to_dict()}

    def text(self) -> str:
        return f"{self.title}\n\n{self.table()}"

    def _repr_html_(self) -> str:
        return self.to_html(self.title)


@verb("measures", out="FILE.json: the scores (default: they are printed only)")
def evaluate(
    run: Given,
    *,
    against: Reference | None = None,
    n: Annotated[int, Ge(2)] | None = None,
    metrics: Annotated[str | None, Flag(metavar="NAMES")] = None,
    reference: HeldAgainst | None = None,
    train: Reference | None = None,
    size: Annotated[str | None, Flag(metavar="N", raw=True)] = None,
    fit: Literal["crop", "pad", "stretch"] | None = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    seed: Seed = 0,
    extractor: Extractor | None = None,
    weights: Weights | None = None,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
    **sampler: Any,
) -> Evaluation:
    """Score a trained model, or images against others.

    run: a run folder; with --against also a folder or .npz of images (in Python also images, or a
        function that draws a number of them).
    against: reference: a folder or .npz of images, or a data set (default: the run's test split)
    n: images drawn, and reference images taken (default: 1000; all of a folder)
    metrics: all, or some: fid, kid, precision, recall, density, coverage, fid-infinity, fld ...
    train: with --against: training images, for fld (a run knows its own)
    size: with --against: bring images to NxN or HxW (default: as the run's data; else as is)
    fit: how images are brought to that size (default: as the run's data; else crop)
    seed: of the samples
    """
    from genarium.data.progress import stages
    from genarium.evaluation import plan
    from genarium.runs import sources
    from genarium.runs.loading import opened
    from genarium.runs.sampling import expect_none
    from genarium.runs.trained import Trained

    choice: dict[str, Any] = {"metrics": metrics, "extractor": extractor, "weights": weights}
    if against is None:
        for flag, value in {"train": train, "size": size, "fit": fit}.items():
            if value is not None:
                raise UserError(f"--{flag} {_shown(value)}: goes with --against only")
        # images by themselves have nothing to be held against; where nothing is, is no run
        if not isinstance(run, Trained | str | os.PathLike):
            raise UserError("evaluate: say with --against what to score these images against")
        if not sources.is_run(run) and sources.exists(run):
            raise UserError(f"{run} is no run folder: to score images, say --against REFERENCE")
        trained = opened(
            run, step, device, data=data, accept_changes=accept_changes, settings=sampler
        )
        if reference not in (None, "test") and "sample" not in trained.capabilities:
            raise UserError(
                f"--reference {reference}: {trained.path} is a {trained.recipe.name}, which does "
                "not sample, and only scores of samples have a reference: leave it out"
            )
        choice["reference"] = reference or "test"
        planned = plan.of_data(trained.dataset(bool(progress)), n=n, seed=seed, **choice)
        with stages(bool(progress)) as tell:
            result = planned.score(trained.model, settings=trained.settings, progress=tell)
        return _evaluation(result, _about(trained), _title(trained))
    if data is not None or accept_changes:
        flag = f"--data {_shown(data)}" if data is not None else "--accept-changes"
        raise UserError(f"{flag}: with --against the run's own data are not read: leave it out")
    if reference is not None:
        raise UserError(
            f"--reference {reference}: with --against that is the reference: leave one out"
        )
    if step is not None and not sources.is_run(run):
        raise UserError(f"--step {step}: {_shown(run)} is no run folder")
    if not sources.is_run(run):
        expect_none(sampler, f"{_shown(run)} is no run folder, so nothing is sampled")
    ours = opened(run, step, device, settings=sampler) if sources.is_run(run) else run
    theirs = opened(against, None, device) if sources.is_run(against) else against
    options = _options((ours, theirs), size, fit)
    of_run = next((side for side in (ours, theirs) if isinstance(side, Trained)), None)
    values = None if of_run is None else of_run.spec.values
    held = sources.images(theirs, "--against", n, seed, options, values=values)
    images = sources.images(ours, "", n, seed, options, values=values)
    known = None
    if train is not None:
        train = opened(train, None, device) if sources.is_run(train) else train
        known = sources.images(train, "--train", n, seed, options, "train", values=values).images
    with stages(bool(progress)) as tell:
        scores = plan.score_images(
            images.images,
            held.images,
            split=held.name,
            data=held.data,
            train=known,
            n=n,
            settings=ours.settings if isinstance(ours, Trained) else None,
            progress=tell,
            **choice,
        )
    about, title = {"images": _shown(run)}, _shown(run)
    if isinstance(ours, Trained):
        about, title = _about(ours), _title(ours)
    about["against"] = _shown(against)
    return _evaluation(scores, about, f"{title} against {_shown(against)}")


def _evaluation(scores: Scores, about: Mapping[str, str], title: str) -> Evaluation:
    return Evaluation(
        scores.rows, scores.context, scores.warnings, scores.findings, about=about, title=title
    )


def _options(sides: tuple[Any, Any], size: Any, fit: Any) -> DataOptions | None:
    """How images of files are read: as the data of the run were, if there is one."""
    from genarium.data import DataOptions
    from genarium.runs import selection
    from genarium.runs.trained import Trained

    asked = {name: value for name, value in (("size", size), ("fit", fit)) if value is not None}
    run = next((side for side in sides if isinstance(side, Trained)), None)
    if run is None:
        return DataOptions(**asked) if asked else None
    return run.data_options(**asked) if asked else selection.options(run)


def _about(trained: Trained) -> dict[str, str]:
    return {"run": str(trained.path), "recipe": trained.recipe.name}


def _title(trained: Trained) -> str:
    stored = trained.spec.in_words()
    seen = f"; data of {stored}, scored as pictures of 8 bits over it" if stored else ""
    return f"{trained.label}: {trained.recipe.name} at step {trained.step}{seen}"


def _shown(given: Any) -> str:
    """A source as it may be printed."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    path = getattr(given, "path", None) or getattr(given, "name", None)
    return str(path) if path else "given images"
