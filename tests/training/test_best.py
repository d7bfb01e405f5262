"""The best checkpoint by a score that is handed in, and the patience for a better one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from genarium.contract import Model
from genarium.errors import UserError
from genarium.training import best, log
from genarium.training import checkpoint as checkpoints
from genarium.training.best import Scored
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer
from tests.training.test_trainer import A, Players, data

VALUES = [5.0, 3.0, 4.0, 3.0, 9.0, 2.0, 7.0, 8.0, 8.0, 8.0]


class Given:
    """A scorer whose values are given, one a checkpoint of two steps."""

    def __init__(self, values: list[float | None]):
        self.values, self.prepared, self.training = values, 0, False
        self.step: Callable[[], int] = lambda: 0

    def prepare(self) -> None:
        self.prepared += 1

    def __call__(self, model: Model) -> Scored:
        self.training |= model.training
        return Scored("error", self.values[self.step() // 2 - 1], 7, "no copies")


def trainer(folder: Path, values: list[float | None] = VALUES, **options: object) -> Trainer:  # type: ignore[assignment]
    settings = {"batch": 4, "device": "cpu", "checkpoint_every": 2, "keep": 1, "steps": 20}
    scorer = Given(values)
    made = Trainer(
        Players(A),
        data(),
        TrainOptions(**{**settings, "keep_best": True, **options}),  # type: ignore[arg-type]
        scorer=scorer,
    )
    scorer.step = lambda: made.step
    made.attach(folder)
    return made


def test_the_best_is_kept_beside_the_newest(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    made.fit()
    assert checkpoints.steps(tmp_path / "checkpoints") == [12, 20]
    assert made.best.scorer.prepared == 1  # type: ignore[union-attr]
    assert not made.best.scorer.training  # type: ignore[union-attr]
    assert made.model.training
    state = checkpoints.load(tmp_path / "checkpoints").state["best"]
    assert (state["step"], state["value"], state["waited"]) == (12, 2.0, 4)
    rows = [row for row in log.read(tmp_path / "metrics.jsonl") if row.get("event") == "score"]
    assert [row["value"] for row in rows] == VALUES
    assert [row["best"] for row in rows] == [2, 4, 4, 4, 4, 12, 12, 12, 12, 12]
    assert rows[0]["note"] == "no copies"


def test_which_checkpoint_a_run_gives(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    folder = tmp_path / "checkpoints"
    for asked, step in ((None, 12), ("best", 12), ("last", 20), (12, 12), (20, 20)):
        assert best.load(folder, asked).step == step
    with pytest.raises(UserError, match=r"--step 14: .*there are: 12, 20"):
        best.load(folder, 14)
    (folder / "00000012" / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        best.load(folder, "best")
    with pytest.warns(UserWarning, match="the newest is taken, step 20"):
        assert best.load(folder).step == 20


def test_a_run_without_a_best_gives_its_newest(tmp_path: Path) -> None:
    trainer(tmp_path, keep_best=False).fit()
    assert checkpoints.steps(tmp_path / "checkpoints") == [20]
    assert best.load(tmp_path / "checkpoints").step == 20
    with pytest.raises(UserError, match=r"--step best: .* keeps no best checkpoint"):
        best.load(tmp_path / "checkpoints", "best")


@pytest.mark.parametrize(("patience", "end"), [(1, 6), (3, 10), (4, 20), (0, 20)])
def test_patience_ends_a_run(tmp_path: Path, patience: int, end: int) -> None:
    made = trainer(tmp_path, patience=patience)
    made.fit()
    assert made.step == end
    assert checkpoints.load(tmp_path / "checkpoints").step == end


@pytest.mark.parametrize("log_every", [1000, 4, 3])
def test_a_run_that_patience_ends_tells_of_all_its_steps(tmp_path: Path, log_every: int) -> None:
    made = trainer(tmp_path, patience=3, log_every=log_every)
    made.fit()
    rows = [row["step"] for row in log.read(tmp_path / "metrics.jsonl") if "losses" in row]
    assert rows == [*range(log_every, 10, log_every), 10]


def test_a_run_that_goes_on_waits_on(tmp_path: Path) -> None:
    """Stopped between two scores or at one: the best and the waiting are the same."""
    whole = trainer(tmp_path / "whole", patience=3)
    whole.fit()
    for end in (3, 7, 8):
        folder = tmp_path / str(end)
        first = trainer(folder, patience=3, steps=end)
        first.model.train()
        first._good = first.snapshot()
        first._since = 0.0
        while first.step < end:
            first._finished()
        first._keep()  # as a signal does
        second = trainer(folder, patience=3)
        second.restore(checkpoints.load(folder / "checkpoints"))
        second.fit()
        assert second.step == whole.step == 10
        assert second.best.state == whole.best.state
        assert checkpoints.steps(folder / "checkpoints") == [4, 10]


def test_a_score_without_a_value_is_no_better(tmp_path: Path) -> None:
    made = trainer(tmp_path, [None, None, 3.0, None, 2.0], steps=10)
    made.fit()
    assert made.best.state["step"] == 10
    never = trainer(tmp_path / "never", [None] * 5, steps=10, patience=2)
    never.fit()
    assert (never.step, never.best.step) == (4, None)
    assert best.load(tmp_path / "never" / "checkpoints").step == 4
