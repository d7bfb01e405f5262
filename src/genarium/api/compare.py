"""Trained models side by side, on one page."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from annotated_types import Ge

from genarium.api._results import Result
from genarium.api._types import (
    AcceptChanges,
    Device,
    Extractor,
    HeldAgainst,
    Place,
    Run,
    Seed,
    Weights,
)
from genarium.report import comparison
from genarium.verbs import Flag, Help, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    Runs: TypeAlias = Sequence[Run] | Run
else:
    Runs = Annotated[
        Any,
        Flag(metavar="RUN", raw=True, repeat=True),
        Help("run folders, trained on the same data"),
    ]

FIRST = 16  # samples of each run that a notebook shows above the table


@dataclass(repr=False)
class Comparison(comparison.Comparison, Result):
    """Runs side by side: their scores, who is better, and a page with everything.

    reports: a record a run. results: every number. path: of the page, once it is saved.
    """

    NAME: ClassVar[str] = "comparison.html"
    SUFFIXES: ClassVar[tuple[str, ...]] = (".html", ".htm")

    def text(self) -> str:
        return self.table()

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        return self.write_page(path)

    def facts(self) -> dict[str, Any]:
        return self.to_dict()

    def report(self) -> str:
        return f"{self.text()}\n\nreport: {self.saved[0]}" if self.saved else self.text()

    def _repr_html_(self) -> str:
        from genarium.drawing.inline import figure
        from genarium.report.pictures import strip

        page = f"<p>page: {html.escape(str(self.path))}</p>" if self.path else ""
        samples = (
            figure(strip(report.samples, FIRST), report.name, f"samples of {report.name}")
            for report in self.reports
            if report.samples is not None
        )
        return f"{''.join(samples)}{self.to_html()}{page}"


@verb("measures", out="FILE.html, with results.json beside it (default: comparison.html)")
def compare(
    runs: Runs,
    *,
    n: Annotated[int, Ge(2)] = 1000,
    metrics: Annotated[str | None, Flag(metavar="NAMES")] = None,
    extractor: Extractor | None = None,
    weights: Weights | None = None,
    reference: HeldAgainst = "test",
    title: str = "",
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    seed: Seed = 0,
    device: Device = "auto",
    progress: Callable[[str], None] | bool | None = None,
    **sampler: Any,
) -> Comparison:
    """Compare trained models on one self-contained HTML page.

    A setting of the sampler is that of each model that has it.

    n: images drawn a model for the scores; the page shows the first of them
    runs: run folders, trained on the same data, each by its best checkpoint where training kept
        it, else by its last
    metrics: all, or some, as for `evaluate`
    title: of the page (default: from the data)
    data: where the runs' own data are now, if they were moved (default: where they were at
        training); they are known by their content
    accept_changes: go on although the runs' data changed since training
    seed: of the samples
    """
    from genarium.data.progress import stages
    from genarium.report.compare import gathered
    from genarium.runs.loading import opened, several
    from genarium.runs.sampling import each_with_its_own

    trained = [
        opened(run, None, device, data=data, accept_changes=accept_changes) for run in several(runs)
    ]
    with stages(progress is True) as tell:
        reports = gathered(
            each_with_its_own(trained, sampler),
            n=n,
            seed=seed,
            title=title,
            metrics=metrics,
            extractor=extractor,
            weights=weights,
            reference=reference,
            accept_changes=accept_changes,
            progress=(lambda part: tell(part, 0, None)) if progress is True else progress or None,
        )
    return Comparison(reports.reports, reports.results)
