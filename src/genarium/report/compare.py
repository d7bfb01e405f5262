"""The comparison of runs: collect what each has to show, and render one page of it.

    reports = [collect(run, dataset=data) for run in runs]
    comparison = render(reports, "comparison.html", "Four families on handwritten digits")

`write(runs, path)` does both. Beside the page lies results.json with every number of it.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.drawing.files import write as write_file
from genarium.drawing.numbers import number
from genarium.errors import UserError
from genarium.report.gather import collect
from genarium.report.history import stability, training_cost
from genarium.report.page import page
from genarium.report.ranking import columns, verdicts
from genarium.report.records import Matches, ModelReport, Trained
from genarium.report.tables import per_64

if TYPE_CHECKING:
    from genarium.evaluation.diagnostics.watch import Watch
    from genarium.evaluation.scores.verdicts import Verdict

__all__ = ["Comparison", "ModelReport", "Trained", "collect", "render", "results", "write"]

FORMAT = 1
RESULTS = "results.json"


@dataclass(frozen=True)
class Comparison:
    """A rendered comparison: `path` of the page, the reports, and the content of results.json."""

    path: Path
    reports: tuple[ModelReport, ...]
    results: dict[str, Any]

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def to_dict(self) -> dict[str, Any]:
        """What results.json holds: plain numbers, strings, lists and dicts."""
        return self.results

    def table(self) -> str:
        """The scores as aligned text, a row a score and a column a run; * marks the best.

        Below them who is better by which score, with the evidence.
        """
        found = columns(self.reports)
        lines = [["", *(report.name for report in self.reports)]]
        for column in found:
            cells = [
                "-" if cell is None else number(cell.value, 4) + ("*" if i in column.best else " ")
                for i, cell in enumerate(column.cells)
            ]
            lines.append([column.name, *cells])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = []
        for line in lines:
            first, *rest = (
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths))
            )
            text.append("  ".join([first, *rest]).rstrip())
        judged = verdicts(self.reports)
        if judged:
            width = max(len(verdict.score) for verdict in judged)
            text += ["", "who is better (intervals of 95 % of the difference, each by itself)"]
            text += [f"{verdict.score.ljust(width)}  {_line(verdict)}" for verdict in judged]
        return "\n".join(text)


def _line(verdict: Verdict) -> str:
    pair = f"{verdict.a} and {verdict.b}: " if verdict.better is None else ""
    return pair + verdict.text()


def write(
    runs: Sequence[Trained],
    path: str | os.PathLike[str] = "comparison.html",
    *,
    n: int = 1000,
    seed: int = 0,
    samples: int = 64,
    title: str = "",
    dataset: Any = None,
    evaluate: bool = True,
    extractor: Any = None,
    accept_changes: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Collect and render in one call.

    runs: what `genarium.load` gives, trained on one data set. path: the HTML file. n: samples
    for the scores. samples: how many of them the page shows. dataset: the data, if already
    loaded (default: `dataset()` of the first run). accept_changes: also data that changed since a
    run was trained. progress: called with "run: part".
    Raises UserError for no runs or runs on different data, before anything is drawn.
    """
    from genarium.evaluation.diagnostics.watch import for_data

    if not runs:
        raise UserError("compare: name at least one run folder")
    _expect_one_data_set([(run.name, _identity(run.about.get("data", {}))) for run in runs])
    loaded: dict[Any, Any] = {}
    watches: dict[Any, Watch | None] = {}
    reports = []
    for run in runs:
        key = run.about.get("data", {}).get("manifest")
        data = dataset if dataset is not None else loaded.get(key)
        if data is None:
            data = loaded[key] = run.dataset()
        if key not in watches:  # one for all runs: the real images are searched once
            watches[key] = for_data(data) if evaluate else None

        def say(part: str, name: str = run.name) -> None:
            if progress is not None:
                progress(f"{name}: {part}")

        reports.append(
            collect(
                run,
                dataset=data,
                n=samples,
                seed=seed,
                evaluate=evaluate,
                extractor=extractor,
                evaluation_samples=n,
                watch=watches[key],
                accept_changes=accept_changes,
                progress=say,
            )
        )
    return render(reports, path, title)


def render(
    reports: Sequence[ModelReport], path: str | os.PathLike[str], title: str = ""
) -> Comparison:
    """Write the page, and results.json beside it.

    path: the HTML file, or a folder to put comparison.html into. title: default, from the data.
    Raises UserError for no reports, reports on different data sets, or a place that cannot be
    written; RunError for a full disk.
    """
    if not reports:
        raise UserError("compare: name at least one run folder")
    _expect_one_data_set([(r.name, (r.data.name, dict(r.data.counts))) for r in reports])
    path = Path(path)
    if not path.suffix:
        path = path / "comparison.html"
    reports = _distinct(reports)
    title = title or f"Generative models of {reports[0].data.name}"
    created = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    found = results(reports, title, created)
    content = page(reports, title, created)
    write_file(path, content.encode("utf-8"))
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    write_file(path.with_name(RESULTS), text.encode("utf-8"))
    return Comparison(path, tuple(reports), found)


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
    found = []
    for report in reports:
        seen[report.name] += 1
        several = total[report.name] > 1
        name = f"{report.name} ({seen[report.name]})" if several else report.name
        found.append(dataclasses.replace(report, name=name))
    return found


def results(reports: Sequence[ModelReport], title: str, created: str = "") -> dict[str, Any]:
    """Every number of the page as plain JSON values; what is not finite is null."""
    found = {
        "format": FORMAT,
        "title": title,
        "created": created,
        "data": dataclasses.asdict(reports[0].data),
        "runs": [_run(report) for report in reports],
        "best": {
            column.name: [reports[i].name for i in sorted(column.best)]
            for column in columns(reports)
            if column.best
        },
        "verdicts": [
            {**dataclasses.asdict(verdict), "words": verdict.words}
            for verdict in verdicts(reports, every=True)
        ],
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _run(report: ModelReport) -> dict[str, Any]:
    cost = training_cost(report.history)
    return {
        "name": report.name,
        "recipe": report.recipe,
        "paper": report.paper,
        "taxonomy": report.taxonomy,
        "capabilities": report.capabilities,
        "density": report.density,
        "parameters": report.parameters,
        "seed": report.seed,
        "shape": report.data.shape,
        "manifest": report.data.manifest,
        "config": report.config,
        "versions": report.about.get("versions", {}),
        "hardware": {"trained": report.about.get("hardware", {}), "sampled": report.hardware},
        "scores": report.scores.to_dict() if report.scores else None,
        "training": {**dataclasses.asdict(cost), "images_per_second": cost.rate},
        "stability": dataclasses.asdict(stability(report.history)),
        "sampling": {
            "images": 0 if report.samples is None else len(report.samples),
            "seconds": report.sampling_seconds,
            "seconds_per_64": per_64(report),
            "not_finite": report.nonfinite,
        },
        "nearest": {
            "samples": _median(report.copies),
            "test_images": _median(report.baseline),
        },
    }


def _median(found: Matches | None) -> dict[str, Any] | None:
    return None if found is None else {"median": found.median, "count": found.count}


def _plain(value: Any) -> Any:
    """Only what JSON knows."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)
