"""Numbers for reading."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """A value for reading: `digits` significant digits, thousands by comma."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if value == round(value) and size < 1e7:
        return f"{value:,.0f}".replace("-", "−")
    if size >= 1e7 or size < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}".replace("-", "−")


def tick_label(value: float) -> str:
    """A tick: 0.5, 250, 20k, 1.5M, 10⁻⁵."""
    size = abs(value)
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit and (size >= 1e4 or unit > 1e3):
            return f"{value / unit:g}{suffix}".replace("-", "−")
    if 0 < size < 1e-3:
        return number(value, 1).replace("1·", "")
    return f"{value:g}".replace("-", "−")


def duration(seconds: float) -> str:
    """42.0 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 100:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
