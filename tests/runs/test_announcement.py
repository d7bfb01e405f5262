"""What a training says at its start, and what it keeps of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from genarium.runs.announcement import Announcement, duration, networks, plan, short
from genarium.runs.folder import RunFolder
from genarium.training import log
from genarium.training.pace import SHORT
from genarium.training.trainer import Trainer
from tests.conftest import make_trainer, tiny_dataset


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def note(self, text: str) -> None:
        self.lines.append(text)


def told(
    folder: Path, step_seconds: float, steps: int, upto: int, *, sample: float = 0.0
) -> tuple[list[str], Trainer]:
    """What is said in the first `upto` steps, each of which takes so long."""
    trainer = make_trainer("dcgan", tiny_dataset(), steps=steps)
    notes = Notes()
    watcher = Announcement("dcgan", tiny_dataset(), {"width": 64})
    folder.mkdir(exist_ok=True)
    trainer.attach(folder, notes, lambda model, step: None, [watcher])  # type: ignore[arg-type]
    pace, grids = trainer.intervals.pace, trainer.intervals.grids
    for step in range(upto):
        trainer.step, trainer.seconds = step + 1, (step + 1) * step_seconds
        pace.stepped(step, step_seconds)
        grids.trained(step_seconds)
        if grids.due(step + 1):
            pace.pause("samples", sample)
            grids.took(step + 1, sample)
        watcher(trainer)
    return notes.lines, trainer


def test_a_long_training_says_how_long(tmp_path: Path) -> None:
    lines, _ = told(tmp_path, 6.0, 5000, 4)
    assert lines[0].startswith("training dcgan on tiny: 64 training images of 16x16, grey; ")
    assert lines[1].startswith("5,000 steps (625.0 epochs), 8 images a step; cpu, ")
    assert lines[2].startswith("this takes about 8 h 20 min (6 s a step")
    assert "ten minutes are about 100 steps (--minutes 10 or --steps 100)" in lines[2]
    assert "--width 32 or --preset quick" in lines[2]
    assert len(lines) == 3
    (row,) = log.read(tmp_path / "metrics.jsonl")
    assert row["event"] == "estimate"
    assert row["seconds"] == pytest.approx(30_000, rel=0.01)


def test_a_slow_first_step_is_explained_at_once(tmp_path: Path) -> None:
    lines, _ = told(tmp_path, 6.0, 5000, 1)
    assert len(lines) == 2


def test_a_training_of_seconds_says_nothing(tmp_path: Path) -> None:
    lines, _ = told(tmp_path, 0.1, int(SHORT / 0.1) - 50, 100)
    assert lines == []
    assert log.read(tmp_path / "metrics.jsonl") == []
    lines, _ = told(tmp_path, 0.1, int(SHORT / 0.1) + 50, 100)
    assert len(lines) == 3


def test_sample_grids_are_part_of_it(tmp_path: Path) -> None:
    lines, _ = told(tmp_path, 0.5, 400, 20, sample=10.0)
    # at 10, 50, 100, 200, and the end; at 20 drawing takes longer than the training since
    assert "about 4 min (0.5 s a step, 50 s for sample grids)" in lines[2]


def test_a_cost_that_nobody_knew_is_said_once(tmp_path: Path) -> None:
    lines, trainer = told(tmp_path, 0.5, 2000, 20)
    watcher = trainer.intervals.watchers[0]
    trainer.intervals.pace.pause("checkpoint", 1.0)  # four of them: 4 s of 1,000
    watcher(trainer)
    assert len(lines) == 3
    trainer.best.options = type("O", (), {"keep_best": True})()
    trainer.intervals.pace.pause("score", 100.0)
    watcher(trainer)
    watcher(trainer)
    assert "400 s for scores" in lines[3] or "7 min for scores" in lines[3]
    assert len(lines) == 4
    assert len(log.read(tmp_path / "metrics.jsonl")) == 2


def test_a_limit_in_minutes_says_how_many_steps(tmp_path: Path) -> None:
    trainer = make_trainer("dcgan", tiny_dataset(), steps=None, minutes=5)
    for step in range(10):
        trainer.intervals.pace.stepped(step, 1.0)
    result = trainer.intervals.pace.estimate(10, 10.0)
    assert result.steps == 300
    assert plan("dcgan", tiny_dataset(), trainer)[1].startswith("5 minutes, 8 images a step")


def test_words() -> None:
    assert [duration(s) for s in (3.21, 40, 100, 5400, 30_000, 3 * 86_400)] == [
        "3.2 s",
        "40 s",
        "2 min",
        "1 h 30 min",
        "8 h 20 min",
        "3 days",
    ]
    assert [short(n) for n in (950, 12_100, 6_342_340, 2 * 10**9)] == [
        "950",
        "12.1 k",
        "6.34 M",
        "2 G",
    ]
    trainer = make_trainer("dcgan", tiny_dataset())
    count = sum(p.numel() for p in trainer.model.parameters())
    assert networks(trainer.model).startswith(f"{short(count)} parameters (generator ")


def test_python_has_the_estimate(tmp_path: Path) -> None:
    import genarium

    run = genarium.train(
        "dcgan", tiny_dataset(), out=tmp_path / "run", steps=2, batch=8, width=2, device="cpu"
    )
    assert run.estimate is None
    log.Log(RunFolder(run.path).metrics).write({"step": 1, "event": "estimate", "seconds": 90.0})
    assert run.estimate is not None
    assert run.estimate["seconds"] == 90.0
