"""Everything that the report shows of one run: pictures, scores, distances, cost.

Each part hangs on a capability of the model, never on its name: what a model cannot do is left
out, and nothing is put in its place.

Shapes: N, M counts · C channels · H, W height and width
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genarium.contract.modes import evaluation_mode
from genarium.data import text
from genarium.data.choice import fair_rows
from genarium.drawing.images import as_uint8, for_the_eye, legend
from genarium.drawing.points import SHOWN as POINTS
from genarium.errors import UserError
from genarium.report.interpolations import ROWS, interpolations_of
from genarium.report.records import Data, Matches, ModelReport, Pairs, Trained
from genarium.report.translations import of_split
from genarium.training.randomness import seeded

if TYPE_CHECKING:
    from genarium.contract import Spec
    from genarium.evaluation.plan import Plan
    from genarium.evaluation.scores.score import Scores

SHOWN = 8  # pairs of nearest neighbours, rows of two
RECONSTRUCTED = 32  # test images to reconstruct
TRANSLATED = 16  # and to translate
HELD_OUT = 512  # test images whose distances make the baseline
CORPUS = 50_000_000  # pixels of training images searched at a time


def collect(
    trained: Trained,
    *,
    dataset: Any,
    n: int = 64,
    seed: int = 0,
    plan: Plan | None = None,
    scores: Scores | None = None,
    accept_changes: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ModelReport:
    """Draw, measure and time all that the report shows of one run.

    dataset: a `genarium.data.Dataset` (its train and test splits are used). n: samples in the
    grid (2,500 or more where images are points of the plane, which make one plot and have no
    nearest images worth showing). They are the first of those that `plan` scores (drawn on where it
    scores fewer), and the ones that the nearest images are of; of a model that is conditioned on
    captions they are drawn for captions of the test split, a row each.
    seed: of the samples and of the choice of test images, the same ones for every run.
    plan: how the run is scored, with the same seed; None for no scores, or those that `scores`
    holds already.
    accept_changes: take a data set whose manifest is another than at training (`Trained.dataset`
    has warned). progress: called with the name of each part as it begins.
    Raises UserError when the data set is not what the run was trained on.
    """
    if n < 1:
        raise UserError(f"-n {n}: a report needs at least 1 sample")
    if not len(dataset.test):
        raise UserError(f"data {dataset.name}: no test images to report on: give more images")
    from genarium.evaluation.plan import draws_of

    _expect_same_data(trained, dataset, accept_changes)
    seed = plan.seed if plan else seed
    say = progress or (lambda part: None)
    model, test, able = trained.model, dataset.test.images, trained.capabilities
    recipe, config, settings = trained.recipe, trained.config, trained.settings
    report = ModelReport(
        name=trained.label,
        recipe=recipe.name,
        summary=recipe.doc.split("\n", 1)[0],
        paper=recipe.paper,
        taxonomy=tuple(trained.taxonomy),
        capabilities=tuple(able),
        density=getattr(model, "density", ""),
        parameters=sum(p.numel() for p in model.parameters()),
        data=describe_data(dataset),
        seed=seed,
        settings=settings.changed() if settings is not None else {},
        config=config,
        about=trained.about,
        history=list(trained.history()),
        hardware=hardware(),
    )
    chosen = fair_rows(dataset.test, seed=seed)
    seen = dataset.spec.values.pictures
    planar = dataset.spec.planar
    n = max(n, POINTS) if planar else n
    draws = (
        plan.draws(model, n, settings)
        if plan
        else draws_of(dataset, model, seed=seed, keep=n, settings=settings)
    )
    if scores is None and plan is not None:
        say("scores")
        scores = plan.score(
            model, draws, lambda what, done, total: say(f"scores, {what} {done} of {total}")
        )
    report.scores = scores
    with _evaluating(model, seed):
        if "sample" in able:
            say("samples")
            captions = None
            if getattr(model, "conditioned_on", "") == "captions":
                lines = dataset.test.captions or ()
                shuffled = [lines[row] for row in chosen.tolist()] if lines else ()
                captions = text.grid(shuffled, trained.spec.caption_bytes, n)
            if captions is None:
                drawn = draws.first(n)
                report.conditions = draws.labels is not None
            else:
                report.captions = tuple(captions[0])
                asked = torch.from_numpy(captions[1])
                drawn = trained.sample(n, seed=seed, condition=asked).detach().cpu()
                draws.first(n)
            report.sampling_seconds = n / draws.rate()[0]
            report.nonfinite = int((~drawn.isfinite()).flatten(1).any(1).sum())
            report.samples = as_uint8(drawn)
            if not planar:
                say("nearest training images")
                train, held_out = dataset.train.images, seen(test[chosen[:HELD_OUT]])
                queries = torch.cat([report.samples, held_out])
                neighbours = seen(train[nearest_index(queries, train, seen)])
                report.copies = matches(report.samples, neighbours[: len(drawn)])
                report.baseline = matches(held_out, neighbours[len(drawn) :])
        if "reconstruct" in able:
            say("reconstructions")
            shown = test[chosen[: POINTS if dataset.spec.planar else RECONSTRUCTED]]
            report.reconstructions = Pairs(seen(shown), _made(model, model.reconstruct, shown))
        if "translate" in able:
            say("translations")
            report.translations = of_split(
                model, dataset.spec, dataset.test, TRANSLATED, seed, seed
            )
        if "decode" in able and ("encode" in able or "prior" in able):
            say("interpolations")
            report.interpolations = interpolations_of(
                model, able, test[chosen[: 2 * ROWS]], seed, settings
            )
            ends = report.interpolations.ends
            if ends is not None:
                report.interpolations = replace(report.interpolations, ends=seen(ends))
    return _for_the_eye(report, dataset.spec)


def _for_the_eye(report: ModelReport, spec: Spec) -> ModelReport:
    """The report, whose pictures have channels that a page can show; distances are of all."""
    if spec.channels in (1, 3) and not spec.shown:
        return report

    def seen(one: Any, *names: str) -> Any:
        pictures = {name: getattr(one, name) for name in names} if one is not None else {}
        shown = {k: for_the_eye(x, spec) for k, x in pictures.items() if x is not None}
        return replace(one, **shown) if shown else one

    report = seen(report, "samples")
    report.copies = seen(report.copies, "images", "nearest")
    report.baseline = seen(report.baseline, "images", "nearest")
    report.reconstructions = seen(report.reconstructions, "originals", "made")
    report.interpolations = seen(report.interpolations, "images", "ends")
    if report.scores is not None:
        verdicts = [seen(one, "images", "nearest") for one in report.scores.findings]
        report.scores = replace(report.scores, findings=verdicts)
    return report


def describe_data(dataset: Any) -> Data:
    """The facts of a data set that identify it."""
    splits = ("train", "validation", "test")
    return Data(
        name=dataset.name,
        manifest=dataset.manifest,
        shape=dataset.spec.shape,
        counts={name: len(getattr(dataset, name)) for name in splits},
        attribution=str(dataset.info.get("attribution") or ""),
        mixture=dataset.info.get("mixture"),
        values=dataset.spec.in_words(),
        legend=legend(dataset.spec),
    )


def _expect_same_data(trained: Trained, dataset: Any, accept_changes: bool) -> None:
    if trained.spec.shape != dataset.spec.shape:
        mine, given = ("x".join(map(str, s)) for s in (trained.spec.shape, dataset.spec.shape))
        raise UserError(
            f"run {trained.name} was trained on images of {mine} (channels x height x width), the "
            f"data {dataset.name} have {given}: give the data and the --size of its training"
        )
    known = trained.about.get("data", {})
    if known.get("manifest", dataset.manifest) != dataset.manifest and not accept_changes:
        raise UserError(
            f"run {trained.name} was trained on other data ({known.get('name')}) than "
            f"{dataset.name} as they are now: restore the data of its training"
        )


@contextmanager
def _evaluating(model: Any, seed: int) -> Iterator[None]:
    """Evaluation mode, no gradients, the global generator seeded and put back afterwards."""
    with evaluation_mode(model), torch.no_grad(), seeded(seed):
        yield


def _made(model: Any, method: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    device = next((p.device for p in model.parameters()), images.device)
    return as_uint8(method(images.to(device)))


def nearest_index(
    queries: Tensor, corpus: Tensor, seen: Callable[[Tensor], Tensor] = lambda images: images
) -> Tensor:
    """Index of the nearest of `corpus` [M,C,H,W] for each of `queries` [N,C,H,W], both uint8.

    seen: makes pictures of a part of the corpus, where it holds other values.
    """
    from genarium.evaluation.metrics.neighbours import nearest

    # In parts, so that a large training set is never in memory as floats.
    part = max(1, CORPUS // queries[0].numel())
    distance = torch.full((len(queries),), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(corpus), part):
        here, result = nearest(queries, seen(corpus[start : start + part]))
        closer = here < distance
        distance[closer], index[closer] = here[closer], result[closer] + start
    return index


def matches(queries: Tensor, neighbours: Tensor, shown: int = SHOWN) -> Matches:
    """`queries` beside the images found for them, both uint8 [N,C,H,W], with their distances.

    Kept are `shown` pairs, at even steps from the closest to the farthest.
    """
    distance = (queries.double() - neighbours.double()).div_(255).flatten(1).norm(dim=1)
    ranked = distance.argsort()
    kept = ranked[torch.linspace(0, len(ranked) - 1, min(shown, len(ranked))).round().long()]
    return Matches(
        images=queries[kept].clone(),
        nearest=neighbours[kept].clone(),
        distances=tuple(distance[kept].tolist()),
        median=float(distance.quantile(0.5)),
        count=len(queries),
    )


def hardware() -> str:
    """The machine in words: processor, cores that this process may use, GPU."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, {cores} {'core' if cores == 1 else 'cores'}, {gpu}"
