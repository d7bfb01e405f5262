"""The page around the sections: one HTML file that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from genarium.drawing.markup import Markup, join, tag
from genarium.report import sections
from genarium.report.copying_section import findings
from genarium.report.likelihoods import likelihood_table
from genarium.report.notes_section import notes
from genarium.report.records import ModelReport
from genarium.report.tables import score_table

SECTIONS = (
    ("samples", "Samples", sections.samples),
    ("scores", "Scores", score_table),
    ("likelihoods", "Likelihoods", likelihood_table),
    ("findings", "Copying, repeats, missing classes", findings),
    ("nearest", "Nearest training images", sections.nearest),
    ("reconstructions", "Reconstructions", sections.reconstructions),
    ("translations", "Translations", sections.translations),
    ("interpolations", "Interpolations", sections.interpolations),
    ("learning", "Learning curves", sections.learning),
    ("notes", "What the trainings noted", notes),
    ("cost", "Cost", sections.cost),
    ("meaning", "What the numbers mean", sections.meaning),
    ("settings", "Settings", sections.origin),
)


def page(reports: Sequence[ModelReport], title: str, created: str = "") -> str:
    """The whole document. created: the date and time to print, if any."""
    return document(
        title,
        eyebrow="Genarium comparison",
        lead=summary(reports),
        headline=headline(reports, created),
        content=[(key, name, make(reports)) for key, name, make in SECTIONS],
        footer=credit(reports),
    )


def document(
    title: str,
    *,
    eyebrow: str,
    lead: str,
    headline: Mapping[str, str | None],
    content: Sequence[tuple[str, str, Markup | None]],
    footer: Markup,
) -> str:
    """The frame of every page: masthead with its facts, contents, sections, footer.

    content: key, heading and body of each section; those without a body are left out.
    """
    there = [(key, name, body) for key, name, body in content if body]
    style = (files("genarium.report") / "style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        # Nothing is fetched, whatever a name or a setting says.
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        ),
        tag("title", title),
        tag("style", Markup(style)),
    )
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name, _ in there]
    masthead = tag(
        "header",
        tag("p", eyebrow, class_="eyebrow"),
        tag("h1", title),
        tag("p", lead, class_="lead"),
        sections.facts(headline),
        tag("nav", tag("ul", *links), aria_label="Contents"),
        class_="masthead",
    )
    parts = [
        tag(
            "section",
            tag("h2", name, id=f"{key}-title"),
            body,
            id=key,
            aria_labelledby=f"{key}-title",
        )
        for key, name, body in there
    ]
    below = tag("footer", tag("p", footer))
    whole = tag("html", head, tag("body", masthead, tag("main", *parts), below), lang="en")
    return "<!doctype html>\n" + whole + "\n"


def summary(reports: Sequence[ModelReport]) -> str:
    """One sentence: how many models, on what."""
    count, data = len(reports), reports[0].data
    models = "1 model" if count == 1 else f"{count} models"
    return f"{models}, trained on {data.name} and compared by samples, scores and cost."


def headline(reports: Sequence[ModelReport], created: str) -> dict[str, str | None]:
    """The facts under the title."""
    data = reports[0].data
    counts = ", ".join(f"{number:,} {name}" for name, number in data.counts.items() if number)
    shapes = _several(_shape(report.data.shape) for report in reports)
    manifests = _several(report.data.manifest[:12] for report in reports)
    versions = [report.about.get("versions", {}) for report in reports]
    used = [
        f"{name} {_several(v[key] for v in versions if key in v)}"
        for key, name in (("genarium", "genarium"), ("torch", "PyTorch"), ("python", "Python"))
        if any(key in v for v in versions)
    ]
    seeds = _several(
        str(report.config["training"]["seed"])
        for report in reports
        if "seed" in report.config.get("training", {})
    )
    drawn = _several(str(report.seed) for report in reports)
    return {
        "Data set": f"{data.name} ({manifests})",
        "Images": f"{counts}; {shapes}",
        "Values": _several(report.data.values for report in reports) or None,
        "Pictures": _several(report.data.legend for report in reports) or None,
        "Seeds": f"training {seeds}; samples {drawn}" if seeds else f"samples {drawn}",
        "Hardware": _several(report.hardware for report in reports),
        "Versions": ", ".join(used),
        "Made": created,
    }


def _shape(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    kind = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    return f"{width} × {height} pixels, {kind}"


def _several(values: Iterable[str]) -> str:
    """The distinct values in their order."""
    return ", ".join(dict.fromkeys(value for value in values if value))


def credit(reports: Sequence[ModelReport]) -> Markup:
    """Where the images are from."""
    given = dict.fromkeys(r.data.attribution for r in reports if r.data.attribution)
    images = Markup(" ").join(join(f"Images: {text}.") for text in given)
    return join("Made by Genarium; this file needs no network. ", Markup(images))
