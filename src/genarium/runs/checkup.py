"""What is wrong with a run: what its training noted, and what a look at the model shows now."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genarium.runs import inputs
from genarium.runs.folder import RunFolder
from genarium.runs.trained import Trained
from genarium.runs.watching import Copies, heldout_of, tensors_of
from genarium.training import log
from genarium.training.engine import Engine
from genarium.training.monitors import course as courses
from genarium.training.monitors import rules, signs
from genarium.training.monitors.course import Course, Reading
from genarium.training.monitors.diagnosis import Diagnosis, said
from genarium.training.monitors.fixed import MOST
from genarium.training.monitors.probes import Probes

if TYPE_CHECKING:
    from genarium.data import Dataset

Run = Trained | str | os.PathLike[str]
LOOKS = 6
"""Each at other images and other noise; their mean is what is measured."""
OF_A_SERIES = {"sample/motion", "sample/shift"}
"""What compares samples of the same noise with earlier ones: there are none here."""


@dataclass(frozen=True)
class Checkup:
    """diagnoses: in the order of their steps. passed: names of those that hold no longer at the
    end. readings: of the training, then what was measured now."""

    folder: RunFolder
    diagnoses: list[Diagnosis]
    passed: tuple[str, ...]
    readings: list[dict[str, Any]]


def folder_of(run: Run) -> RunFolder:
    """The folder of a run, which may be in training and have no checkpoint yet."""
    return run.folder if isinstance(run, Trained) else RunFolder.open(inputs.path(run, "run"))


def noted(run: Run) -> Checkup:
    """What the training noted; nothing of the model is computed."""
    folder = folder_of(run)
    rows = log.read(folder.metrics)
    course = courses.of_rows(rows, _ended(folder, rows))
    now = {each.name for each in rules.diagnoses(course)}
    notes = said(rows)
    passed = tuple(each.name for each in notes if each.name not in now)
    readings = [row for row in rows if row.get("event") == courses.EVENT]
    return Checkup(folder, notes, passed, readings)


def measured(
    trained: Trained, n: int, seed: int, progress: Callable[[str, int, int], None]
) -> Checkup:
    """The same, and what a look at the model and its data shows: also of runs of versions that
    measured nothing in training, and with more images. n: samples."""
    before = noted(trained)
    dataset = trained.dataset()
    rows = log.read(trained.folder.metrics)
    ended = _ended(trained.folder, rows)
    look = _look(trained, dataset, n, seed, progress)
    # by itself: what was read in training is of other images. Nothing changes any more, so it is
    # what each of the last readings would have been
    steady = [look] * (signs.LASTS + signs.BEFORE)
    course = courses.of_rows(rows)
    of_now = Course(steady, course.losses, course.rollbacks, ended, course.rates)
    known = {each.name for each in before.diagnoses}
    of_model = rules.diagnoses(of_now)
    new = [each for each in of_model if each.name not in known]
    passed = tuple(name for name in before.passed if name not in {d.name for d in of_model})
    now = {"step": look.step, "event": courses.EVENT, "values": dict(look.values)}
    return Checkup(trained.folder, [*before.diagnoses, *new], passed, [*before.readings, now])


def _look(
    trained: Trained,
    dataset: Dataset,
    n: int,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> Reading:
    """What is measured of the model and its data, the mean of `LOOKS`."""
    engine = Engine(str(trained.device.type), "fp32")
    train = tensors_of(dataset.train, dataset.spec)
    probes = Probes(trained.model, train, heldout_of(dataset), engine, seed)
    pictures = min(dataset.spec.shape[1:]) > 2
    parts = _samples(trained, n, seed, progress)
    each: dict[str, list[float]] = {}
    for look in range(LOOKS):
        progress("looks", look, LOOKS)
        with probes.looking():
            values = {
                **probes.losses(trained.step, look),
                **probes.judgement(look),
                **probes.codes(look),
                **probes.norms(look),
            }
        if parts:
            values |= probes.samples(parts[look % len(parts)])
        for name, value in values.items():
            if math.isfinite(value) and name not in OF_A_SERIES:
                each.setdefault(name, []).append(value)
    result = {name: sum(values) / len(values) for name, values in each.items()}
    if pictures:
        result |= probes.data()
    if parts and pictures and len(dataset.validation):
        drawn = torch.cat(parts)
        copies = Copies(dataset, lambda model, n: drawn[:n], len(drawn), len(dataset.train))
        result |= copies(trained.model)
    return Reading(trained.step, 1.0, result)


def _samples(
    trained: Trained, n: int, seed: int, progress: Callable[[str, int, int], None]
) -> list[torch.Tensor]:
    """Samples in parts of as many as a look takes; of a conditional model of all its classes."""
    if "sample" not in trained.capabilities or trained.model.conditioned_on:
        return []
    labels = None
    if trained.model.conditional and trained.spec.classes:
        labels = torch.arange(n) % len(trained.spec.classes)
    drawn = trained.sample(n, seed, labels, progress=lambda done, of: progress("samples", done, of))
    return list(drawn.split(MOST))


def _ended(folder: RunFolder, rows: list[dict[str, Any]]) -> bool:
    """Whether the run's budget is used."""
    training = folder.config(accept_changes=True).training
    last = next((row for row in reversed(rows) if "epoch" in row), None)
    if last is None:
        return False
    minutes = training.get("minutes")
    limits = (
        (training.get("steps"), last["step"]),
        (training.get("epochs"), last["epoch"]),
        (60 * minutes if minutes else None, last["seconds"]),
    )
    return any(limit and reached >= limit for limit, reached in limits)
