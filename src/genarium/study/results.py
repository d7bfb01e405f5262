"""From answers to results: who counts, the error rates, thresholds and pictures; JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from genarium.study.manifest import Manifest, Picture
from genarium.study.statistics import (
    REAL,
    Interval,
    Judgements,
    Rates,
    mean_interval,
    rates,
    threshold,
)
from genarium.study.store import Row

ATTENTIVE = 0.75
"""The share of attention checks that a participant must pass to be counted."""

LATE_MS = 25.0
"""A picture that stood this much longer or shorter than planned counts as shown late."""


@dataclass(frozen=True)
class Participant:
    """What one participant did. checks, passed: attention checks answered, and rightly."""

    number: int
    answers: int
    right: int
    checks: int
    passed: int
    finished: bool
    response_ms: float

    @property
    def attentive(self) -> bool:
        """Whether enough attention checks were passed (or none was reached)."""
        return self.passed >= ATTENTIVE * self.checks


@dataclass(frozen=True)
class PictureRate:
    """How one picture was judged. called_real: of `answers` that many."""

    picture: Picture
    answers: int
    called_real: int

    @property
    def share(self) -> float:
        """The rule of succession, (called_real + 1) / (answers + 2): 1 of 1 ranks below 9 of 10."""
        return (self.called_real + 1) / (self.answers + 2)


@dataclass(frozen=True)
class Results:
    """A study's answers, and what follows from them.

    rows: all trials of all participants. keep_inattentive: count participants who failed the
    attention checks as well. Practice and attention checks are never part of a rate.
    """

    manifest: Manifest
    rows: Sequence[Row]
    keep_inattentive: bool = False
    draws: int = 2000
    seed: int = 0

    @cached_property
    def participants(self) -> list[Participant]:
        """Those who answered at least one picture after practice."""
        grouped: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            grouped[row.participant].append(row)
        results = []
        for number, mine in grouped.items():
            test = [r for r in mine if r.given and r.trial.kind == "test"]
            checks = [r for r in mine if r.given and r.trial.kind == "check"]
            if test:
                results.append(
                    Participant(
                        number,
                        len(test),
                        sum(r.right for r in test),
                        len(checks),
                        sum(r.right for r in checks),
                        all(r.given for r in mine),
                        float(np.median([r.given.response_ms for r in test if r.given])),
                    )
                )
        return results

    @cached_property
    def counted(self) -> list[Participant]:
        """Those whose answers the rates are made of."""
        return [p for p in self.participants if p.attentive or self.keep_inattentive]

    @cached_property
    def answers(self) -> list[Row]:
        """The judged pictures of the participants who count."""
        numbers = {participant.number for participant in self.counted}
        return [
            row
            for row in self.rows
            if row.given and row.trial.kind == "test" and row.participant in numbers
        ]

    @cached_property
    def rates(self) -> Rates:
        """The error rates of the models."""
        known = {p.name: (i, p.model) for i, p in enumerate(self.manifest.pictures)}
        entries = [known[row.trial.picture or ""] for row in self.answers]
        models = [REAL if model is None else model for _, model in entries]
        judgements = Judgements(
            np.array([row.participant for row in self.answers], dtype=np.int64),
            np.array([number for number, _ in entries], dtype=np.int64),
            np.array(models, dtype=np.int64),
            np.array([not row.right for row in self.answers], dtype=np.bool_),
        )
        return rates(judgements, len(self.manifest.models), self.draws, self.seed)

    @cached_property
    def thresholds(self) -> dict[int, Interval]:
        """Of each model in the timed mode: mean over participants of where the staircase settled.

        Left out: models whose staircases are all too short.
        """
        exposures: dict[tuple[int, int], list[float]] = defaultdict(list)
        for row in self.answers:
            if row.given and row.given.exposure_ms is not None and row.trial.block is not None:
                exposures[row.trial.block, row.participant].append(row.given.exposure_ms)
        results = {}
        for model in range(len(self.manifest.models)):
            settled = [threshold(each) for (m, _), each in exposures.items() if m == model]
            values = [value for value in settled if value is not None]
            if values:
                results[model] = mean_interval(values, self.draws, self.seed)
        return results

    @cached_property
    def late(self) -> int:
        """Timed answers whose picture stood clearly longer or shorter than planned."""
        return sum(
            abs(row.given.shown_ms - row.given.exposure_ms) > LATE_MS
            for row in self.answers
            if row.given and row.given.shown_ms is not None and row.given.exposure_ms is not None
        )

    @cached_property
    def pictures(self) -> list[PictureRate]:
        """Every picture that was judged, in the order of the manifest."""
        answers: dict[str, list[bool]] = defaultdict(list)
        for row in self.answers:
            if row.given and row.trial.picture:
                answers[row.trial.picture].append(row.given.answer == "real")
        return [
            PictureRate(picture, len(answers[picture.name]), sum(answers[picture.name]))
            for picture in self.manifest.pictures
            if picture.name in answers
        ]

    def convincing(self, model: int, most: int) -> list[PictureRate]:
        """The fakes of a model that were most often taken for real."""
        mine = [rate for rate in self.pictures if rate.picture.model == model]
        return sorted(mine, key=lambda rate: (-rate.share, rate.picture.row))[:most]

    def doubted(self, most: int) -> list[PictureRate]:
        """The real pictures that were most often taken for fake."""
        mine = [rate for rate in self.pictures if rate.picture.model is None]
        return sorted(mine, key=lambda rate: (rate.share, rate.picture.row))[:most]

    def verdicts(self) -> list[str]:
        """For each two models, whose fakes are taken for real more often, if that is decided."""
        results = []
        for (a, b), (value, low, high) in self.rates.difference.items():
            better, worse = (b, a) if value < 0 else (a, b)
            first, second = self.manifest.models[better].name, self.manifest.models[worse].name
            if value < 0:
                value, low, high = -value, -high, -low
            if not math.isfinite(value) or low <= 0:
                words = f"cannot tell {first} from {second}"
            else:
                words = f"{first} is taken for real more often than {second}"
            if math.isfinite(value):
                ends = f"{100 * low:.1f} to {100 * high:.1f}".replace("-", "−")
                words += f": by {100 * value:.1f} points, {ends}"
            results.append(words)
        return results

    # ------------------------------------------------------------------ files

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; rates are fractions, None where there are no answers."""
        by_model = {
            model.name: {
                "recipe": model.recipe,
                "step": model.step,
                "fake": _plain(self.rates.fake[m]),
                "hype": _plain(self.rates.hype[m]),
                "threshold_ms": _plain(self.thresholds[m]) if m in self.thresholds else None,
            }
            for m, model in enumerate(self.manifest.models)
        }
        return {
            "study": self.manifest.id,
            "title": self.manifest.title,
            "mode": self.manifest.mode,
            "data": dict(self.manifest.data),
            "participants": len(self.participants),
            "counted": len(self.counted),
            "answers": len(self.answers),
            "late": self.late,
            "real": _plain(self.rates.real),
            "models": by_model,
            "verdicts": self.verdicts(),
        }

    def answers_csv(self) -> str:
        """Every answer, a line each, practice and attention checks too."""
        known = self.manifest.by_name
        attentive = {p.number: p.attentive for p in self.participants}
        lines = [
            (
                row.participant,
                int(attentive.get(row.participant, True)),
                row.position,
                row.trial.kind,
                row.trial.picture or "",
                row.trial.wanted,
                self._model(known.get(row.trial.picture or "")),
                row.given.answer,
                int(row.right),
                _ms(row.given.response_ms),
                _ms(row.given.exposure_ms),
                _ms(row.given.shown_ms),
            )
            for row in self.rows
            if row.given
        ]
        heads = (
            "participant,attentive,position,kind,picture,truth,model,answer,right,"
            "response_ms,exposure_ms,shown_ms"
        )
        return _csv(heads, lines)

    def pictures_csv(self) -> str:
        """Every judged picture, a line each."""
        lines = [
            (
                rate.picture.name,
                rate.picture.truth,
                self._model(rate.picture),
                rate.picture.row,
                rate.answers,
                rate.called_real,
                f"{rate.called_real / rate.answers:.4f}",
            )
            for rate in self.pictures
        ]
        return _csv("picture,truth,model,row,answers,called_real,share_real", lines)

    def _model(self, picture: Picture | None) -> str:
        if picture is None or picture.model is None:
            return ""
        return self.manifest.models[picture.model].name


def _plain(interval: Interval) -> dict[str, float | None]:
    return {k: v if math.isfinite(v) else None for k, v in interval._asdict().items()}


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _csv(heads: str, lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads.split(","))
    writer.writerows(lines)
    return text.getvalue()
