"""Monitors: their measures are right, they change nothing, cost what they may, and say once."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import genarium
from genarium.contract import Judges
from genarium.runs.watching import heldout_of, monitor_of
from genarium.training import log
from genarium.training.monitors import course as courses
from genarium.training.monitors import measures, monitor, rules
from genarium.training.monitors.course import Course, Reading
from genarium.training.monitors.diagnosis import KINDS, of_kind, said
from genarium.training.monitors.monitor import SHARES, Monitor
from genarium.training.monitors.probes import Probes
from genarium.training.monitors.thresholds import THRESHOLDS
from genarium.training.trainer import Trainer
from tests.conftest import make_trainer, tiny_dataset

# ------------------------------------------------------------------------------------ measures


def test_auc_is_the_share_of_right_pairs_on_any_scale() -> None:
    a, b = torch.tensor([0.5, 2.0, 3.0]), torch.tensor([1.0, 2.0])
    pairs = [(x > y) + 0.5 * (x == y) for x, y in itertools.product(a.tolist(), b.tolist())]
    assert measures.auc(a, b) == pytest.approx(sum(pairs) / len(pairs))
    assert measures.auc((5 * a).exp(), (5 * b).exp()) == measures.auc(a, b)
    assert measures.auc(a, a) == 0.5
    assert measures.auc(b, a) == pytest.approx(1 - measures.auc(a, b))


def test_the_gap_is_in_standard_deviations() -> None:
    a = torch.tensor([1.0, 3.0])  # deviation √2
    assert measures.gap(a + 4, a) == pytest.approx(4 / math.sqrt(2))
    assert measures.gap(10 * (a + 4) - 7, 10 * a - 7) == pytest.approx(4 / math.sqrt(2))


def test_distances_of_sets() -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 2.0]])  # 2 apart, root mean square
    assert measures.spread(points) == pytest.approx(2.0)
    assert measures.alone(torch.cat([points, points[:1]])).tolist() == [0.0, 2.0, 0.0]
    many = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    # among themselves a set's pairs are of two different ones, between sets of any
    assert measures.energy(many, many) == pytest.approx(-2 / len(many))
    assert measures.energy(many + 3, many) > 1
    shares = measures.histogram(points, torch.tensor([[0.1, 0.0], [9.0, 9.0], [2.0, 2.0]]))
    assert shares.tolist() == [0.5, 0.0, 0.5]
    assert measures.effective(shares) == pytest.approx(2.0)


def test_sharpness_and_what_is_explained() -> None:
    ramp = torch.arange(6.0).expand(2, 1, 6, 6)
    assert measures.sharpness(ramp) == 0.0  # a plane has no Laplacian
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(3, 3)[None, None]
    assert measures.sharpness(board) == pytest.approx(8.0)
    images = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mean = images.mean(0, keepdim=True).expand_as(images)
    assert measures.explained(images, images) == pytest.approx(1.0)
    assert measures.explained(images, mean) == pytest.approx(0.0, abs=1e-6)


# --------------------------------------------------------------------------------- nothing changes


def always(trainer: Trainer, dataset: Any) -> Monitor:
    """A monitor that takes a full reading after each step."""
    watcher = monitor_of(trainer.model, dataset, 0)
    watcher.shares = dict.fromkeys(SHARES, 1e9)
    return watcher


ALIKE: dict[str, dict[str, Any]] = {
    "gan-resize": {"name": "gan", "arguments": {"architecture": "resize", "width": 2}},
    "gan-normed": {"name": "dcgan", "arguments": {"regularizers": ("spectral-norm",)}},
    "adaptive": {"name": "fast-gan", "arguments": {"regularizers": ("diffaugment:flip:adaptive",)}},
    "vae": {"name": "vae", "ema": 0.9},
    "denoising": {"name": "denoising-autoencoder", "arguments": {"net": "conv"}},
    "stacked": {"name": "stacked-autoencoder"},
    "flow-matching": {"name": "flow-matching"},
    "pix2pix": {"name": "pix2pix"},
    "cyclegan": {"name": "cyclegan"},
}


SLOW = {"flow-matching"}


@pytest.mark.parametrize("which", ALIKE)
def test_no_number_of_the_run_changes(which: str) -> None:
    """Weights, buffers, averages, optimizers and losses are equal to the bit."""
    dataset = tiny_dataset()
    results, readings = [], []
    for watched in (True, False):
        trainer = make_trainer(**{**ALIKE[which], "dataset": dataset, "steps": 4, "log_every": 1})
        watcher = always(trainer, dataset)
        if not watched:
            watcher = lambda trainer: None  # type: ignore[assignment] # noqa: E731
        rows: list[dict[str, Any]] = []
        trainer.log.write = lambda row, rows=rows: rows.append(row)  # type: ignore[method-assign]
        trainer.intervals.attach(None, [watcher])
        if which not in SLOW:  # the others' samples take long
            trainer.intervals.pace.costs["samples"] = 0.0
        torch.manual_seed(5)
        trainer.fit()
        results.append((trainer.snapshot(), rows, torch.rand(3), [*trainer.model.modules()]))
        readings.append([row for row in rows if row.get("event") == "reading"])
    (one, rows, drawn, modules), (other, plain, untouched, others) = results
    for part in ("model", "ema", "optim"):
        mine, theirs = getattr(one, part) or {}, getattr(other, part) or {}
        assert mine.keys() == theirs.keys()
        assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []
    logged = [[row["losses"] for row in some if "losses" in row] for some in (rows, plain)]
    assert logged[0] == logged[1]
    assert torch.equal(drawn, untouched)
    assert [m.training for m in modules] == [m.training for m in others]
    assert len(readings[0]) >= 3
    assert not readings[1]
    assert len(readings[0][1]["values"]) >= 4


def test_discriminators_are_asked_through_the_contract() -> None:
    """Every model with two players says what its discriminators make of images."""
    dataset = tiny_dataset()
    judges = {"gan": 1, "dcgan": 1, "wgan": 1, "vae-gan": 1, "pix2pix": 1, "cyclegan": 2}
    for name, count in judges.items():
        trainer = make_trainer(name, dataset, arguments={"packing": 2} if name == "dcgan" else {})
        assert isinstance(trainer.model, Judges), name
        probes = Probes(trainer.model, trainer.data, heldout_of(dataset), trainer.engine, 0)
        with probes.looking():
            seen = probes.judgement(0)
        assert len([key for key in seen if key.endswith("/known")]) == count, name
        assert all(0 <= v <= 1 for k, v in seen.items() if k.endswith(("/known", "/heldout")))
    none = {"gan": 0.0, "patch": 70, "disc_width": 64}
    trainer = make_trainer("pix2pix", dataset, arguments=none)
    probes = Probes(trainer.model, trainer.data, heldout_of(dataset), trainer.engine, 0)
    assert probes.judgement(0) == {}


def test_a_discriminator_that_knows_its_images_shows_in_the_reading() -> None:
    dataset = tiny_dataset()
    trainer = make_trainer("dcgan", dataset)
    trainer.model.judgements = lambda batch: {  # type: ignore[assignment,union-attr,method-assign]
        "discriminator": copy.copy(judged(batch.images, dataset.train.images))
    }
    probes = Probes(trainer.model, trainer.data, heldout_of(dataset), trainer.engine, 0)
    seen = probes.judgement(0)
    assert seen["judge/discriminator/known"] == 1.0
    assert seen["judge/discriminator/heldout"] == 0.5


def judged(images: torch.Tensor, known: torch.Tensor) -> Any:
    from genarium.contract import Judgement

    equal = (images[:, None] == known[None]).flatten(2).all(2).any(1).float()
    return Judgement(equal, torch.zeros_like(equal))


# ------------------------------------------------------------------------------------ cost


class Clock:
    """Processor time that goes on as it is asked to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(costs: dict[str, float], steps: int, every: int = 1) -> tuple[Monitor, list[float]]:
    """A monitor whose parts cost so many seconds, of steps of one second each; and the share that
    it had cost after each step."""
    clock, shares = Clock(), list[float]()
    trainer = make_trainer("dcgan", tiny_dataset(), steps=steps, log_every=every)
    trainer.intervals.pace.costs["samples"] = costs["samples"]

    class Costly(Monitor):
        def _numbers(self, trainer: Trainer) -> dict[str, float]:
            clock.now += costs["numbers"]
            return {}

        def _samples(self, trainer: Trainer) -> dict[str, float]:
            clock.now += costs["samples"]
            return {}

        def _copying(self, trainer: Trainer) -> dict[str, float]:
            clock.now += costs["copying"]
            return {}

    watcher = Costly(None, lambda model: torch.zeros(1), lambda model: {}, clock=clock)
    trainer._since = 0.0
    watcher(trainer)
    for step in range(1, steps):
        trainer.step = step
        clock.now += 1.0
        watcher(trainer)
        shares.append(sum(watcher.spent.values()) / step)
    return watcher, shares


@pytest.mark.parametrize("numbers", [0.1, 3.0, 11.0])
def test_readings_cost_what_they_may(numbers: float) -> None:
    costs = {"numbers": numbers, "samples": 2.0, "copying": 30.0}
    watcher, shares = counted(costs, 16_000, every=4)
    # what was dearer than it was taken for is over after the wait that it makes necessary
    assert max(shares[1000 if numbers > 3 else 0 :]) <= 0.03
    for part, share in SHARES.items():  # none lives on what the others left
        assert watcher.spent[part] <= share * 16_000
    # and what is allowed is used: each part as often as it can be
    assert watcher.spent["samples"] >= 0.9 * SHARES["samples"] * 16_000
    assert watcher.spent["numbers"] >= 0.9 * SHARES["numbers"] * 16_000 or numbers < 1
    assert watcher.spent["copying"] == 30.0


def test_what_is_dear_comes_seldom_and_evenly() -> None:
    watcher, _ = counted({"numbers": 12.0, "samples": 1e9, "copying": 1e9}, 9000)
    steps = [reading.step for reading in watcher.readings]
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert len(steps) == 8
    assert {*gaps[1:]} == {1000}
    assert not any(watcher.spent[part] for part in ("samples", "copying"))


# ------------------------------------------------------------------------------------ runs


TINY: dict[str, Any] = {"width": 2, "batch": 8, "device": "cpu", "log_every": 2}


def test_a_run_that_goes_on_reads_on_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "SHARES", dict.fromkeys(SHARES, 1e9))
    data = tiny_dataset(size=16)
    whole = genarium.train("dcgan", data, out=tmp_path / "whole", steps=8, **TINY)
    parts = genarium.train("dcgan", data, out=tmp_path / "parts", steps=4, **TINY)
    genarium.resume(tmp_path / "parts", data=data, steps=8)
    parts = genarium.load(tmp_path / "parts")
    mine, theirs = whole.model.state_dict(), parts.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    rows = [[r for r in run.history() if r.get("event") == "reading"] for run in (whole, parts)]
    assert [r["step"] for r in rows[0]] == [r["step"] for r in rows[1]] == [2, 4, 6, 8]
    assert rows[1][-1]["trained"] > rows[1][1]["trained"] > 0
    assert rows[1][-1]["spent"]["numbers"] > rows[1][1]["spent"]["numbers"]
    assert "data/range" in rows[1][0]["values"]
    assert "data/range" not in rows[1][2]["values"]
    growth = [r["values"]["player/generator/growth"] for r in (rows[0][-1], rows[1][-1])]
    assert growth[0] == growth[1]
    off = genarium.train("dcgan", data, out=tmp_path / "off", steps=8, monitor=False, **TINY)
    assert not [r for r in off.history() if r.get("event")]
    others = off.model.state_dict()
    assert all(torch.equal(mine[name], others[name]) for name in mine)


class Lines:
    """A progress that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def update(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_diagnosis_is_said_once_in_progress_and_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "SHARES", dict.fromkeys(SHARES, 1e9))
    data = tiny_dataset(size=16)
    data = dataclasses.replace(data, train=copy.copy(data.train))
    data.train.images = data.train.images // 32  # 0 to 7 of 255
    lines = Lines()
    run = genarium.train("dcgan", data, out=tmp_path / "run", steps=6, progress=lines, **TINY)
    mine = [note for note in lines.notes if "the values use a small part" in note]
    assert len(mine) == 1
    assert mine[0].startswith("failure: ")
    assert "--range" in mine[0]
    notes = [each for each in said(run.history()) if each.name == "data-scale"]
    assert len(notes) == 1
    assert notes[0].step == 2
    assert 0 < notes[0].numbers["range"] < 0.05
    assert log.read(run.path / "metrics.jsonl")[-1]["step"] == 6


def test_the_notes_of_a_rollback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is not finite: said at once, and readings that were thrown away are gone."""
    monkeypatch.setattr(monitor, "SHARES", dict.fromkeys(SHARES, 1e9))
    trainer = make_trainer("vae", tiny_dataset(), steps=6, log_every=1)
    watcher = always(trainer, tiny_dataset())
    failed = []

    def broken(result: Any, step: Any = trainer.model.step) -> Any:
        def call(batch: Any, phase: str) -> Any:
            value = step(batch, phase)
            if trainer.step == 4 and not failed and trainer.model.training:
                failed.append(True)
                value.losses["rate"] *= math.nan
            return value

        return call

    trainer.model.step = broken(None)  # type: ignore[method-assign]
    trainer.attach(tmp_path, None, None, [watcher])
    trainer.fit()
    assert trainer.rollbacks == 1
    assert [r.step for r in watcher.readings][-5:] == [2, 3, 4, 5, 6]
    assert "diverging" in {each.name for each in said(log.read(tmp_path / "metrics.jsonl"))}


def test_processes_that_meet_are_not_asked_for_a_pass(dataset: Any) -> None:
    """Of several processes only the first has a monitor, and a forward pass may wait for others."""
    trainer = make_trainer("dcgan", dataset, steps=2, log_every=1)
    watcher = always(trainer, dataset)
    trainer.intervals.attach(None, [watcher])
    trainer.engine.any = lambda flag: flag  # type: ignore[method-assign]
    trainer.engine.average = lambda parameters: None  # type: ignore[method-assign]
    trainer.engine.mean = lambda values: values  # type: ignore[method-assign]
    trainer.engine.wait = lambda: None  # type: ignore[method-assign]
    trainer.engine.world = 2
    trainer.model.judgements = None  # type: ignore[assignment]
    trainer.fit()
    names = {name for reading in watcher.readings for name in reading.values}
    assert "player/generator/gradient" in names
    assert not [name for name in names if name.startswith(("judge/", "norm/"))]


# ------------------------------------------------------------------------------------ rules


def course(count: int = 8, *, losses: Any = (), ended: bool = False, **values: Any) -> Course:
    """Readings at 100, 200, ...: each value a number, or a function of the reading's number."""
    readings = [
        Reading(
            100 * (i + 1),
            (i + 1) / count,
            {k.replace("__", "/"): float(v(i) if callable(v) else v) for k, v in values.items()},
        )
        for i in range(count)
    ]
    return Course(readings, losses, 0, ended)


D = "judge__discriminator__"
WRONG: dict[str, Course] = {
    "data-constant": course(data__spread=1e-4, data__distinct=1.0, data__range=0.8),
    "data-scale": course(data__range=0.01),
    "diverging": course(player__vae__growth=lambda i: 20.0, code__explained=-0.5, code__kl=50.0),
    "no-progress": course(16, loss__heldout=lambda i: 50 + abs(i - 2)),
    "schedule-too-short": course(
        ended=True, losses=[(10 * i, 500.0 - 10 * i) for i in range(1, 30)]
    ),
    "discriminator-saturated": course(**{D + "heldout": 1.0, D + "gap": 30.0}),
    "discriminator-overfit": course(**{D + "heldout": 0.9, D + "known": 0.99, D + "images": 64}),
    "mode-collapse": course(sample__diversity=0.02, sample__modes=0.04),
    "repetition": course(sample__repeats=1.0),
    "oscillation": course(sample__modes=0.05, sample__shift=1.0),
    "posterior-collapse": course(code__explained=0.0, code__kl=0.001, code__sharpness=0.2),
    "over-regularised": course(code__explained=0.0, code__kl=5.0, code__sharpness=0.2),
    "dead-latents": course(code__dead=0.97, code__latents=32),
    "copying": course(copying__evidence=8.0, copying__share=0.9),
    "batch-norm": course(norm__gap=5.0),
}
FINE = course(
    16,
    ended=True,
    losses=[(10 * i, 100 + 400 / i**2) for i in range(1, 60)],
    data__spread=0.3,
    data__distinct=1.0,
    data__range=1.0,
    player__vae__growth=lambda i: 1 + i / 100,
    loss__heldout=lambda i: 100 / (i + 1),
    sample__diversity=0.95,
    sample__modes=0.9,
    sample__repeats=0.0,
    sample__shift=0.3,
    sample__motion=0.3,
    code__explained=0.9,
    code__kl=20.0,
    code__sharpness=0.9,
    code__dead=0.1,
    code__latents=32,
    copying__evidence=0.3,
    copying__share=0.0,
    norm__gap=0.02,
    **{D + "heldout": 0.8, D + "gap": 1.0, D + "known": 0.5, D + "images": 64},
)


def test_every_kind_has_a_rule_a_threshold_and_an_example() -> None:
    assert [*KINDS] == [*rules.RULES] == [*THRESHOLDS] == [*WRONG]
    assert {*itertools.chain(*rules.IMPLIED_BY.values()), *rules.IMPLIED_BY} <= {*KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_wrong_is_said_with_its_numbers(name: str) -> None:
    mine = {each.name: each for each in rules.along(WRONG[name])}[name]
    assert any(letter.isdigit() for letter in mine.evidence)
    assert mine.numbers["score"] >= mine.numbers["threshold"]
    assert mine.step >= 100
    assert said([mine.row()]) == [mine]


@pytest.mark.parametrize("name", KINDS)
def test_a_model_without_a_discriminator_gets_no_advice_of_one(name: str) -> None:
    kind, wrong = KINDS[name], WRONG[name]
    judged = bool(rules._judges(wrong))
    mine = {each.name: each for each in rules.along(wrong)}[name]
    assert (mine.remedy, mine.source) == ((not judged and kind.alone) or (kind.remedy, kind.source))
    assert judged or not {"--regularizers", "--packing", "--beta1"} & {*mine.remedy.split()}
    if kind.alone is None:
        return
    judge = {D + "heldout": 0.5, D + "known": 0.5, D + "images": 64}
    again = course(
        **{k.replace("/", "__"): v for k, v in wrong.readings[0].values.items()}, **judge
    )
    assert {each.name: each.remedy for each in rules.along(again)}[name] == kind.remedy


def test_blurred_samples_whose_law_is_near_the_data_s_lack_no_kinds() -> None:
    few: dict[str, Any] = {"sample__diversity": 0.87, "sample__modes": 0.05, "sample__shift": 1.0}
    names = {"mode-collapse", "oscillation"}
    assert {each.name for each in rules.along(course(**few, sample__distance=0.3))} == names
    assert rules.along(course(**few, sample__distance=0.03)) == []


def test_copies_are_found_where_one_of_the_two_tests_can_say_nothing() -> None:
    """Of data with near duplicates the test by 1,000 draws, whose least p-value is 1/1001."""
    said_of = {
        p: [each.name for each in rules.along(course(copying__evidence=p, copying__share=1.0))]
        for p in (2.9, 1.5)
    }
    assert said_of == {2.9: ["copying"], 1.5: []}


def test_samples_that_stand_still_say_nothing_of_a_model_with_a_loss() -> None:
    still: dict[str, Any] = {"sample__motion": 0.0}
    assert "no-progress" in {each.name for each in rules.along(course(**still))}
    falls = course(rules.FEWEST - 1, loss__heldout=lambda i: 100 - i, **still)
    assert rules.no_progress(falls) is None


def test_nothing_is_said_of_a_course_where_nothing_is_wrong() -> None:
    assert rules.along(FINE) == []
    assert [n for n, rule in rules.RULES.items() if rule(FINE) is None] == []


def test_what_still_gets_better_is_not_settled() -> None:
    rising = course(sample__diversity=lambda i: 0.02 + 0.05 * i, sample__modes=lambda i: 0.1 * i)
    assert rules.mode_collapse(rising.upto(600)) is None
    steady = WRONG["mode-collapse"]
    assert rules.mode_collapse(steady.upto(400)) is None  # too few readings
    assert rules.mode_collapse(steady.upto(500)) is not None
    both = {"sample__diversity": 0.02, "sample__modes": 0.04}
    falling = course(**both, loss__heldout=lambda i: 100 - 5 * i)
    fallen = course(**both, loss__heldout=lambda i: 100 / (i + 1) ** 4)
    assert rules.mode_collapse(falling) is None
    assert rules.mode_collapse(fallen) is not None


def test_what_says_more_is_said_alone() -> None:
    both = course(code__explained=0.0, code__kl=0.001, code__dead=1.0, code__latents=8)
    assert [each.name for each in rules.diagnoses(both)] == ["posterior-collapse"]


def test_a_course_is_what_the_log_holds() -> None:
    rows = [
        {"step": 50, "losses": {"vae/kl": 1.0, "vae/distortion": 2.0}},
        {"step": 50, "event": "reading", "used": 0.5, "values": {"a": 1.0}},
        {"step": 60, "event": "rollback", "failed": 70},
        {"step": 90, "losses": {"generator/adversarial": 1.0, "discriminator/d": 2.0}},
        of_kind("copying", 90, "40 %", {"share": 0.4}).row(),
    ]
    made = courses.of_rows(rows)
    assert made.losses[0] == (50, 3.0)
    assert math.isnan(made.losses[1][1])
    assert made.rollbacks == 1
    assert made.of("a") == [(50, 1.0)]
    assert (made.step, made.upto(60).step) == (90, 50)
    assert said([{**rows[-1], "name": "of-a-later-version"}]) == []
