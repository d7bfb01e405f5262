"""A comparison of runs: its scores side by side, its numbers, its page.

Nothing here needs torch until the page is drawn.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.drawing.numbers import number
from genarium.errors import UserError
from genarium.evaluation.scores.score import html_table

if TYPE_CHECKING:
    from genarium.evaluation.scores.verdicts import Verdict
    from genarium.report.records import ModelReport

RESULTS = "results.json"


@dataclass(repr=False)
class Comparison:
    """A comparison: the reports of the runs, and the content of results.json.

    path: of the page, once it was written.
    """

    reports: tuple[ModelReport, ...]
    results: dict[str, Any]
    path: Path | None = None

    def __fspath__(self) -> str:
        if self.path is None:
            raise UserError("this comparison has no page yet: save it as FILE.html")
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return self.table()

    def to_dict(self) -> dict[str, Any]:
        """What results.json holds: plain numbers, strings, lists and dicts."""
        return self.results

    def write_page(self, path: Path) -> list[Path]:
        """Write the page, and results.json beside it; gives both paths.

        Raises UserError for a place that cannot be written, RunError for a full disk.
        """
        from genarium.drawing.files import write
        from genarium.report.page import page

        content = page(self.reports, self.results["title"], self.results["created"])
        write(path, content.encode("utf-8"))
        text = json.dumps(self.results, indent=1, ensure_ascii=False, allow_nan=False)
        self.path = path
        return [path, write(path.with_name(RESULTS), text.encode("utf-8"))]

    def _lines(self) -> list[list[str]]:
        """The cells of the table, a row a score; * marks the best."""
        from genarium.report.ranking import columns

        lines = [["", *(report.name for report in self.reports)]]
        for column in columns(self.reports):
            cells = [
                "-" if cell is None else number(cell.value, 4) + ("*" if i in column.best else " ")
                for i, cell in enumerate(column.cells)
            ]
            lines.append([column.name, *cells])
        return lines

    def to_html(self) -> str:
        """The table and the verdicts as HTML: what a notebook shows."""
        from genarium.report.ranking import verdicts

        heads, *rows = self._lines()
        judged = [f"{verdict.score}: {_line(verdict)}" for verdict in verdicts(self.reports)]
        return html_table(heads, rows, self.results["title"], judged)

    def table(self) -> str:
        """The scores as aligned text, a row a score and a column a run; * marks the best.

        Below them who is better by which score, with the evidence.
        """
        from genarium.report.ranking import verdicts

        lines = self._lines()
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
