"""The sections of the page: each makes its content of all reports, None where it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch

from genarium.drawing.markup import Child, Markup, join, tag
from genarium.drawing.numbers import duration, number
from genarium.drawing.plots import Bar, bar_chart, line_chart
from genarium.drawing.points import sheet
from genarium.report import families
from genarium.report.history import curves, training_cost
from genarium.report.pictures import PAD, interpolation_grid, neighbours, pairs, picture, strip
from genarium.report.records import ModelReport, Pairs
from genarium.report.tables import cost_table, per_64, stability_table

Reports = Sequence[ModelReport]
STRIP = 10  # images in a row of reconstructions


def facts(entries: Mapping[str, Child]) -> Markup:
    """A list of terms and values."""
    pairs_ = [
        tag("div", tag("dt", term), tag("dd", value)) for term, value in entries.items() if value
    ]
    return tag("dl", *pairs_, class_="facts")


def rows(entries: Mapping[str, Child]) -> Markup:
    """The same, a line each, for a card."""
    lines = [join(tag("dt", term), tag("dd", value)) for term, value in entries.items() if value]
    return tag("dl", *lines, class_="facts")


def cards(content: Sequence[Markup], least: str = "16.5rem") -> Markup:
    """Cards side by side, one below the other where the page is narrow."""
    return tag("div", *content, class_="cards", style=f"--least:{least}")


def lead(text: Child) -> Markup:
    """The words under a heading."""
    return tag("p", text, class_="note")


# ---------------------------------------------------------------------------------------------


def samples(reports: Reports) -> Markup:
    """A card a run: what it is, its samples (or why there are none), its size."""
    seeds = sorted({report.seed for report in reports})
    return join(
        lead(
            f"Drawn with seed {', '.join(map(str, seeds))}, the same for every model, and not "
            "selected: these are the first ones."
        ),
        cards([_sample_card(report) for report in reports]),
    )


def _sample_card(report: ModelReport) -> Markup:
    name = families.family(report.taxonomy).title
    paper = tag("cite", report.paper) if report.paper else None
    head = tag(
        "header",
        tag("h3", report.name),
        tag("p", name, class_="family"),
        tag("p", report.summary, class_="recipe") if report.summary else None,
        tag("p", paper, class_="recipe") if paper else None,
        tag("p", families.no_samples(report.taxonomy, report.capabilities), class_="missing")
        if report.samples is None
        else None,
    )
    cost = training_cost(report.history)
    tail = rows(
        {
            "Recipe": report.recipe,
            "Sampler": ", ".join(f"{name} {v}" for name, v in report.settings.items()) or None,
            "Parameters": f"{report.parameters:,}",
            "Trained": duration(cost.seconds) if cost.seconds is not None else None,
            "Images seen": f"{cost.images:,}" if cost.images else None,
        }
    )
    return tag("article", head, tag("div", *_sample_pictures(report)), tail, class_="card")


def _sample_pictures(report: ModelReport) -> list[Markup]:
    if report.samples is not None:
        count = len(report.samples)
        words = f"{count} samples, seed {report.seed}"
        if report.conditions:
            words += ", classes in turn"
        if report.captions:
            words += f"; a row a caption of the test split: {'; '.join(report.captions)}"
        if report.data.legend:
            words += f"; {report.data.legend}"
        columns, mixture = min(8, count), report.data.mixture
        image = sheet(report.samples, columns=columns, pad=PAD, mixture=mixture)
        results = [picture(image, f"{count} samples of {report.name}", words)]
        if report.nonfinite:
            warning = f"{report.nonfinite} of them hold pixels that are not finite."
            results.append(tag("p", warning, class_="note"))
        return results
    for made, word in (
        (report.reconstructions, "reconstructions"),
        (report.translations[0] if report.translations else None, "translations"),
    ):
        if made is not None:
            alt = f"Test images and, below each, their {word} by {report.name}"
            return [picture(pairs(made), alt, f"Rows of test images, each above its {word}")]
    return [tag("div")]


# ---------------------------------------------------------------------------------------------


def nearest(reports: Reports) -> Markup | None:
    """Samples beside their nearest training images; test images beside theirs as the baseline."""
    drawing = [report for report in reports if report.copies and report.baseline]
    if not drawing:
        return None
    content, last = [], None
    for report in drawing:
        copies, baseline = report.copies, report.baseline
        assert copies is not None
        assert baseline is not None
        if last is None or not torch.equal(last.images, baseline.images):
            note = (
                f"Median distance {number(baseline.median)} over {baseline.count:,} test images: "
                "what unseen images of the same kind look like beside the training set."
            )
            content.append(
                _card("Real test images", neighbours(baseline, "test images"), lead(note))
            )
            last = baseline
        ratio = f", {copies.median / baseline.median:.0%} of" if baseline.median else "; not"
        note = (
            f"Median distance {number(copies.median)} over {copies.count:,} samples{ratio} that "
            "of the test images."
        )
        shown = neighbours(copies, f"samples of {report.name}")
        content.append(_card(report.name, shown, lead(note)))
    text = (
        "Above, samples, from the closest to the farthest of all; below each the training image "
        "that is nearest to it, and their Euclidean distance (pixels on [0, 1]). A model that "
        "copies has distances far below those of real test images. Beware of the reverse: blurred "
        "or empty samples are close to everything, and noisy ones far from all."
    )
    return join(lead(text), cards(content, "26rem"))


def _card(title: Child, *content: Child) -> Markup:
    return tag("article", tag("h3", title), *content, class_="card three")


# ---------------------------------------------------------------------------------------------


def reconstructions(reports: Reports) -> Markup | None:
    """Test images above what each model makes of them."""
    able = [report for report in reports if report.reconstructions]
    lines: list[Markup] = []
    last = None
    for report in able:
        panels = report.reconstructions
        assert panels is not None
        if last is None or not torch.equal(last, panels.originals):
            lines.append(_strip("Test images", None, strip(panels.originals, STRIP), "Test images"))
            last = panels.originals
        row = report.scores.get("reconstruction MSE") if report.scores else None
        note = f"mean squared error {number(row.value)}" if row else None
        alt = f"Their reconstructions by {report.name}"
        lines.append(_strip(report.name, note, strip(panels.made, STRIP), alt))
    if not lines:
        return None
    text = "Test images, which no model was trained on, and their reconstructions."
    return join(lead(text), tag("div", *lines, class_="strips"))


def _strip(name: str, note: str | None, image: torch.Tensor, alt: str) -> Markup:
    words = tag("div", tag("h3", name), tag("p", note, class_="note") if note else None)
    return tag("div", words, picture(image, alt), class_="strip")


def translations(reports: Reports) -> Markup | None:
    """Test images beside what they are turned into."""
    content = [
        _card(
            f"{report.name}, {panels.direction}" if panels.direction else report.name,
            picture(pairs(panels), f"Test images and translations by {report.name}"),
            lead(_below(panels)),
        )
        for report in reports
        for panels in report.translations or ()
    ]
    return cards(content, "20rem") if content else None


def _below(panels: Pairs) -> str:
    third = {
        "target": ", then the row of what they should become",
        "cycle": ", then the row of what comes back through both generators",
    }
    rest = third.get(panels.third_is, "")
    return f"Rows of test images, each with the row of their translations below{rest}."


def interpolations(reports: Reports) -> Markup | None:
    """Interpolations between codes."""
    content = []
    for report in reports:
        lines = report.interpolations
        if lines is None:
            continue
        note = (
            "Straight lines between the codes of two test images, which stand at the ends."
            if lines.kind == "linear"
            else "Great circles between two draws of the prior."
        )
        count, steps = lines.images.shape[:2]
        alt = (
            f"{count} interpolations of {steps} steps in the latent space of {report.name}. {note}"
        )
        content.append(_card(report.name, picture(interpolation_grid(lines), alt), lead(note)))
    if not content:
        return None
    text = (
        "Every picture decodes one code of the path; in a good latent space images change smoothly."
    )
    return join(lead(text), cards(content, "20rem"))


# ---------------------------------------------------------------------------------------------


def learning(reports: Reports) -> Markup | None:
    """The losses of every run over its steps, with the further measurements folded away."""
    content = []
    for report in reports:
        losses = curves(report.history)
        if not losses:
            continue
        chart = line_chart(losses, title=f"Losses of {report.name}")
        more = [
            line_chart([one], title=f"{one.label} of {report.name}")
            for one in curves(report.history, "metrics")
        ]
        noun = "measurement" if len(more) == 1 else "measurements"
        fold = tag("summary", f"{len(more)} further {noun}")
        details = tag("details", fold, *more) if more else tag("div")
        content.append(_card(report.name, chart, details))
    if not content:
        return None
    text = (
        "Smoothed, with the logged values faint behind. The curves of one model show whether it "
        "still learns; the losses of different models are on different scales."
    )
    return join(lead(text), cards(content, "26rem"), stability_table(reports))


def cost(reports: Reports) -> Markup:
    """Training and sampling time as bars and a table."""
    trained = [
        Bar(r.name, s, duration(s))
        for r in reports
        if (s := training_cost(r.history).seconds) is not None
    ]
    drawn = [Bar(r.name, per_64(r), _sampling_words(r)) for r in reports]
    charts = []
    if trained:
        charts.append(tag("div", bar_chart(trained, title="Training time"), class_="card one"))
    if any(bar.value is not None for bar in drawn):
        title = "Sampling time for 64 images"
        charts.append(tag("div", bar_chart(drawn, title=title), class_="card one"))
    return join(cards(charts, "20rem") if charts else None, cost_table(reports))


def _sampling_words(report: ModelReport) -> str:
    seconds = per_64(report)
    return "does not sample" if seconds is None else f"{number(seconds)} s"


# ---------------------------------------------------------------------------------------------


def meaning(reports: Reports) -> Markup:
    """A paragraph for each family that is present."""

    def title(report: ModelReport) -> str:
        return families.family(report.taxonomy).title

    content = []
    order = list(dict.fromkeys(map(title, reports)))
    ranked = sorted(reports, key=lambda report: order.index(title(report)))
    for name, members in groupby(ranked, key=title):
        group = list(members)
        text = [tag("p", families.meaning(group[0].taxonomy, ())[0])]
        for report in group:
            for further in families.meaning(report.taxonomy, report.capabilities)[1:]:
                text.append(tag("p", tag("b", f"{report.name}."), Markup(" "), further))
        names = tag("p", ", ".join(report.name for report in group), class_="note")
        content.append(tag("article", tag("h3", name), names, *text, class_="card essay"))
    return cards(content, "26rem")


def origin(reports: Reports) -> Markup:
    """The settings and versions of every run, folded away."""
    content = []
    for report in reports:
        settings: dict[str, Any] = {**report.config}
        for part in ("versions", "hardware"):
            if part in report.about:
                settings[part] = report.about[part]
        summary = tag("summary", f"{report.name} ({report.recipe})")
        content.append(tag("details", summary, tag("pre", _outline(settings), tabindex="0")))
    return join(lead("Every setting of every run, as its folder keeps them."), *content)


def _outline(settings: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", _outline(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return "\n".join(line for line in lines if line.strip())
