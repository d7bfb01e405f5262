"""Which of two scores is better, or that this is undecided: the difference and its interval.

Two models on one reference set share the error that comes from that set, and the shared part takes
no side. So the variance of a difference is that of both scores less twice their covariance, which
`Score.shared` gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from genarium.evaluation.scores.score import Score, Z, between, differences, number


@dataclass(frozen=True)
class Verdict:
    """One score of two models, a and b.

    better: the name of the one whose score is better, None if that is undecided. difference: of
    the values, a - b, and its 95 % interval; None where they may not be compared or have no error.
    why: the reason where there is no interval.
    """

    score: str
    a: str
    b: str
    better: str | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """ "A better than B" or "cannot tell"."""
        if self.better is None:
            return "cannot tell"
        return f"{self.better} better than {self.b if self.better == self.a else self.a}"

    @property
    def evidence(self) -> str:
        """The difference and its interval, or why there is none."""
        if self.difference is None or self.interval is None:
            return self.why
        low, high = between(*self.interval).split(" to ")
        return f"difference {number(self.difference)}, 95 % interval {low} to {high}"

    def text(self) -> str:
        """Verdict and evidence in one line."""
        return f"{self.words} ({self.evidence})"


def verdict(a: Score, b: Score, labels: tuple[str, str]) -> Verdict:
    """Compare one score of two models; labels: their names.

    "Better" is said if the 95 % interval of the difference lies on one side of 0. Scores of
    different bases are not compared, and those without a direction have no better.
    """
    name = a.name
    reasons = differences(a, b)
    if reasons:
        return Verdict(name, *labels, why=f"not measured alike: {'; '.join(reasons)}")
    if a.better is None:
        return Verdict(name, *labels, why="neither high nor low is better")
    if a.std is None or b.std is None:
        return Verdict(name, *labels, why="the error of this score is not known")
    difference = a.value - b.value
    variance = a.std**2 + b.std**2
    if a.shared is not None and b.shared is not None and a.shared.shape == b.shared.shape:
        variance -= 2 * float(a.shared @ b.shared)
    half = Z * math.sqrt(max(0.0, variance))
    interval = (difference - half, difference + half)
    better = None
    if interval[0] > 0 or interval[1] < 0:
        better = labels[0 if (difference > 0) == (a.better == "higher") else 1]
    return Verdict(name, *labels, better, difference, interval)
