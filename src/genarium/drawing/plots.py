"""Line and bar charts as inline SVG: no library, no script, coloured by the page's CSS.

The charts use the classes of `style.css`: `.s0` to `.s5` colour a series (the page sets the
colours for light and dark), and a dash pattern tells the series apart without colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from genarium.drawing.markup import Markup, join, tag
from genarium.drawing.numbers import number, tick_label

Scale = Literal["auto", "linear", "log"]

# A chart is as wide as its place and HEIGHT pixels high. The lines are drawn WIDTH units wide and
# stretched to that; lettering is placed in percent, so that it keeps its size.
WIDTH, HEIGHT = 1000, 180
BELOW = 40  # pixels for the ticks and the name of the x axis
COLOURS = 6
POINTS = 300  # more than a chart has pixels for; longer series are thinned to this


@dataclass(frozen=True)
class Series:
    """One line of a chart: values y over x; a y that is None or not finite leaves a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]


def linear_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) within [low, high], at most `most`+1."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / most))
    step *= next(m for m in (1, 2, 5, 10, 20) if span / (step * m) <= most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Powers of ten within [low, high]; 1-2-5 steps where fewer than two of them fit."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        stride = math.ceil((last - first + 1) / most)
        return [10.0**e for e in range(first, last + 1, stride)]
    ticks = [m * 10.0**e for e in range(first - 1, last + 1) for m in (1, 2, 5)]
    inside = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
    return inside if len(inside) >= 2 else linear_ticks(low, high, 3)


def smooth(values: Sequence[float | None], window: float = 0.015) -> list[float | None]:
    """Weighted means whose weights fall off to both sides, as exp(-distance / reach).

    The reach is `window` of the length. Both sides count, so that the line does not lag behind
    the values. Gaps (None or not finite) stay gaps and weigh nothing.
    """
    decay = math.exp(-1.0 / max(0.5, window * len(values)))
    known = [(v, 1.0) if v is not None and math.isfinite(v) else (0.0, 0.0) for v in values]
    before, after = _decayed(known, decay), _decayed(known[::-1], decay)[::-1]
    smoothed: list[float | None] = []
    for (value, there), (total, weight), (later, more) in zip(known, before, after):
        # both sums hold the value itself: once is enough
        whole = weight + more - there
        smoothed.append((total + later - value) / whole if there else None)
    return smoothed


def _decayed(known: Sequence[tuple[float, float]], decay: float) -> list[tuple[float, float]]:
    """Running sums of values and of their weights, all of it multiplied by `decay` a place."""
    total = weight = 0.0
    sums = []
    for value, there in known:
        total, weight = decay * total + value, decay * weight + there
        sums.append((total, weight))
    return sums


def thin(series: Series, points: int = POINTS) -> Series:
    """At most `points` points: lowest and highest of each stretch, so that no spike is lost."""
    count = len(series.y)
    if count <= points:
        return series
    chosen: list[int] = []
    stretches = points // 2
    for i in range(stretches):
        stretch = range(i * count // stretches, (i + 1) * count // stretches)
        known = [j for j in stretch if _finite(series.y[j])]
        if not known:
            chosen.append(stretch[0])
            continue
        ends = {
            min(known, key=lambda j: _value(series, j)),
            max(known, key=lambda j: _value(series, j)),
        }
        chosen += sorted(ends)
    return Series(series.label, [series.x[j] for j in chosen], [series.y[j] for j in chosen])


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _value(series: Series, index: int) -> float:
    value = series.y[index]
    assert value is not None
    return value


@dataclass(frozen=True)
class _Axes:
    """From data to a share of the chart's width, and to pixels from its top."""

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    def left(self, x: float) -> float:
        low, high = self.x
        fraction = (x - low) / (high - low) if high > low else 0.5
        return fraction

    def top(self, y: float) -> float:
        low, high = self.y
        if self.log:
            low, high, y = math.log(low), math.log(high), math.log(y)
        fraction = (y - low) / (high - low) if high > low else 0.5
        return HEIGHT * (1 - min(1.0, max(0.0, fraction)))

    def path(self, series: Series) -> str:
        """The `d` of the line, a new stroke after each gap."""
        commands: list[str] = []
        pen = "M"
        for x, y in zip(series.x, series.y):
            if y is None or not math.isfinite(y) or (self.log and y <= 0):
                pen = "M"
                continue
            commands.append(f"{pen}{WIDTH * self.left(x):.1f} {self.top(y):.1f}")
            pen = "L"
        return "".join(commands)


def _axes(series: Sequence[Series], scale: Scale) -> _Axes | None:
    pairs = [(x, y) for s in series for x, y in zip(s.x, s.y) if y is not None and _finite(y)]
    if not pairs:
        return None
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    low, high = min(ys), max(ys)
    log = low > 0 and (scale == "log" or (scale == "auto" and high / low > 30))
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    elif not log:
        margin = 0.04 * (high - low)
        # Zero stays the floor of what cannot be negative.
        low, high = (low - margin if low < 0 or low > margin else 0.0), high + margin
    return _Axes((min(xs), max(xs)), (low, high), log)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "step",
    scale: Scale = "auto",
    raw: bool = True,
) -> Markup:
    """A figure with the smoothed lines of `series`, the raw values faint behind, and a legend.

    title: what the chart shows, for readers who cannot see it (the page prints its own heading).
    scale: of the y axis; auto takes log where all values are positive and span a factor over 30;
    log falls back to linear where a value is not positive. raw: draw the values themselves too.
    """
    axes = _axes(series, scale)
    if axes is None:
        return tag("p", "No values were recorded.", class_="note")
    ticks = log_ticks(*axes.y) if axes.log else linear_ticks(*axes.y)
    marks: list[Markup] = []
    for value in ticks:
        y = f"{axes.top(value):.1f}"
        marks.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="rule"))
        marks.append(tag("text", tick_label(value), x=-7, y=y, dy="0.35em", class_="ty"))
    for value in linear_ticks(*axes.x, most=4):
        x = f"{100 * axes.left(value):.2f}%"
        marks.append(tag("line", x1=x, x2=x, y1=HEIGHT, y2=HEIGHT + 4, class_="axis"))
        marks.append(tag("text", tick_label(value), x=x, y=HEIGHT + 17, class_="tx"))
    marks.append(tag("line", x1=0, x2="100%", y1=HEIGHT, y2=HEIGHT, class_="axis"))
    marks.append(tag("text", x_label, x="50%", y=HEIGHT + 34, class_="tx"))

    lines: list[Markup] = []
    for i, one in enumerate(series):
        colour = f"s{i % COLOURS}"
        if raw:
            lines.append(tag("path", d=axes.path(thin(one)), class_=f"raw {colour}"))
    for i, one in enumerate(series):
        drawn = Series(one.label, one.x, smooth(one.y)) if raw else one
        lines.append(tag("path", d=axes.path(thin(drawn)), class_=f"line s{i % COLOURS}"))

    stretched = tag(
        "svg",
        *lines,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        width="100%",
        height=HEIGHT,
        class_="lines",
    )
    drawing = tag(
        "svg",
        *marks,
        stretched,
        height=HEIGHT + BELOW,
        role="img",
        aria_label=f"{title}: {describe(series)}{' (log scale)' if axes.log else ''}",
        class_="chart",
    )
    return tag("figure", _legend(series, "log scale" if axes.log else None), drawing, class_="plot")


def describe(series: Sequence[Series]) -> str:
    """Each series' first and last value in words, for a chart's alternative text."""
    parts = []
    for one in series:
        known = [y for y in one.y if y is not None and math.isfinite(y)]
        if known:
            parts.append(f"{one.label} from {number(known[0])} to {number(known[-1])}")
    return "; ".join(parts)


def _legend(series: Sequence[Series], scale: str | None) -> Markup:
    keys = []
    for i, one in enumerate(series):
        stroke = tag("path", d="M0 5L22 5", class_=f"line s{i % COLOURS}")
        swatch = tag("svg", stroke, viewBox="0 0 22 10", class_="swatch", aria_hidden="true")
        keys.append(tag("li", swatch, one.label))
    unit = tag("li", scale, class_="unit") if scale else None
    return tag("ul", *keys, unit, class_="legend")


def _short(label: str, most: int = 28) -> str:
    """SVG text does not wrap: a long label keeps both its ends."""
    half = most // 2
    return label if len(label) <= most else f"{label[:half]}…{label[-half:]}"


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of, how long, and the words at its end (default: the number)."""

    label: str
    value: float | None
    text: str = ""


def bar_chart(bars: Sequence[Bar], *, title: str) -> Markup:
    """Horizontal bars from zero, one a row, label above and value beside: a figure.

    A value that is None has no bar; its text says why. Widths are percentages, so that the
    lettering keeps its size on a narrow screen.
    """
    longest = max(
        (b.value for b in bars if b.value is not None and math.isfinite(b.value)), default=0
    )
    row, rows = 42, []
    for i, bar in enumerate(bars):
        top = i * row
        words = bar.text or number(bar.value)
        rows.append(tag("text", _short(bar.label), x=0, y=top + 14, class_="bar-label"))
        rows.append(tag("text", words, x="100%", y=top + 14, class_="bar-value"))
        rows.append(tag("rect", x=0, y=top + 21, width="100%", height=9, rx=2, class_="track"))
        if longest > 0 and bar.value is not None and math.isfinite(bar.value):
            width = f"{max(0.0, 100 * bar.value / longest):.2f}%"
            rows.append(tag("rect", x=0, y=top + 21, width=width, height=9, rx=2, class_="bar"))
    spoken = "; ".join(f"{b.label}: {b.text or number(b.value)}" for b in bars)
    drawing = tag(
        "svg",
        join(*rows),
        width="100%",
        height=len(bars) * row,
        role="img",
        aria_label=f"{title}. {spoken}",
        class_="bars",
    )
    caption = tag("figcaption", title)
    return tag("figure", caption, drawing, class_="plot")
