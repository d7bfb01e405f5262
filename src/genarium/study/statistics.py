"""Error rates of people, with intervals: pure functions on arrays.

Shapes: A answers · P participants · J pictures of one kind · B bootstrap draws
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium.evaluation import tails
from genarium.evaluation.scores import score as scores

REAL = -1
LEVEL = 0.95
LEAST = 20
"""Answers of a staircase from which on its threshold is read."""


class Interval(NamedTuple):
    """An estimate between the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgements:
    """Answers to pictures. participant, picture: [A] any integers that identify them. model:
    [A], `REAL` for real pictures. wrong: [A] bool, fakes taken for real and reals for fakes."""

    participant: NDArray[np.int64]
    picture: NDArray[np.int64]
    model: NDArray[np.int64]
    wrong: NDArray[np.bool_]


class Rates(NamedTuple):
    """Fractions of wrong answers.

    fake[m]: of the pictures of model m, how many answers took them for real. real: of the real
    pictures, how many took them for fake. hype[m]: their mean, HYPE∞'s human error over as many
    fakes as reals; 0.5 is chance. difference[a, b]: fake[a] − fake[b].
    """

    fake: dict[int, Interval]
    real: Interval
    hype: dict[int, Interval]
    difference: dict[tuple[int, int], Interval]


def wilson(wrong: int, answers: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction of independent answers."""
    if answers == 0:
        return 0.0, 1.0
    return scores.wilson(wrong / answers, answers)


def rates(judgements: Judgements, models: int, draws: int = 2000, seed: int = 0) -> Rates:
    """Error rates of `models` models with 95 % intervals.

    People differ and so do pictures: answers of one person have something in common, and so have
    answers to one picture. A bootstrap draw therefore takes participants with replacement, and
    for each kind of picture the pictures, and adds what both do to the rate. Either holds the
    chance in single answers once, so the sum is shrunk to the variance of two-way clustering,
    V = V_participants + V_pictures − V_answers (A. C. Cameron, J. B. Gelbach and D. L. Miller,
    "Robust inference with multiway clustering", 2011). For few participants or pictures each
    part is widened by √(n / (n − 1)) · t / z, as Student's t widens the normal interval.

    Where almost no answer is wrong (or right) no draw shows more, so an interval is also never
    narrower than that of as many independent answers (Wilson; sums and differences by MOVER).
    A kind without answers has NaN, between the least and the largest possible value.
    """
    generator = np.random.default_rng(seed)
    people, participant = np.unique(judgements.participant, return_inverse=True)
    times = _resampled(len(people), draws, generator)  # [B,P]
    kinds = {}
    for kind in (REAL, *range(models)):
        mine = judgements.model == kind
        one = (participant[mine], judgements.picture[mine], judgements.wrong[mine])
        kinds[kind] = _kind(*one, times, generator)
    return Rates(
        fake={m: _interval(kinds, {m: 1.0}, (0.0, 1.0)) for m in range(models)},
        real=_interval(kinds, {REAL: 1.0}, (0.0, 1.0)),
        hype={m: _interval(kinds, {m: 0.5, REAL: 0.5}, (0.0, 1.0)) for m in range(models)},
        difference={
            (a, b): _interval(kinds, {a: 1.0, b: -1.0}, (-1.0, 1.0))
            for a in range(models)
            for b in range(a + 1, models)
        },
    )


class _Kind(NamedTuple):
    """One kind of pictures. rate: fraction of wrong answers. people, pictures: what drawing the
    participants or the pictures again does to it, [B], NaN where a draw has no answer. widths:
    the small-number factors of the two. variance: of the rate, were all answers independent.
    single: the interval in that case."""

    rate: float
    people: NDArray[np.float64]
    pictures: NDArray[np.float64]
    widths: tuple[float, float]
    variance: float
    single: tuple[float, float]


def _kind(
    participant: NDArray[np.int64],
    picture: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    times: NDArray[np.int64],
    generator: np.random.Generator,
) -> _Kind:
    answers = len(wrong)
    single = wilson(int(wrong.sum()), answers)
    if not answers:
        nothing = np.full(len(times), np.nan)
        return _Kind(float("nan"), nothing, nothing, (1.0, 1.0), 0.0, single)
    pictures, column = np.unique(picture, return_inverse=True)
    often = _resampled(len(pictures), len(times), generator)  # [B,J]
    rate = float(wrong.mean())
    return _Kind(
        rate,
        _moved(times, participant, wrong, rate),
        _moved(often, column, wrong, rate),
        (_width(len(np.unique(participant))), _width(len(pictures))),
        rate * (1 - rate) / answers,
        single,
    )


def _interval(
    kinds: dict[int, _Kind], weights: dict[int, float], limits: tuple[float, float]
) -> Interval:
    """The weighted sum of the rates of some kinds."""
    parts = [(weight, kinds[kind]) for kind, weight in weights.items()]
    value = float(sum(w * k.rate for w, k in parts))
    plain, moved = [], []
    for axis, name in enumerate(("people", "pictures")):
        plain.append(np.sum([w * getattr(k, name) for w, k in parts], axis=0))
        moved.append(np.sum([w * getattr(k, name) * k.widths[axis] for w, k in parts], axis=0))
    finite = np.isfinite(plain).all(0)
    if not np.isfinite(value) or not finite.any():
        return Interval(float("nan"), *limits)
    both = sum(float(each[finite].var()) for each in plain)
    twice = sum(w**2 * k.variance for w, k in parts)
    shrunk = np.sqrt(max(0.0, 1 - twice / both)) if both > 0 else 1.0
    sample = np.sum(moved, axis=0)[finite] * shrunk
    low, high = value + np.quantile(sample, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    below, above = _mover(parts)
    low, high = min(low, value - below), max(high, value + above)
    return Interval(value, max(limits[0], float(low)), min(limits[1], float(high)))


def _resampled(n: int, draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """How often each of n things is among n drawn with replacement, [draws, n]."""
    if n == 0:
        return np.zeros((draws, 0), dtype=np.int64)
    return generator.multinomial(n, np.full(n, 1 / n), size=draws)


def _moved(
    often: NDArray[np.int64], group: NDArray[np.int64], wrong: NDArray[np.bool_], rate: float
) -> NDArray[np.float64]:
    """How far the rate moves when each group of answers counts `often` [B, groups] times, [B]."""
    answers = often @ np.bincount(group, minlength=often.shape[1])
    errors = often @ np.bincount(group, weights=wrong, minlength=often.shape[1])
    result: NDArray[np.float64] = errors / np.where(answers > 0, answers, np.nan) - rate
    return result


def _width(n: int) -> float:
    """How much wider an interval from n groups must be than one from very many."""
    if n < 2:
        return 1.0
    return float(np.sqrt(n / (n - 1)) * tails.student_quantile(n - 1, (1 + LEVEL) / 2) / scores.Z)


def _mover(parts: Sequence[tuple[float, _Kind]]) -> tuple[float, float]:
    """How far a weighted sum of independent fractions reaches below and above its value (G. Zou
    and A. Donner's method of variance estimates recovery, from the fractions' own intervals)."""
    below = above = 0.0
    for weight, kind in parts:
        low, high = kind.single
        down, up = kind.rate - low, high - kind.rate
        if weight < 0:
            down, up = up, down
        below += (weight * down) ** 2
        above += (weight * up) ** 2
    return float(np.sqrt(below)), float(np.sqrt(above))


def threshold(exposures: Sequence[float]) -> float | None:
    """Where a staircase settled, in ms: the mean exposure of its second half.

    At that exposure three of four answers are right. None for fewer than `LEAST` exposures.
    """
    if len(exposures) < LEAST:
        return None
    return float(np.mean(exposures[len(exposures) // 2 :]))


def mean_interval(values: Sequence[float], draws: int = 2000, seed: int = 0) -> Interval:
    """The mean over participants, with the bootstrap interval; without ends for one alone."""
    if not values:
        return Interval(float("nan"), float("nan"), float("nan"))
    array = np.asarray(values, dtype=float)
    if len(array) == 1:
        return Interval(float(array[0]), float("nan"), float("nan"))
    rows = np.random.default_rng(seed).integers(len(array), size=(draws, len(array)))
    low, high = np.quantile(array[rows].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(array.mean()), float(low), float(high))
