"""The tables of the page: scores, stability, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genarium.drawing.markup import Child, Markup, join, tag
from genarium.drawing.numbers import duration, number
from genarium.evaluation.scores.score import between
from genarium.report.history import stability, training_cost
from genarium.report.ranking import Column, columns, verdicts
from genarium.report.records import ModelReport

ARROWS = {"higher": ("↑", "higher is better"), "lower": ("↓", "lower is better")}


def table(
    heads: Sequence[Child],
    rows: Sequence[Markup],
    caption: Child,
    name: str,
    words: Sequence[str] = (),
) -> Markup:
    """A table that scrolls in its own box where the page is narrow; `words`: columns of text."""
    cells = (tag("th", h, scope="col", class_="words" if h in words else None) for h in heads)
    head = tag("thead", tag("tr", *cells))
    inner = tag("table", tag("caption", caption), head, tag("tbody", *rows))
    return tag("div", inner, class_="wide", tabindex="0", role="region", aria_label=name)


def _cell(text: str | None, small: str | None = None, best: bool = False) -> Markup:
    if text is None:
        return tag("td", "–", tag("span", "none", class_="hidden"), class_="none")
    mark = tag("span", " (best)", class_="hidden") if best else None
    detail = tag("small", small) if small else None
    return tag("td", text, mark, detail, class_="best" if best else None)


def score_table(reports: Sequence[ModelReport]) -> Markup | None:
    """Runs by scores, the best of each comparable group marked; None when nothing was scored."""
    shown = columns(reports)
    if not shown:
        return None
    heads: list[Child] = ["Run"]
    heads += [_head(column) for column in shown]
    rows = []
    for i, report in enumerate(reports):
        cells = [_score(column, i) for column in shown]
        rows.append(tag("tr", tag("th", report.name, scope="row"), *cells))
    if any(cell and cell.reference is not None for c in shown for cell in c.cells):
        seen = any("train" in _split(report) for report in reports)
        real = "Real images" if seen else "Real test images"
        rows.append(tag("tr", tag("th", real, scope="row"), *map(_real, shown)))
    scores = table(heads, rows, _conditions(reports), "Scores")
    return join(scores, verdict_table(reports), _glossary(reports, shown))


def _split(report: ModelReport) -> str:
    """What the samples of a run were held against."""
    result = report.scores.context.get("reference", {}) if report.scores else {}
    return str(result.get("split", ""))


def verdict_table(reports: Sequence[ModelReport]) -> Markup | None:
    """Who is better by each score, with the difference and its interval; None for one run."""
    judged = verdicts(reports)
    if not judged:
        return None
    rows = []
    for verdict in judged:
        pair = f"{verdict.a} and {verdict.b}: " if verdict.better is None else ""
        words = tag("td", pair + verdict.words, class_="words" if verdict.better else "words none")
        if verdict.interval is None:
            evidence = [tag("td", verdict.why, colspan=2, class_="words none")]
        else:
            low, high = (number(end) for end in verdict.interval)
            advice = tag("small", verdict.advice) if verdict.advice else None
            ends = tag("td", f"{low} to {high}", advice)
            evidence = [_cell(number(verdict.difference)), ends]
        rows.append(tag("tr", tag("th", verdict.score, scope="row"), words, *evidence))
    caption = (
        "A run is called better if the 95 % interval of the difference is all on one side of 0. "
        "Errors that both scores have from the same real images cancel in the difference. Of "
        "many such intervals one in twenty misses."
    )
    if len(reports) > 2:
        caption += " Shown is the leader of each score against the others; results.json has all."
    heads = ["Score", "Verdict", "Difference", "95 % interval"]
    return table(heads, rows, caption, "Who is better", ("Verdict",))


def _head(column: Column) -> Markup:
    name, _, detail = column.name.partition(" (")
    small = tag("small", detail.removesuffix(")")) if detail else None
    if column.first.better is None:
        return join(name, small)
    arrow, words = ARROWS[column.first.better]
    sign = tag("span", f"\u00a0{arrow}", aria_hidden="true")
    return join(name, sign, tag("span", f" ({words})", class_="hidden"), small)


def _score(column: Column, run: int) -> Markup:
    cell = column.cells[run]
    if cell is None:
        return _cell(None)
    ends = None if cell.interval is None else between(*cell.interval)
    return _cell(number(cell.value, 4), ends, run in column.best)


def _real(column: Column) -> Markup:
    known = {cell.reference for cell in column.cells if cell and cell.reference is not None}
    return _cell(number(known.pop(), 4) if len(known) == 1 else None)


def _conditions(reports: Sequence[ModelReport]) -> str:
    """What the scores were measured with, one sentence for each way that was used."""
    ways: dict[str, list[str]] = {}
    for report in reports:
        if report.scores:
            ways.setdefault(_way(report.scores.context), []).append(report.name)
    named = len(ways) > 1
    parts = [f"{', '.join(runs)}: {way}" if named else way for way, runs in ways.items()]
    parts.append(
        "Below a value is its 95 % interval. ↑ higher is better, ↓ lower is better. The best value "
        "of a column is set in bold among scores that were measured alike; likelihoods are "
        "compared only where they are of the same density."
    )
    return " ".join(parts)


def _way(context: Mapping[str, Any]) -> str:
    extractor, reference = context["extractor"], context["reference"]
    return (
        f"Features by {extractor['name']} (weights {extractor['hash']}; {context['resize']}). "
        f"Reference: {_reference(reference)}, and as many samples of each model that draws any, "
        f"seed {context['seed']}."
    )


def _reference(reference: Mapping[str, Any]) -> str:
    """What samples were held against, in words."""
    count, split = f"{reference['count']:,} images", reference["split"]
    if "train" not in split:
        return f"{count} of the {split} split"
    words = f"{count} in {split}" if "fold" in split else f"{count} of the splits {split}"
    return (
        f"{words} (training images among them: copying, repeats, missing classes and FLD are "
        "judged by others)"
    )


def _glossary(reports: Sequence[ModelReport], shown: Sequence[Column]) -> Markup:
    entries = []
    for column in shown:
        notes: dict[str, list[str]] = {}
        for report, cell in zip(reports, column.cells):
            if cell is not None and cell.note:
                notes.setdefault(cell.note, []).append(report.name)
        alike = len(notes) == 1
        words = [note if alike else f"{', '.join(runs)}: {note}" for note, runs in notes.items()]
        unit = f", {column.first.unit}" if column.first.unit else ""
        text = ". ".join(word[:1].upper() + word[1:] for word in words)
        if unit or text:
            term = tag("dt", f"{column.name}{unit}:" if text else f"{column.name}{unit}")
            entries.append(tag("div", term, Markup(" "), tag("dd", text + "." if text else "")))
    return join(tag("dl", *entries, class_="glossary"), *_warnings(reports))


def _warnings(reports: Sequence[ModelReport]) -> list[Markup]:
    """What the evaluations warned of, each warning once, with the runs it is about."""
    results: dict[str, list[str]] = {}
    for report in reports:
        for warning in report.scores.warnings if report.scores else ():
            results.setdefault(warning, []).append(report.name)
    return [
        tag("p", f"{', '.join(runs)}: {warning}.", class_="note")
        for warning, runs in results.items()
    ]


def stability_table(reports: Sequence[ModelReport]) -> Markup | None:
    """One row a loss: mean and spread over the last quarter, and what failed."""
    rows = []
    for report in reports:
        measured = stability(report.history)
        count = max(1, len(measured.spreads))
        failed = _failures(measured.rollbacks, measured.lost, measured.nonfinite)
        for i in range(count if report.history else 0):
            spread = measured.spreads[i] if measured.spreads else None
            first = tag("th", report.name, scope="rowgroup", rowspan=count) if i == 0 else None
            last = tag("td", failed, rowspan=count, class_="words") if i == 0 else None
            numbers = (
                [
                    tag("td", spread.loss, class_="words"),
                    _cell(number(spread.mean)),
                    _cell(None if spread.deviation is None else number(spread.deviation)),
                    _cell(None if spread.relative is None else number(spread.relative, 2)),
                ]
                if spread
                else [tag("td", "–", colspan=4, class_="none")]
            )
            rows.append(tag("tr", first, *numbers, last))
    if not rows:
        return None
    heads = ["Run", "Loss", "Mean", "Deviation", "Variance / mean²", "Failed steps"]
    caption = (
        "Over the logged values of the last quarter of the training; each is the mean of the "
        "steps since the one before. Losses of different models are on different scales: compare "
        "the relative variance, and that of a loss near zero with care. A failed step is one "
        "with a loss or weight that is not finite: the run then goes back to its last good "
        "checkpoint."
    )
    return table(heads, rows, caption, "Stability of the training", ("Loss", "Failed steps"))


def _failures(rollbacks: int, lost: int, nonfinite: int) -> str:
    if not rollbacks and not nonfinite:
        return "none"
    words = []
    if rollbacks:
        times = "once" if rollbacks == 1 else f"{rollbacks} times"
        words.append(f"rolled back {times}, {lost:,} steps lost")
    if nonfinite:
        words.append(f"{nonfinite:,} logged losses not finite")
    return "; ".join(words)


def cost_table(reports: Sequence[ModelReport]) -> Markup:
    """What training and sampling took."""
    rows = []
    for report in reports:
        cost = training_cost(report.history)
        cells = [
            _cell(f"{report.parameters:,}"),
            _cell(f"{cost.steps:,}" if cost.steps else None),
            _cell(None if cost.images is None else f"{cost.images:,}"),
            _cell(None if cost.seconds is None else duration(cost.seconds)),
            _cell(None if cost.rate is None else number(cost.rate)),
            _cell(None if (s := per_64(report)) is None else number(s)),
        ]
        rows.append(tag("tr", tag("th", report.name, scope="row"), *cells))
    heads = [
        "Run",
        "Parameters",
        "Steps",
        "Images seen",
        "Training time",
        "Training, images/s",
        "Sampling, s per 64",
    ]
    caption = (
        "Training time counts the steps, not the pictures and checkpoints between them. Sampling "
        "is timed on the samples that are scored, drawn in batches of 256"
    )
    measured = {report.hardware for report in reports if report.hardware}
    caption += f", on {'; '.join(sorted(measured))}." if measured else "."
    return table(heads, rows, caption, "Cost")


def per_64(report: ModelReport) -> float | None:
    """Seconds for 64 samples at the speed at which they were drawn for the scores."""
    if report.sampling_seconds is None or report.samples is None or not len(report.samples):
        return None
    return report.sampling_seconds * 64 / len(report.samples)
