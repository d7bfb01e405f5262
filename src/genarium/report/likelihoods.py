"""The table of likelihoods: for each run whether the figure is exact, a bound or an estimate, and
of what."""

from __future__ import annotations

from collections.abc import Sequence

from genarium.drawing.markup import Markup, tag
from genarium.drawing.numbers import number
from genarium.evaluation.scores.score import Score, between
from genarium.report.records import ModelReport
from genarium.report.tables import table

KINDS = {
    "bits/dim": "exact",
    "bits/dim (upper bound)": "upper bound",
    "bits/dim (estimate)": "estimate",
}
"""What a score of this name is."""

HEADS = ("Run", "Bits a dimension", "Kind", "How", "Of what", "Images")


def likelihoods(reports: Sequence[ModelReport]) -> list[tuple[str, Score]]:
    """(run, bits per dimension) of every run that has them, the runs in their order."""
    rows = ((r.name, row) for r in reports if r.scores for row in r.scores.rows)
    return [(name, row) for name, row in rows if row.name in KINDS]


def how(score: Score) -> str:
    """How a figure was computed: what its note says before it names the density."""
    return score.note.partition(f", of {score.basis.get('density', '')}")[0]


def rows_of(reports: Sequence[ModelReport]) -> list[tuple[str, str, str, str, str, str]]:
    """The cells of the table, as texts."""
    results = []
    for name, score in likelihoods(reports):
        ends = "" if score.interval is None else f" ({between(*score.interval)})"
        basis = score.basis
        count = f"{basis['held-out images']:,}" if "held-out images" in basis else ""
        kind, way = KINDS[score.name], how(score)
        way = "in one pass" if way == "exact" else way
        value = f"{number(score.value, 4)}{ends}"
        results.append((name, value, kind, way, str(basis.get("density", "")), count))
    return results


def likelihood_table(reports: Sequence[ModelReport]) -> Markup | None:
    """The likelihoods of the runs, one under another; None where no run has one."""
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", value),
            *(tag("td", text, class_="words") for text in texts),
            tag("td", count),
        )
        for name, value, *texts, count in rows_of(reports)
    ]
    if not rows:
        return None
    caption = (
        "Lower is better. Two figures compare where all of kind, how and of what are the same: an "
        "upper bound may lie anywhere above the true value, an estimate is right on average and "
        "as far as its solver is, and densities of different things are different quantities."
    )
    return table(HEADS, rows, caption, "Likelihoods", ("Kind", "How", "Of what"))
