"""The section on copying, repeats and missing classes: a verdict each, and the pictures of it."""

from __future__ import annotations

from collections.abc import Sequence

from genarium.drawing.images import grid
from genarium.drawing.markup import Markup, join, tag
from genarium.evaluation.diagnostics.finding import Finding
from genarium.report.pictures import PAD, picture
from genarium.report.records import ModelReport
from genarium.report.sections import cards, lead

PICTURES = {
    "copying": "Upper row: the samples that are most like one training image, the closest first. "
    "Lower row: that training image.",
    "repeats": "Upper row: the pictures drawn most often. Lower row: another sample of each.",
}
TEXT = (
    "Samples are compared with training images and with held-out ones, which the model never saw, "
    "shifted by up to two pixels, brightness and contrast normalised: a model that copies is near "
    "to the former alone. How often these verdicts are right was measured on samplers that copy "
    "or leave classes out on purpose; the documentation has the table."
)


def findings(reports: Sequence[ModelReport]) -> Markup | None:
    """A card a run with its verdicts; None where none was given."""
    content = [
        tag("article", tag("h3", report.name), *parts, class_="card one")
        for report in reports
        if (parts := [_verdict(one) for one in (report.scores.findings if report.scores else ())])
    ]
    return join(lead(TEXT), cards(content, "26rem")) if content else None


def _verdict(finding: Finding) -> Markup:
    text = finding.text[:1].upper() + finding.text[1:]
    words = tag("p", tag("b", f"{text}."), class_="missing" if finding.detected else None)
    note = tag("p", finding.evidence[:1].upper() + finding.evidence[1:], ".", class_="note")
    images, nearest = finding.images, finding.nearest
    if images is None or nearest is None or not len(images):
        return join(words, note)
    caption = PICTURES[finding.name]
    image = grid([images, nearest], columns=len(images), pad=PAD)
    under = [f"{distance:.2f}" for distance in finding.distances]
    return join(words, note, picture(image, caption, caption, under=under))
