"""Which of two scores is better, or that this is undecided: the difference and its interval.

Two models on one reference set share the error that comes from that set, and the shared part takes
no side. So the variance of a difference is that of both scores less twice their covariance, which
`Score.shared` gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from genarium.evaluation.scores.score import Score, between, differences, number, quantile

TOO_MANY = 10_000_000
"""Pictures that nobody collects to tell two models apart."""


@dataclass(frozen=True)
class Verdict:
    """One score of two models, a and b.

    better: the name of the one whose score is better, None if that is undecided. difference: of
    the values, a - b, and its 95 % interval; None where they may not be compared or have no error.
    why: the reason where there is no interval. needed: where it cannot be told, about how many
    images would tell (`images_needed`).
    """

    score: str
    a: str
    b: str
    better: str | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    why: str = ""
    needed: int | None = None

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
        result = f"difference {number(self.difference)}, 95 % interval {low} to {high}"
        return f"{result}; {self.advice}" if self.advice else result

    @property
    def advice(self) -> str:
        """How many images would tell, in words; "" where it can be told."""
        if self.needed is None:
            return ""
        if self.needed > TOO_MANY:
            return "no difference that a set of pictures could show (an estimate)"
        return f"about {rounded(self.needed):,} pictures of each would tell (an estimate)"

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
    known = [f for f in (a.freedom, b.freedom) if f is not None]
    half = quantile(min(known, default=None)) * math.sqrt(max(0.0, variance))
    interval = (difference - half, difference + half)
    better = None
    if interval[0] > 0 or interval[1] < 0:
        better = labels[0 if (difference > 0) == (a.better == "higher") else 1]
    needed = None if better else images_needed(_images(a), half, difference)
    return Verdict(name, *labels, better, difference, interval, needed=needed)


def images_needed(count: int | None, half: float, difference: float) -> int | None:
    """About how many images would tell a difference whose 95 % interval is ± half at `count`.

    Errors fall with the root of the number, so at n (half / difference)² the interval just leaves
    out 0 if the difference stays what it is: an even chance that it is told. Twice as many tell it
    four times in five. The difference itself is known no better than its interval, so this is an
    order of magnitude. None for a count that is not known, and for no difference at all.
    """
    if not count or not difference:
        return None
    return math.ceil(min(count * (half / difference) ** 2, 1e15))


def rounded(count: int) -> int:
    """Two digits, rounded up: 734 -> 740."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def _images(score: Score) -> int | None:
    """How many images a score is of, from its basis."""
    for key in ("reference images", "held-out images"):
        count = score.basis.get(key)
        if isinstance(count, int):
            return count
    return None
