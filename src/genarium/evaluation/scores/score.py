"""What an evaluation gives back: scores, each with what must agree before two may be compared."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from genarium.errors import UserError
from genarium.evaluation import tails
from genarium.evaluation.diagnostics.finding import Finding

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Settings

Z = 1.959964  # standard errors to either side of a 95 % interval
HEADS = ("score", "value", "95 % interval", "reference", "unit", "note")
SETTINGS = "sampler settings"
"""The key of a basis under which settings of the sampler stand; absent, they are the model's own
defaults, as in every score of before there were any."""
ARROWS = {"higher": "↑", "lower": "↓", None: ""}


class Undefined(ValueError):
    """A score that has no value for these images; the text says why. It becomes a warning."""


@dataclass(frozen=True)
class Score:
    """One number of the table.

    name: with the extractor where there is one. std: standard error, None where it is not known.
    better: the direction, None where there is none. unit, note: for the reader. reference: the same
    score of the reference images. basis: what has to agree for two scores of this name to be
    comparable. interval: of 95 %; from `std` unless it is given. shared: the parts [L] of the error
    that come from the images it is measured against, in their order; of two scores on one basis the
    dot product is the covariance. It is not saved. freedom: degrees of freedom of `std`, where it
    is of so few values that Student's distribution has to be taken.

    Raises Undefined, a ValueError, if the value, its error or its interval is not a finite number.
    """

    name: str
    value: float
    std: float | None = None
    better: Literal["higher", "lower"] | None = None
    unit: str = ""
    note: str = ""
    reference: float | None = None
    basis: Mapping[str, str | int] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    shared: Tensor | None = field(default=None, compare=False, repr=False)
    freedom: int | None = None

    def __post_init__(self) -> None:
        if self.interval is not None:
            object.__setattr__(self, "interval", tuple(self.interval))
        elif self.std is not None:
            half = quantile(self.freedom) * self.std
            ends = (self.value - half, self.value + half)
            object.__setattr__(self, "interval", ends)
        numbers = (self.value, self.std, self.reference, *(self.interval or ()))
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise Undefined(f"{self.name}: it is not a finite number")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts; without `shared`."""
        result = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "shared"}
        interval = None if self.interval is None else list(self.interval)
        return {**result, "basis": dict(self.basis), "interval": interval}


def differences(a: Score, b: Score) -> list[str]:
    """What differs in the basis of two scores, in words; empty if they may be compared."""
    reasons = [f"score {a.name} against {b.name}"] if a.name != b.name else []
    for key in sorted({*a.basis, *b.basis}):
        absent = "default" if key == SETTINGS else "unknown"
        left, right = a.basis.get(key, absent), b.basis.get(key, absent)
        if left != right:
            reasons.append(f"{key} {left} against {right}")
    return reasons


def sampled_with(settings: Settings | None) -> dict[str, str | int]:
    """What the settings of a sampler add to the basis of the scores of its samples."""
    return {SETTINGS: str(settings)} if settings is not None and settings.changed() else {}


@dataclass(repr=False)
class Scores:
    """The result of an evaluation.

    rows: the scores. context: extractor (name, hash), resize, counts, reference split, seed, class
    histograms. warnings: what was left out, and why. findings: verdicts on copying, repeats and
    missing classes.
    """

    rows: list[Score]
    context: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def get(self, name: str) -> Score | None:
        """The score of this name, or whose name without the extractor in brackets is this."""
        for row in self.rows:
            if name in (row.name, row.name.split(" (")[0]):
                return row
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        rows = [row.to_dict() for row in self.rows]
        return {
            "rows": rows,
            "context": self.context,
            "warnings": self.warnings,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> Scores:
        """The inverse of `to_dict`."""
        rows = [Score(**row) for row in saved["rows"]]
        findings = [Finding(**finding) for finding in saved.get("findings", ())]
        return Scores(rows, dict(saved["context"]), list(saved["warnings"]), findings)

    def to_json(self) -> str:
        """`to_dict` as standard JSON (no NaN, no Infinity)."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __repr__(self) -> str:
        return self.table()

    def _cells(self) -> list[list[str]]:
        """The texts of a table, a row a score."""
        return [
            [
                f"{row.name} {ARROWS[row.better]}".rstrip(),
                number(row.value),
                "" if row.interval is None else between(*row.interval),
                "" if row.reference is None else number(row.reference),
                row.unit,
                row.note,
            ]
            for row in self.rows
        ]

    def to_html(self, title: str = "") -> str:
        """The scores as an HTML table, findings and warnings below: what a notebook shows."""
        below = [f"{f.name}: {f.text} ({f.evidence})" for f in self.findings]
        below += [f"warning: {warning}" for warning in self.warnings]
        return html_table(HEADS, self._cells(), title, below)

    def table(self) -> str:
        """The scores as aligned text, the warnings below."""
        heads, lines = list(HEADS), self._cells()
        widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads) - 1)]
        text = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[-1]])
            for line in [heads, *lines]
        ]
        verdicts = [f"{f.name}: {f.text} ({f.evidence})" for f in self.findings]
        return "\n".join(
            [line.rstrip() for line in text] + verdicts + [f"warning: {w}" for w in self.warnings]
        )


def html_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", below: Sequence[str] = ()
) -> str:
    """A table in HTML, lines of text below it; everything in it is escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    body = "".join(line(row, "td") for row in rows)
    words = "".join(f"<p>{html.escape(text)}</p>" for text in below)
    return f"<table>{caption}<thead>{line(heads, 'th')}</thead><tbody>{body}</tbody></table>{words}"


def require_comparable(a: Scores, b: Scores, name: str, labels: tuple[str, str]) -> None:
    """Raise UserError unless both hold a score `name` and its bases agree.

    labels: what to call the two in the message, e.g. the names of their runs.
    """
    one, other = a.get(name), b.get(name)
    if one is None or other is None:
        missing = labels[0] if one is None else labels[1]
        raise UserError(f"{missing} has no score {name!r}; evaluate it with one that both have")
    reasons = differences(one, other)
    if reasons:
        raise UserError(
            f"{name} of {labels[0]} and {labels[1]} cannot be compared ({'; '.join(reasons)}); "
            "evaluate both the same way"
        )


def standard_error(values: Tensor) -> float | None:
    """Standard error of the mean of [N] values; None for fewer than two."""
    if len(values) < 2:
        return None
    return (values.double().std() / len(values) ** 0.5).item()


def student(value: float, std: float | None, count: int) -> tuple[float, float] | None:
    """95 % interval of a mean over `count` images; None where its error is not known."""
    if std is None:
        return None
    half = quantile(count - 1) * std
    return value - half, value + half


def quantile(freedom: int | None) -> float:
    """Standard errors to either side of a 95 % interval: Student's t, the normal's for None."""
    return Z if freedom is None else tails.student_quantile(freedom, 0.975)


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` images (Wilson 1927): good at 0 and 1 too."""
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = math.sqrt(share * (1 - share) / count + (Z / (2 * count)) ** 2) * Z / (1 + Z**2 / count)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return 0.0 if share == 0 else low, 1.0 if share == 1 else high


def between(low: float, high: float) -> str:
    """An interval for reading, its ends to the digits in which they differ."""
    width = abs(high - low)
    if width == 0 or width >= 100:
        return f"{number(low)} to {number(high)}"
    digits = min(7, max(0, 1 - math.floor(math.log10(width))))
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def number(value: float) -> str:
    """Four significant digits; whole numbers from 1,000 on with separators, 1e+09 from there on."""
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return f"{value:.0f}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if digits <= 7 else f"{value:.3g}"
