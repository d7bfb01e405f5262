"""Which scores stand beside each other, and which of them is best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from genarium.report.records import ModelReport

if TYPE_CHECKING:
    from genarium.evaluation.scores.score import Score
    from genarium.evaluation.scores.verdicts import Verdict


@dataclass(frozen=True)
class Column:
    """One score over all runs: cells[i] is that of run i, None where it has none.

    best: the runs whose value is the best of those that it may be compared with.
    """

    name: str
    cells: tuple[Score | None, ...]
    best: frozenset[int]

    @property
    def first(self) -> Score:
        return next(cell for cell in self.cells if cell is not None)


def basis(report: ModelReport, score: Score) -> tuple[object, ...]:
    """What has to agree before two scores of one name may be compared.

    The score's own basis (the density of a likelihood, the extractor, the counts, the reference)
    and the shape of the images.
    """
    own = tuple(sorted((key, str(value)) for key, value in score.basis.items()))
    return (own, report.data.shape)


def columns(reports: Sequence[ModelReport]) -> list[Column]:
    """The scores of all runs by name, in the order of the fullest sheets.

    A number that is neither good nor bad and has no reference is no score: it is left out.
    """
    sheets = [
        {row.name: row for row in report.scores.rows if row.better or row.reference is not None}
        if report.scores
        else {}
        for report in reports
    ]
    names = dict.fromkeys(name for sheet in sorted(sheets, key=len)[::-1] for name in sheet)
    results = []
    for name in names:
        cells = tuple(sheet.get(name) for sheet in sheets)
        results.append(Column(name, cells, _best(reports, cells)))
    return results


def verdicts(reports: Sequence[ModelReport], *, every: bool = False) -> list[Verdict]:
    """Who is better by each score that has a direction: each pair of runs, in words and numbers.

    every: all pairs; otherwise the leader against each other run, which for two runs is the same.
    """
    from genarium.evaluation.scores.verdicts import verdict

    results = []
    for column in columns(reports):
        if column.first.better is None:
            continue
        there = [i for i, cell in enumerate(column.cells) if cell is not None]
        leader = min(column.best, default=there[0])
        pairs = list(combinations(there, 2))
        if not every and len(reports) > 2:
            pairs = [(leader, i) for i in there if i != leader]
        for i, j in pairs:
            one, other = column.cells[i], column.cells[j]
            assert one is not None
            assert other is not None
            shapes = ["x".join(map(str, reports[k].data.shape)) for k in (i, j)]
            one, other = (
                replace(cell, basis={**cell.basis, "images": shape})
                for cell, shape in zip((one, other), shapes)
            )
            results.append(verdict(one, other, (reports[i].name, reports[j].name)))
    return results


def _best(reports: Sequence[ModelReport], cells: Sequence[Score | None]) -> frozenset[int]:
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, cell in enumerate(cells):
        if cell is not None and cell.better is not None:
            groups[basis(reports[i], cell)].append(i)
    best: set[int] = set()
    for group in groups.values():
        values = {i: cell.value for i in group if (cell := cells[i]) is not None}
        first = cells[group[0]]
        assert first is not None
        top = max(values.values()) if first.better == "higher" else min(values.values())
        winners = {i for i, value in values.items() if value == top}
        if len(winners) < len(group):  # what stands alone is better than nothing
            best |= winners
    return frozenset(best)
