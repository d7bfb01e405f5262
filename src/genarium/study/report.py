"""The report of a study: one self-contained page, and its numbers as JSON and CSV."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genarium.drawing.files import write as write_file
from genarium.drawing.images import grid
from genarium.drawing.markup import Child, Markup, join, tag
from genarium.drawing.plots import Bar, bar_chart
from genarium.errors import UserError
from genarium.report.page import document
from genarium.report.pictures import PAD, picture
from genarium.report.sections import cards, lead
from genarium.report.tables import table
from genarium.study import manifest as manifests
from genarium.study.manifest import ANSWERS, PICTURES
from genarium.study.results import ATTENTIVE, LATE_MS, PictureRate, Results
from genarium.study.statistics import LEAST, Interval
from genarium.study.store import Store

SHOWN = 10  # pictures in a row


def judged(folder: str | os.PathLike[str], keep_inattentive: bool = False) -> Results:
    """What the answers of the study in `folder` say; it may be served meanwhile.

    Raises UserError when nobody has answered yet, or when everybody failed the attention checks.
    """
    folder = Path(folder)
    manifest = manifests.read(folder)
    store = Store(folder / ANSWERS, manifest.id)
    try:
        rows = store.everything()
    finally:
        store.close()
    results = Results(manifest, rows, keep_inattentive)
    if not results.participants:
        raise UserError(f"{folder} has no answers yet: `genarium study serve {folder}`")
    if not results.counted:
        raise UserError(
            f"{folder}: all {len(results.participants)} participants failed the attention "
            "checks; --keep-inattentive counts them all the same"
        )
    return results


def write_files(results: Results, folder: Path, path: Path) -> list[Path]:
    """The page at `path`; beside it results.json, answers.csv (every answer) and pictures.csv (how
    each picture was judged). folder: of the study. Gives the files, the page first."""
    text = json.dumps(results.to_dict(), indent=1) + "\n"
    beside = {
        "answers.csv": results.answers_csv(),
        "pictures.csv": results.pictures_csv(),
        "results.json": text,
    }
    made = [write_file(path.with_name(name), text.encode()) for name, text in beside.items()]
    return [write_file(path, page(results, folder).encode()), *made]


def table_of(results: Results) -> str:
    """The main figures as text."""
    width = max(len(model.name) for model in results.manifest.models)
    lines = [f"{'model':<{width}}  {'taken for real':<24}  human error (HYPE∞)"]
    for m, model in enumerate(results.manifest.models):
        fake, hype = percent(results.rates.fake[m]), percent(results.rates.hype[m])
        line = f"{model.name:<{width}}  {fake:<24}  {hype}"
        if m in results.thresholds:
            line += f"  threshold {milliseconds(results.thresholds[m])}"
        lines.append(line)
    lines += ["", f"real pictures taken for fake: {percent(results.rates.real)}"]
    return "\n".join([*lines, *results.verdicts()])


# ------------------------------------------------------------------ the page


def page(results: Results, folder: Path) -> str:
    """The whole document; `folder` holds the pictures."""
    manifest = results.manifest
    timed = manifest.mode == "timed"
    left_out = len(results.participants) - len(results.counted)
    people = _several(len(results.counted), "participant")
    attribution = manifest.data.get("attribution")
    return document(
        manifest.title,
        eyebrow="Genarium human study",
        lead=f"{people} said of single pictures whether they are real or made by a model: "
        f"{len(results.answers):,} answers.",
        headline={
            "Models": str(len(manifest.models)),
            "Real pictures": f"{manifest.data['name']}, {manifest.data['split']} split "
            f"({manifest.data['manifest'][:12]})",
            "Pictures": f"{manifest.size[1]} × {manifest.size[0]} pixels, {manifest.scaling}",
            "Mode": "timed, staircase from 500 ms" if timed else "untimed",
            "Left out": f"{_several(left_out, 'participant')} (attention)" if left_out else None,
            "Seed": str(manifest.seed),
        },
        content=[
            ("rates", "Error rates", _rates(results)),
            ("thresholds", "Exposure thresholds", _thresholds(results)),
            ("fakes", "Most convincing fakes", _fakes(results, folder)),
            ("reals", "Least convincing real pictures", _reals(results, folder)),
            ("participants", "Participants", _participants(results)),
            ("meaning", "What the numbers mean", _meaning(results)),
        ],
        footer=join(
            "Made by Genarium; this file needs no network. ",
            f"Images: {attribution}." if attribution else None,
        ),
    )


def percent(interval: Interval) -> str:
    """31.2 % (24.0 to 39.1)."""
    if not math.isfinite(interval.value):
        return "–"
    value, low, high = (100 * each for each in interval)
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def milliseconds(interval: Interval) -> str:
    """310 ms (250 to 380); without ends for a single participant."""
    ends = f" ({interval.low:.0f} to {interval.high:.0f})" if math.isfinite(interval.low) else ""
    return f"{interval.value:.0f} ms{ends}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s'[: count != 1]}"


def _cell(interval: Interval, words: str) -> Markup:
    value, _, ends = words.partition(" (")
    if not math.isfinite(interval.value):
        return tag("td", "–", tag("span", "none", class_="hidden"), class_="none")
    return tag("td", value, tag("small", ends.rstrip(")")) if ends else None)


def _rates(results: Results) -> Markup:
    heads: list[Child] = [
        "Model",
        join("Fakes taken for real", tag("small", "95 % interval")),
        join("Human error, HYPE∞", tag("small", "50 % is chance")),
        "Answers to fakes",
        "Fakes judged",
    ]
    lines = []
    for m, model in enumerate(results.manifest.models):
        mine = [rate for rate in results.pictures if rate.picture.model == m]
        fake, hype = results.rates.fake[m], results.rates.hype[m]
        name = tag("th", model.name, tag("small", model.recipe), scope="row")
        answers = f"{sum(rate.answers for rate in mine):,}"
        cells = (_cell(fake, percent(fake)), _cell(hype, percent(hype)))
        lines.append(tag("tr", name, *cells, tag("td", answers), tag("td", str(len(mine)))))
    real = percent(results.rates.real)
    caption = (
        f"Real pictures were taken for fake in {real} of the answers. Intervals: bootstrap over "
        "participants and pictures."
    )
    bars = [
        Bar(model.name, _finite(results.rates.hype[m].value), percent(results.rates.hype[m]))
        for m, model in enumerate(results.manifest.models)
    ]
    bars.append(Bar("chance", 0.5, "50 %"))
    result = [
        table(heads, lines, caption, "Error rates"),
        cards([tag("article", bar_chart(bars, title="Human error, HYPE∞"), class_="card one")]),
    ]
    verdicts = [tag("li", words) for words in results.verdicts()]
    if verdicts:
        result.append(
            tag("h3", "Which model is taken for real more often", style="margin-top:1.5rem")
        )
        result.append(tag("ul", *verdicts))
    if len(results.counted) < 2:
        result.append(
            lead("One participant only: the intervals say nothing about what others would answer.")
        )
    return join(*result)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _thresholds(results: Results) -> Markup | None:
    if results.manifest.mode != "timed":
        return None
    note = (
        "How long a picture must be seen for three of four answers to be right; longer means "
        "more convincing. Mean over participants of the second half of each staircase."
    )
    if not results.thresholds:
        return lead(f"{note} No staircase has {LEAST} answers yet.")
    bars = [
        Bar(model.name, results.thresholds[m].value, milliseconds(results.thresholds[m]))
        for m, model in enumerate(results.manifest.models)
        if m in results.thresholds
    ]
    chart = bar_chart(bars, title="Exposure at 75 % right answers")
    late = lead(
        f"{results.late} of {len(results.answers):,} pictures stood more than {LATE_MS:.0f} ms "
        "longer or shorter than planned, by the browser's own frames."
    )
    return join(lead(note), cards([tag("article", chart, class_="card one")]), late)


def _fakes(results: Results, folder: Path) -> Markup:
    result = []
    for m, model in enumerate(results.manifest.models):
        rated = results.convincing(m, SHOWN)
        if rated:
            result.append(_row(model.name, rated, folder, "taken for real", real=True))
    note = lead("Under each: how many answers took it for real, of how many.")
    return join(note, cards(result, least="100%"))


def _reals(results: Results, folder: Path) -> Markup | None:
    rated = results.doubted(SHOWN)
    if not rated:
        return None
    note = lead("Under each: how many answers took it for fake, of how many.")
    shown = _row("Real pictures", rated, folder, "taken for fake", real=False)
    return join(note, cards([shown], least="100%"))


def strip_of(rated: Sequence[PictureRate], folder: Path) -> Tensor:
    """The pictures in a row, uint8 [3,H,W]; `folder` is the study's."""
    images = torch.stack([_read(folder / PICTURES / rate.picture.name) for rate in rated])
    return grid(images, columns=len(images), pad=PAD)


def _row(name: str, rated: Sequence[PictureRate], folder: Path, what: str, *, real: bool) -> Markup:
    under = [
        f"{rate.called_real if real else rate.answers - rate.called_real} of {rate.answers}"
        for rate in rated
    ]
    alt = f"{len(rated)} pictures of {name}, {what} by {', '.join(under)}."
    shown = picture(strip_of(rated, folder), alt, under=under)
    return tag(
        "article", tag("h3", name), tag("div", shown, style="margin-top:.6rem"), class_="card one"
    )


def _read(path: Path) -> Tensor:
    """uint8 [3,H,W]."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def _participants(results: Results) -> Markup:
    lines = []
    for p in results.participants:
        share = f"{100 * p.right / p.answers:.0f} %"
        checks = f"{p.passed} of {p.checks}" if p.checks else "–"
        state = "finished" if p.finished else "not finished"
        if not p.attentive:
            state += ", counted" if results.keep_inattentive else ", left out"
        name = tag("th", f"Participant {p.number}", scope="row")
        time = f"{p.response_ms / 1000:.1f} s"
        values = (str(p.answers), share, checks, time)
        cells = [tag("td", value) for value in values]
        lines.append(tag("tr", name, *cells, tag("td", state, class_="words")))
    heads = ["Who", "Answers", "Right", "Attention checks", "Median time", "State"]
    caption = (
        f"Counted: who passed at least {ATTENTIVE:.0%} of the attention checks met. Practice is "
        "in no number here. No name, address or time of day was kept."
    )
    return table(heads, lines, caption, "Participants", words=("State",))


def _meaning(results: Results) -> Markup:
    entries = {
        "Fakes taken for real": "of the answers to a model's pictures, how many said real.",
        "Human error, HYPE∞": "the mean of that and of real pictures taken for fake: the error "
        "over as many fakes as reals. 50 %: people cannot distinguish the two. Above it: the "
        "fakes look more real than real pictures do.",
        "Interval": "95 %, bootstrap over participants and pictures: what to expect of other "
        "people and other pictures of the same kind. It is wide with few of either.",
        "Reals are shared": "all models are set against the same real pictures, so models differ "
        "only in how often their own pictures are taken for real.",
        "Ranking of pictures": "by (taken for real + 1) / (answers + 2), so that one answer of "
        "one does not lead.",
        "Limits": "people judge single pictures. Variety is not seen: a model with one good "
        "picture, or a copy of its training set, does well here.",
    }
    if results.manifest.mode == "timed":
        entries["Timed"] = (
            "error rates of the timed mode belong to the exposures that the staircases chose: "
            "compare thresholds, and compare error rates only with care."
        )
    items = [tag("div", tag("dt", term, ": "), tag("dd", text)) for term, text in entries.items()]
    return tag("dl", *items, class_="glossary")
