"""What a rule says of a course, and what several rules ask of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from genarium.training.monitors.course import Course

LASTS = 3  # readings in a row in which something must hold
BEFORE = 2  # readings that the last ones are compared with
STILL_FALLS = 0.05  # of what a loss has fallen in all, from some readings to the next ones
STILL_BETTER = 0.03  # from some readings to the next ones: what gets so much better is not settled


@dataclass(frozen=True)
class Sign:
    """How much a course looks like a diagnosis. evidence: why, in words."""

    score: float
    evidence: str
    numbers: Mapping[str, float]


Rule = Callable[[Course], Sign | None]


def changes(course: Course, name: str) -> float:
    """The mean of the last readings less that of some before them; NaN for too few."""
    values = course.last(name, LASTS + BEFORE)
    if not values:
        return math.nan
    return sum(values[BEFORE:]) / LASTS - sum(values[:BEFORE]) / BEFORE


def learns(course: Course) -> bool:
    """Whether the held-out loss still falls: what samples are like is not settled then."""
    values = [v for _, v in course.of("loss/heldout")]
    if len(values) < LASTS + BEFORE:
        return bool(values)
    gain = -changes(course, "loss/heldout")
    return gain > STILL_FALLS * max(max(values) - values[-1], 1e-12)
