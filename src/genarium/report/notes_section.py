"""The section on what the trainings noted of themselves: what was wrong, since when, what helps."""

from __future__ import annotations

from collections.abc import Sequence

from genarium.drawing.markup import Markup, join, tag
from genarium.report.records import ModelReport
from genarium.report.sections import cards, lead
from genarium.training.monitors.diagnosis import Diagnosis, said

TEXT = (
    "Each training measured itself as it went. What it noted was measured on planted failures and "
    "healthy controls; the documentation has the table. `genarium diagnose` looks anew."
)


def notes(reports: Sequence[ModelReport]) -> Markup | None:
    """A card a run with its notes; None where no training noted anything."""
    content = [
        tag("article", tag("h3", report.name), *map(_note, made), class_="card one")
        for report in reports
        if (made := said(report.history))
    ]
    return join(lead(TEXT), cards(content, "26rem")) if content else None


def _note(each: Diagnosis) -> Markup:
    title = each.title[:1].upper() + each.title[1:]
    words = f"{title}, from step {each.step:,}."
    evidence = each.evidence[:1].upper() + each.evidence[1:]
    return join(
        tag("p", tag("b", words), class_="missing" if each.severity == "failure" else None),
        tag("p", f"{evidence}. {each.remedy} ({each.source}).", class_="note"),
    )
