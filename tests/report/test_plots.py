"""Charts: scales, ticks, smoothing, and markup that parses."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from genarium.drawing.numbers import duration, number, tick_label
from genarium.drawing.plots import (
    HEIGHT,
    WIDTH,
    Bar,
    Series,
    bar_chart,
    line_chart,
    linear_ticks,
    log_ticks,
    smooth,
    thin,
)


def paths(chart: str, kind: str) -> list[list[tuple[float, float]]]:
    """The points of each path of the class `kind` in the plot, legend left out."""
    root = ElementTree.fromstring(chart)
    results = []
    for lines in root.iter("svg"):
        if lines.get("class") == "lines":
            for path in lines.iter("path"):
                if str(path.get("class")).startswith(kind):
                    points = re.findall(r"[ML](\S+) ([\d.]+)", str(path.get("d")))
                    results.append([(float(x), float(y)) for x, y in points])
    return results


def test_a_line_runs_from_corner_to_corner() -> None:
    chart = line_chart([Series("a", [10, 20], [1.0, 2.0])], title="t", scale="linear", raw=False)
    ((first, last),) = paths(chart, "line")
    assert (first[0], last[0]) == (0.0, float(WIDTH))
    # 4 % of the range is left free at both ends
    assert last[1] == pytest.approx(HEIGHT * 0.04 / 1.08, abs=0.1)
    assert first[1] == pytest.approx(HEIGHT * 1.04 / 1.08, abs=0.1)


def test_log_scale_puts_equal_factors_at_equal_distances() -> None:
    series = Series("a", [0, 1, 2], [1.0, 10.0, 100.0])
    ((a, b, c),) = paths(line_chart([series], title="t", raw=False), "line")
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.11)
    assert "log scale" in line_chart([series], title="t")


@pytest.mark.parametrize("values", [[1.0, 2.0], [-5.0, 500.0], [0.0, 500.0]])
def test_no_log_scale_for_small_spans_or_what_is_not_positive(values: list[float]) -> None:
    assert "log scale" not in line_chart([Series("a", [0, 1], values)], title="t")
    if values[0] <= 0:
        assert "log scale" not in line_chart([Series("a", [0, 1], values)], title="t", scale="log")


def test_gaps_break_the_line_and_nothing_but_gaps_says_so() -> None:
    values = [1.0, None, 2.0, math.nan, 3.0, 4.0]
    chart = line_chart([Series("a", range(6), values)], title="t", raw=False)
    assert chart.count("M") - chart.count("M0 5") == 3
    assert "nan" not in chart.lower()
    assert "No values" in line_chart([Series("a", [1], [None])], title="t")


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-3.0, -3.0]])
def test_constant_series_are_drawn(values: list[float]) -> None:
    (points,) = paths(line_chart([Series("a", range(len(values)), values)], title="t"), "line")
    assert all(0 <= y <= HEIGHT for _, y in points)


def test_charts_are_well_formed_name_their_series_and_escape() -> None:
    chart = line_chart(
        [Series("<i>", [1, 2], [1.0, 2.0]), Series("b", [1, 2], [3.0, 1.0])], title='"<b>"'
    )
    root = ElementTree.fromstring(chart)
    assert [item.findtext("svg") is not None for item in root.iter("li")] == [True, True]
    assert "".join(root.itertext()).count("<i>") == 1
    label = next(svg.get("aria-label") for svg in root.iter("svg") if svg.get("role") == "img")
    assert label == '"<b>": <i> from 1 to 2; b from 3 to 1'


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2000, [0, 500, 1000, 1500, 2000]),
        (-3, 3, [-2, 0, 2]),
        (7, 7, [7]),
        (0.001, 0.0035, [0.001, 0.0015, 0.002, 0.0025, 0.003, 0.0035]),
    ],
)
def test_linear_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert linear_ticks(low, high) == pytest.approx(ticks)


def test_log_ticks_are_powers_of_ten_or_finer() -> None:
    assert log_ticks(1, 1000) == [1, 10, 100, 1000]
    assert log_ticks(3, 80) == [5, 10, 20, 50]
    assert len(log_ticks(1e-9, 1e9)) <= 6
    assert len(log_ticks(11, 12)) >= 2


def test_labels_are_short() -> None:
    values = [0, 0.5, 250, 2000, 20000, 1.5e6, 1e-5, -3]
    assert [tick_label(v) for v in values] == [
        "0", "0.5", "250", "2000", "20k", "1.5M", "10⁻⁵", "−3",
    ]  # fmt: skip


def test_numbers_keep_their_significant_digits() -> None:
    values = [0.0, 1.0, 12345.0, 9.8765, 0.00123456, 123.456, -0.5, 3e8, 0.00002, math.nan, None]
    assert [number(v) for v in values] == [
        "0", "1", "12,345", "9.88", "0.00123", "123", "−0.500", "3.00·10⁸", "2.00·10⁻⁵", "–", "–",
    ]  # fmt: skip


def test_durations_are_read_at_a_glance() -> None:
    values = [0.5, 42.0, 99.9, 200.0, 3599.7, 7500.0]
    assert [duration(v) for v in values] == [
        "0.500 s", "42 s", "99.9 s", "3 min 20 s", "60 min 00 s", "2 h 05 min",
    ]  # fmt: skip


def test_smoothing_keeps_constants_straight_lines_and_gaps() -> None:
    assert smooth([5.0] * 50) == pytest.approx([5.0] * 50)
    line = [float(i) for i in range(200)]
    assert smooth(line)[50:150] == pytest.approx(line[50:150], abs=1e-4)  # no lag
    assert smooth([1.0, None, math.nan, 1.0]) == [pytest.approx(1), None, None, pytest.approx(1)]
    noisy = [(-1.0) ** i for i in range(400)]
    assert max(abs(v) for v in smooth(noisy)[20:380] if v is not None) < 0.2


def test_thinning_keeps_the_spikes_and_the_order() -> None:
    values: list[float | None] = [0.0] * 10_000
    values[1234], values[8000] = 9.0, -9.0
    thinned = thin(Series("a", range(10_000), values))
    assert len(thinned.y) <= 300
    assert {9.0, -9.0} <= set(thinned.y)
    assert list(thinned.x) == sorted(thinned.x)
    assert thinned.x[list(thinned.y).index(9.0)] == 1234
    empty: list[float | None] = [None] * 1000
    assert set(thin(Series("a", range(1000), empty)).y) == {None}


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart([Bar("a", 2.0), Bar("b", 1.0), Bar("c", None, "none <at> all")], title="t")
    root = ElementTree.fromstring(chart)
    widths = [r.get("width") for r in root.iter("rect") if r.get("class") == "bar"]
    assert widths == ["100.00%", "50.00%"]
    assert "none <at> all" in "".join(root.itertext())


def test_long_labels_of_bars_keep_both_ends() -> None:
    name = "a" * 30 + "z" * 30
    root = ElementTree.fromstring(bar_chart([Bar(name, 1.0)], title="t"))
    assert "a" * 14 + "…" + "z" * 14 in list(root.itertext())


def test_bars_without_any_length_are_drawn() -> None:
    assert "bars" in bar_chart([Bar("a", 0.0), Bar("b", None, "none")], title="t")
