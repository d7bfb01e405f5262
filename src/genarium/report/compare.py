"""The comparison of runs: collect what each has to show, and render one page of it.

    reports = [collect(run, dataset=data) for run in runs]
    comparison = render(reports, "comparison.html", "Five families on handwritten digits")

`write(runs, path)` does both. Beside the page lies results.json with every number of it.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.errors import UserError
from genarium.report.comparison import Comparison
from genarium.report.gather import collect
from genarium.report.records import ModelReport, Trained
from genarium.report.results import results

if TYPE_CHECKING:
    from genarium.evaluation.plan import Plan


def gathered(
    runs: Sequence[Trained],
    *,
    n: int = 1000,
    seed: int = 0,
    samples: int = 64,
    title: str = "",
    dataset: Any = None,
    evaluate: bool = True,
    metrics: str | None = None,
    extractor: Any = None,
    weights: str | None = None,
    reference: str = "test",
    accept_changes: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Draw, score and compare runs.

    runs: what `genarium.load` gives, trained on one data set. n, seed, metrics, extractor, weights,
    reference: of the scores, as for `genarium.evaluation.plan.of_data`; without `evaluate` there
    are none.
    samples: how many of those that were scored the page shows. dataset: the data, if already
    loaded (default: `dataset()` of the first run). accept_changes: also data that changed since a
    run was trained. progress: called with "run: part".
    Raises UserError for no runs or runs on different data, before anything is drawn.
    """
    from genarium.evaluation import plan

    if not runs:
        raise UserError("compare: name at least one run folder")
    _expect_one_data_set([(run.name, _identity(run.about.get("data", {}))) for run in runs])
    loaded: dict[Any, Any] = {}
    plans: dict[Any, Plan | None] = {}
    reports = []
    for run in runs:
        key = run.about.get("data", {}).get("manifest")
        data = dataset if dataset is not None else loaded.get(key)
        if data is None:
            data = loaded[key] = run.dataset()
        if key not in plans:  # one for all runs: the real images are searched once
            choice = {"metrics": metrics, "extractor": extractor, "weights": weights}
            choice["reference"] = reference
            plans[key] = plan.of_data(data, n=n, seed=seed, **choice) if evaluate else None

        def say(part: str, name: str = run.name) -> None:
            if progress is not None:
                progress(f"{name}: {part}")

        reports.append(
            collect(
                run,
                dataset=data,
                n=samples,
                seed=seed,
                plan=plans[key],
                accept_changes=accept_changes,
                progress=say,
            )
        )
    return compared(reports, title)


def write(
    runs: Sequence[Trained], path: str | os.PathLike[str] = "comparison.html", **settings: Any
) -> Comparison:
    """`gathered`, and its page in the HTML file or folder `path`."""
    return _written(gathered(runs, **settings), path)


def compared(reports: Sequence[ModelReport], title: str = "") -> Comparison:
    """The comparison of collected reports; title: default, from the data.

    Raises UserError for no reports and for reports on different data sets.
    """
    if not reports:
        raise UserError("compare: name at least one run folder")
    _expect_one_data_set([(r.name, (r.data.name, dict(r.data.counts))) for r in reports])
    reports = _distinct(reports)
    title = title or f"Generative models of {reports[0].data.name}"
    created = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    return Comparison(tuple(reports), results(reports, title, created))


def render(
    reports: Sequence[ModelReport], path: str | os.PathLike[str], title: str = ""
) -> Comparison:
    """`compared`, and its page.

    path: the HTML file, or a folder to put comparison.html into. Raises UserError for a place that
    cannot be written; RunError for a full disk.
    """
    return _written(compared(reports, title), path)


def _written(comparison: Comparison, path: str | os.PathLike[str]) -> Comparison:
    path = Path(path)
    comparison.write_page(path if path.suffix else path / "comparison.html")
    return comparison


def _identity(data: Any) -> tuple[str, dict[str, int]]:
    counts = data.get("info", {}).get("counts", {})
    return str(data.get("name", "")), {k: v for k, v in counts.items() if k != "total"}


def _expect_one_data_set(runs: Sequence[tuple[str, tuple[str, dict[str, int]]]]) -> None:
    """Images of one data set in two sizes are the same data; another name or count is not."""
    (first, data), *others = runs
    for name, other in others:
        if other != data:
            raise UserError(
                f"compare: {first} was trained on {_words(data)}, {name} on {_words(other)}: "
                "compare runs on one data set"
            )


def _words(data: tuple[str, dict[str, int]]) -> str:
    name, counts = data
    return f"{name} ({sum(counts.values()):,} images)" if counts else name


def _distinct(reports: Sequence[ModelReport]) -> list[ModelReport]:
    """Runs of one folder name, from different places, get numbers."""
    total = Counter(report.name for report in reports)
    seen: Counter[str] = Counter()
    names = []
    for report in reports:
        seen[report.name] += 1
        several = total[report.name] > 1
        name = f"{report.name} ({seen[report.name]})" if several else report.name
        names.append(dataclasses.replace(report, name=name))
    return names
