"""Where an evaluation is put together: extractor, metrics, samples, reference, training images.

    plan = of_data(run.dataset(), n=1000, seed=0, metrics="all")
    scores = plan.score(run.model)

`genarium.evaluate`, the comparison page and the scoring of plain images choose all of it here, so
that one model has the same scores, of the same samples, wherever it is scored.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from torch import Tensor

from genarium.contract import Model, Samples, Settings, Spec
from genarium.data.choice import fair
from genarium.evaluation import references
from genarium.evaluation.diagnostics import watch, worth
from genarium.evaluation.draws import Draws, conditions_for
from genarium.evaluation.evaluate import evaluate_images, evaluate_model
from genarium.evaluation.extractors import by_name
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.extractors.shipped import PICTURES
from genarium.evaluation.images import Images, Stored, as_images, shape_of, thin
from genarium.evaluation.scores import modes
from genarium.evaluation.scores.asked import ASKED
from genarium.evaluation.scores.features import fid
from genarium.evaluation.scores.heldout import Progress
from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.registry import choose
from genarium.evaluation.scores.score import Score, Scores

Named: TypeAlias = str | os.PathLike[str]

N = 1000
"""Samples where nobody says how many."""


@dataclass(frozen=True)
class Plan:
    """How the models of a data set are scored.

    dataset: a `genarium.data.Dataset`. metrics: of samples; basic: those that suit any images, for
    translations. n: samples, and images of the test split, at most. seed: of the samples.
    reference: what samples are held against, see `genarium.evaluation.references`.
    """

    dataset: Any
    extractor: Extractor
    metrics: tuple[Metric, ...]
    basic: tuple[Metric, ...]
    n: int = N
    seed: int = 0
    reference: str = "test"

    def draws(self, model: Model, keep: int = 0, settings: Settings | None = None) -> Draws:
        """The samples that are scored, in their order; the first `keep` can be seen afterwards.

        settings: how the model samples, None for its own way.
        """
        return draws_of(self.dataset, model, self.n, self.seed, keep, settings)

    def _stated(self) -> Extractor:
        test = self.dataset.test
        known = Stored(test.images, values=self.dataset.spec.values)
        return _stated(self.extractor, self.metrics, self.n, known, test.labels)

    def score(
        self,
        model: Model,
        draws: Draws | None = None,
        progress: Progress | None = None,
        settings: Settings | None = None,
    ) -> Scores:
        """The scores of a model. draws: what `draws` gave, unused yet, with settings of its own;
        else settings: how the model samples."""
        if self.reference != "test" and isinstance(model, Samples):
            return self._against_more(
                model, draws or self.draws(model, settings=settings), progress
            )
        data = self.dataset
        return evaluate_model(
            model,
            reference=data.test.images,
            labels=data.test.labels,
            conditions=_conditions(data, model),
            train=data.train.images,
            extractor=self._stated(),
            n=self.n,
            seed=self.seed,
            # those of the data are of samples like them
            metrics=self.metrics if isinstance(model, Samples) else self.basic,
            second=None if data.spec.second is None else data.test.domain("b"),
            paired=data.spec.paired,
            draws=draws or self.draws(model, settings=settings),
            values=data.spec.values,
            second_values=data.spec.second_values,
            progress=progress,
        )

    def _against_more(self, model: Model, draws: Draws, progress: Progress | None) -> Scores:
        """Scores of samples against more than the test split, and all others as they are."""
        wider = tuple(metric for metric in self.metrics if not metric.unseen)
        rest = tuple(metric for metric in self.metrics if metric.unseen)
        of_samples = references.sample_scores(
            model,
            self.reference,
            self.dataset,
            extractor=self._stated(),
            metrics=wider,
            draws=draws,
            n=self.n,
            progress=progress,
        )
        least = min(self.n, max(1, len(self.dataset.test)))
        plan = replace(self, reference="test", metrics=rest, n=least)
        others = plan.score(model, draws.again(), progress)
        return Scores(
            [*of_samples.rows, *others.rows],
            {**others.context, **of_samples.context},
            [*of_samples.warnings, *others.warnings],
            others.findings,
        )


def draws_of(
    dataset: Any,
    model: Model,
    n: int = N,
    seed: int = 0,
    keep: int = 0,
    settings: Settings | None = None,
) -> Draws:
    """The samples of a model of this data set that a seed stands for; see `Plan.draws`."""
    rows = _conditions(dataset, model)
    if rows is not None:
        rows = rows[fair(len(rows), n, seed)]
    return Draws(model, seed, conditions_for(model, rows), keep, settings)


def _stated(
    extractor: Extractor,
    metrics: Sequence[Metric],
    n: int | None,
    reference: Tensor | Images,
    labels: Tensor | None = None,
) -> Extractor:
    """The extractor with what it is worth on the reference, where a score's note says so."""
    asked = any(metric.key == "fid" for metric in metrics)
    return worth.stated(extractor, reference, labels, n) if asked else extractor


def _conditions(dataset: Any, model: Model) -> Tensor | None:
    """What goes with the test images, of the kind that the model is conditioned on."""
    extra: dict[str, Tensor] = getattr(dataset.test, "extra", {})
    return extra.get(getattr(model, "conditioned_on", ""))


def of_data(
    dataset: Any,
    *,
    n: int | None = None,
    seed: int = 0,
    metrics: str | None = None,
    extractor: Named | Extractor | None = None,
    weights: str | None = None,
    reference: str = "test",
) -> Plan:
    """The plan for the models of a data set.

    metrics: "all", or names as "fid,kid"; None for those of every table. extractor: by name, a
    folder of `genarium features train`, or itself; None for the data set's own. weights: of an
    extractor that comes without. reference: of the scores of samples, "test", "train+test" or
    "folds". Besides the metrics that were named there are those that the data ask for: the modes
    of a mixture in every table; findings of copies, repeats and missing classes, and the share of
    the classes asked for (where the extractor knows the data's classes), unless others were named.
    Raises UserError for unknown names and for weights that do not fit.
    """
    spec = dataset.spec
    if not isinstance(extractor, Extractor):
        name = os.fspath(extractor or by_name.default_for(dataset.name, spec))
        extractor = by_name.extractor(name, shape=spec.shape, weights=weights)
    watcher = watch.for_data(dataset)
    further = list(watcher.metrics() if watcher else ())
    if extractor.classes and extractor.classes == spec.classes:
        further.append(ASKED)
    chosen = choose(metrics, modes.for_data(dataset.info), further)
    basic = tuple(metric for metric in choose(metrics, (), further) if metric not in further)
    count = N if n is None else n
    references.check(reference, dataset, count)
    return Plan(dataset, extractor, chosen, basic, count, seed, reference)


def score_images(
    images: Tensor | Images,
    reference: Tensor | Images,
    *,
    split: str,
    data: str = "",
    train: Images | None = None,
    n: int | None = None,
    metrics: str | None = None,
    extractor: Named | Extractor | None = None,
    weights: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score images against reference images; no model is needed.

    split: what to call the reference. data: the data set that it is of, whose extractor is taken
    then. train: training images, for scores that see copying. n: of either side at most. settings:
    how a model that the images are of sampled them. The rest as for `of_data`.
    """
    chosen = choose(metrics)
    extractor = _stated(_known(extractor, reference, data, weights), chosen, n, reference)
    watcher = None if train is None else watch.for_images(train, as_images(reference))
    return evaluate_images(
        images,
        reference,
        train=train,
        extractor=extractor,
        n=n,
        split=split,
        metrics=(*chosen, *(watcher.metrics() if watcher else ())),
        settings=settings,
        progress=progress,
    )


def fid_of_each(
    sets: Sequence[Images], reference: Images, *, split: str, data: str, n: int
) -> list[Score]:
    """FID of each of several sets of images, as `score_images` gives it; the reference, which is
    the same, is measured once. All are thinned to the smallest, and to `n`."""
    metrics = choose("fid")
    extractor = _known(None, reference, data, None)
    count = min(n, len(reference), *map(len, sets))

    def measured(name: str, images: Images) -> Measured:
        result = Measured(name, extractor, metrics)
        for part in thin(images, count).batches(256):
            result.add(part)
        return result

    held = measured(split, reference)
    return [fid(measured("sample", images), held) for images in sets]


def _known(
    extractor: Named | Extractor | None,
    reference: Tensor | Images,
    data: str,
    weights: str | None,
) -> Extractor:
    """The extractor that was asked for; else that of the data, else the one for pictures."""
    if extractor is None:
        shape = shape_of(reference) if data else None
        extractor = PICTURES
        if shape is not None:
            channels, height, width = shape
            extractor = by_name.default_for(data, Spec(channels, height, width))
    if isinstance(extractor, Extractor):
        return extractor
    return by_name.extractor(os.fspath(extractor), shape=shape_of(reference), weights=weights)
