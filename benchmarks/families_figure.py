"""The picture and the table of `families_over_time.py`: scores against minutes of training.

    python benchmarks/families_figure.py DIR --out PICTURE.png [--title TEXT]

DIR holds scores.jsonl; whatever is there is drawn, so the command can be given again while more
figures come. A panel a score, minutes on a logarithmic axis, a line a family with its intervals of
95 %. Below the table it prints where two lines of a score cross: between two times that both
families have, on straight lines in the logarithms of the minutes and, for FID, of the score too.
A crossing is called sure where the families' intervals lie apart both before and after.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PANELS = {
    "fid": "FID (lower is better)",
    "precision": "precision (higher is better)",
    "recall": "recall (higher is better)",
    "recognised": "recognised (higher is better)",
}
COLOURS = {
    "vae": "C2",
    "dcgan": "C3",
    "pixelcnn": "C4",
    "flow-matching": "C0",
    "mean-flow": "C9",
    "spline-flow": "C1",
}


@dataclass(frozen=True)
class Point:
    """A score of a family at a time. minutes: asked for; low, high: the interval, or the value."""

    minutes: float
    value: float
    low: float
    high: float


Lines = dict[str, list[Point]]


@dataclass(frozen=True)
class Crossing:
    """From `minutes` on, `after` is the better one of the two."""

    score: str
    minutes: float
    before: str
    after: str
    sure: bool

    def __str__(self) -> str:
        doubt = "" if self.sure else " (within the intervals)"
        return (
            f"{self.score}: from {self.minutes:.2g} minutes on {self.after} is better than "
            f"{self.before}{doubt}"
        )


def lines_of(rows: list[dict[str, Any]], score: str) -> Lines:
    """The line of each family that has the score, by time."""
    lines: Lines = {}
    for row in sorted(rows, key=lambda row: row["asked"]):
        for each in row["scores"]["rows"]:
            if each["name"].split(" (")[0].lower() != score or each["value"] is None:
                continue
            value = each["value"]
            low, high = each["interval"] or (value, value)
            lines.setdefault(row["family"], []).append(Point(row["asked"], value, low, high))
    return lines


def crossings(lines: Lines, score: str) -> list[Crossing]:
    """Where two families change places, by time."""
    falling = score in ("fid", "kid")
    found = []
    for one, other in itertools.combinations(lines, 2):
        theirs = {point.minutes: point for point in lines[other]}
        shared = [(p, theirs[p.minutes]) for p in lines[one] if p.minutes in theirs]
        for (a, b), (c, d) in itertools.pairwise(shared):
            gap_before, gap_after = (
                math.log(p.value / q.value) if falling else p.value - q.value
                for p, q in ((a, b), (c, d))
            )
            if gap_before * gap_after >= 0:
                continue
            share = gap_before / (gap_before - gap_after)
            minutes = a.minutes * (c.minutes / a.minutes) ** share
            one_after = (gap_after < 0) == falling
            before, after = (other, one) if one_after else (one, other)
            sure = all(p.high < q.low or q.high < p.low for p, q in ((a, b), (c, d)))
            found.append(Crossing(score, minutes, before, after, sure))
    return sorted(found, key=lambda crossing: crossing.minutes)


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each minute and family, as Markdown."""
    text = [
        "| minutes | family | steps | " + " | ".join(PANELS) + " | ms an image |",
        "|---" * (len(PANELS) + 4) + "|",
    ]
    for row in sorted(rows, key=lambda row: (row["asked"], list(COLOURS).index(row["family"]))):
        cells = []
        for score in PANELS:
            points = lines_of([row], score).get(row["family"])
            cells.append(f"{points[0].value:.3g}" if points else "–")
        text.append(
            f"| {row['asked']:g} | `{row['family']}` | {row['steps']:,} | {' | '.join(cells)} | "
            f"{1000 * row['seconds_an_image']:.3g} |"
        )
    return "\n".join(text)


def draw(rows: list[dict[str, Any]], title: str) -> Any:
    """The figure."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    for axes, (score, words) in zip(figure.subplots(2, 2).flat, PANELS.items()):
        lines = lines_of(rows, score)
        for family, colour in COLOURS.items():
            points = lines.get(family, [])
            if not points:
                continue
            minutes = [p.minutes for p in points]
            values = [p.value for p in points]
            axes.plot(minutes, values, f"{colour}-o", ms=4, label=family)
            axes.fill_between(
                minutes,
                [p.low for p in points],
                [p.high for p in points],
                color=colour,
                alpha=0.15,
                lw=0,
            )
        for crossing in crossings(lines, score):
            if crossing.sure:
                axes.axvline(crossing.minutes, color=COLOURS[crossing.after], lw=0.6, ls=":")
        axes.set_xscale("log")
        ticks = sorted({row["asked"] for row in rows})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        if score == "fid":
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1)
        axes.set(xlabel="minutes of one core", title=words)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(title)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dir", type=Path, help="folder with scores.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the picture, PNG")
    parser.add_argument("--title", default="")
    given = parser.parse_args()
    text = (given.dir / "scores.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    draw(rows, given.title).savefig(given.out, dpi=100, metadata={"Software": None})
    print(table(rows))
    for score in PANELS:
        for crossing in crossings(lines_of(rows, score), score):
            print(crossing)


if __name__ == "__main__":
    main()
