"""The loop: phases, budgets, schedules, averages, rollbacks, signals."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from genarium.contract import Batch, Model, Optim, Phase, Spec, Step
from genarium.errors import Interrupted, RunError, UserError
from genarium.training import checkpoint as checkpoints
from genarium.training import log
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

SPEC = Spec(1, 4, 4)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


class Players(Model):
    """Two players with one number each; remembers who played and what it saw."""

    def __init__(self, *phases: Phase):
        super().__init__()
        self.spec = SPEC
        self.a, self.b = Net(), Net()
        self.phases = phases
        self.played: list[str] = []
        self.seen: list[torch.Tensor] = []
        self.poison = lambda step: False

    def step(self, batch: Batch, phase: str) -> Step:
        self.played.append(phase)
        self.seen.append(batch.images.flatten(1)[:, 0].clone())
        both = self.a.weight.sum() * self.b.weight.sum()
        loss = both + batch.noise.normal().mean() * self.a.weight.sum()
        if self.poison(len(self.played)):
            loss = loss * torch.nan
        return Step({"loss": loss}, {"both": both.detach()})

    def after(self, phase: str) -> None:
        self.played.append("after " + phase)


def data(n: int = 20) -> TrainingData:
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 4, 4).clone()
    return TrainingData(images)


SGD = Optim("sgd", lr=0.01)
A = Phase("a", ("a",), SGD)
B = Phase("b", ("b",), SGD)


def trainer(*phases: Phase, **options: object) -> Trainer:
    settings = {"batch": 4, "device": "cpu", "steps": 4, **options}
    return Trainer(Players(*(phases or (A,))), data(), TrainOptions(**settings))


def test_turns_follow_the_phases() -> None:
    from dataclasses import replace

    made = trainer(replace(A, repeat=2), replace(B, every=2), steps=2)
    made.fit()
    turns = [name for name in made.model.played if not name.startswith("after")]
    assert turns == ["a", "a", "b", "a", "a"]
    assert made.model.played[:2] == ["a", "after a"]
    # turn j of every phase sees batch j, and a step consumes two batches
    first, second, third = made.model.seen[:3]
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert made.step * made.budget.images == 2 * 2 * 4
    epoch = torch.cat([made.model.seen[k] for k in (0, 1, 3, 4)]).tolist()
    assert len(set(epoch)) == 16, "batches of one epoch do not overlap"


def test_a_phase_plays_in_its_steps_only() -> None:
    from dataclasses import replace

    phases = (replace(A, stop=2), replace(B, start=1, stop=4, every=2))
    made = trainer(*phases, steps=5)
    made.fit()
    turns = [name for name in made.model.played if not name.startswith("after")]
    assert turns == ["a", "a", "b"]  # a in 0 and 1; b in 2, of 1, 2 and 3 the even one
    assert [B.plays(step) for step in (0, 7)] == [True, True]


def test_only_the_player_moves() -> None:
    made = trainer(A, steps=1)
    made.fit()
    assert torch.equal(made.model.b.weight, torch.ones(3))
    assert not torch.equal(made.model.a.weight, torch.ones(3))


def test_one_step_is_the_optimizer_s() -> None:
    """Against the same arithmetic by hand: w - lr * gradient."""
    made = trainer(A, steps=1)
    noise = made.batch_of("a", 0).noise.normal().mean()
    made.fit()
    expected = torch.ones(3) - 0.01 * (3 + noise)
    torch.testing.assert_close(made.model.a.weight.detach(), expected)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"steps": 7}, 7),
        ({"steps": None, "epochs": 2}, 10),
        ({"steps": None, "epochs": 0.3}, 2),
        ({"steps": 50, "epochs": 1}, 5),
    ],
)
def test_budgets(options: dict[str, object], steps: int) -> None:
    made = trainer(**options)
    made.fit()
    assert made.step == steps


def test_minutes_end_a_run(tmp_path: Path) -> None:
    made = trainer(steps=None, minutes=0.002, log_every=1)
    made.attach(tmp_path)
    made.fit()
    *before, last = log.read(tmp_path / "metrics.jsonl")
    assert last["seconds"] >= 0.12
    assert all(row["seconds"] <= 0.12 for row in before), "no step more than it takes"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1]),
        ("linear", [0.5, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]),
    ],
)
def test_learning_rate(schedule: str, expected: list[float]) -> None:
    made = trainer(schedule=schedule, warmup=2)
    results = []
    for _ in range(4):
        results.append(made.learning_rate_factor())
        made.one_step()
        assert made.players[0].optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * results[-1])
    assert results == pytest.approx(expected)


def test_clipping_bounds_the_gradient() -> None:
    made = trainer(steps=1, clip=0.1)
    made.fit()
    moved = (made.model.a.weight.detach() - 1).norm().item()
    assert moved == pytest.approx(0.01 * 0.1, rel=1e-3)


def test_average_of_the_weights() -> None:
    made = trainer(ema=0.5, steps=3)
    mean = made.model.a.weight.detach().clone()
    for step in range(3):
        made.one_step()
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * made.model.a.weight.detach()
    torch.testing.assert_close(made.ema.state["a.weight"], mean)
    live = made.model.a.weight.detach().clone()
    with made.sampling_weights():
        assert torch.equal(made.model.a.weight, made.ema.state["a.weight"])
    assert torch.equal(made.model.a.weight, live)


def test_bad_batches_are_refused() -> None:
    with pytest.raises(UserError, match=r"--batch 21 is more than the 20 training images"):
        trainer(batch=21)


def test_log_rows_and_means(tmp_path: Path) -> None:
    made = trainer(steps=5, log_every=2)
    made.attach(tmp_path)
    made.fit()
    rows = log.read(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert rows[0]["images"] == 8
    assert set(rows[0]["losses"]) == {"a/loss"}
    assert set(rows[0]["metrics"]) == {"a/both"}
    assert rows[0]["metrics"]["a/both"] == pytest.approx(9, rel=0.1)
    assert rows[0]["learning_rate"] == {"a": 0.01}
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "los')  # a kill cuts the last line short
    assert len(log.read(tmp_path / "metrics.jsonl")) == 3


def test_the_log_has_each_player_s_own_learning_rate(tmp_path: Path) -> None:
    from dataclasses import replace

    slower = replace(B, optim=replace(SGD, lr=0.002), every=2)
    made = trainer(A, slower, steps=4, schedule="linear", log_every=1)
    made.attach(tmp_path)
    made.fit()
    rows = log.read(tmp_path / "metrics.jsonl")
    results = [[row["learning_rate"][name] for name in "ab"] for row in rows]
    # as used in the step; b rests in every other one
    expected = [[0.01, 0.002], [0.0075, 0.002], [0.005, 0.001], [0.0025, 0.001]]
    assert results == [pytest.approx(rates) for rates in expected]
    assert rows[0]["learning_rate"].keys() == {"a", "b"}


def test_nan_is_rolled_back_with_something_changed(tmp_path: Path) -> None:
    made = trainer(steps=6, checkpoint_every=2, log_every=1)
    made.attach(tmp_path)
    before = made.batch_of("a", 0).noise.normal()
    plays = 0

    def poison(_: int) -> bool:
        nonlocal plays
        plays += 1
        return plays == 4  # in the fourth turn ever, once

    made.model.poison = poison
    made.fit()
    assert made.step == 6
    assert made.rollbacks == 1
    assert made.learning_rate_factor() == 0.5
    made.step = 0
    assert not torch.equal(made.batch_of("a", 0).noise.normal(), before)
    rows = log.read(tmp_path / "metrics.jsonl")
    event = next(row for row in rows if row.get("event"))
    assert event == {"step": 2, "event": "rollback", "failed": 3, "what": "loss a/loss"}
    assert [row["step"] for row in rows if "losses" in row] == [1, 2, 3, 4, 5, 6]


def test_nan_that_stays_stops_the_run_and_is_never_saved(tmp_path: Path) -> None:
    made = trainer(steps=6, checkpoint_every=2)
    made.attach(tmp_path)
    made.model.poison = lambda _: made.step >= 3
    with pytest.raises(RunError, match=r"loss a/loss is not finite at step 3, after 3 rollbacks"):
        made.fit()
    assert checkpoints.load(tmp_path / "checkpoints").step == 2


def test_poisoned_weights_are_never_saved(tmp_path: Path) -> None:
    made = trainer(steps=4, checkpoint_every=2)
    made.attach(tmp_path)
    made.model.after = lambda phase: made.model.b.weight.data.fill_(torch.inf)
    with pytest.raises(RunError, match=r"not finite"):
        made.fit()
    assert checkpoints.steps(tmp_path / "checkpoints") == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_stop(tmp_path: Path, number: int, status: int) -> None:
    made = trainer(steps=100)
    made.attach(tmp_path)
    made.model.poison = lambda plays: os.kill(os.getpid(), number) if made.step == 5 else False
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="go on with `genarium resume") as stop:
        made.fit()
    assert stop.value.status == status
    assert signal.getsignal(number) is before
    saved = checkpoints.load(tmp_path / "checkpoints")
    assert saved.step == 6
    unbroken = trainer(steps=6)
    unbroken.fit()
    assert torch.equal(saved.model["a.weight"], unbroken.model.a.weight)


def test_out_of_memory_is_one_line() -> None:
    made = trainer()

    def poison(_: int) -> bool:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    made.model.poison = poison
    with pytest.raises(RunError, match=r"out of memory at step 0 .* smaller --batch"):
        made.fit()


def test_other_errors_are_not_swallowed() -> None:
    made = trainer()

    def poison(_: int) -> bool:
        raise RuntimeError("a mistake in the model")

    made.model.poison = poison
    with pytest.raises(RuntimeError, match="a mistake in the model"):
        made.fit()


def test_state_is_json(tmp_path: Path) -> None:
    made = trainer(steps=2)
    made.attach(tmp_path)
    made.fit()
    state = json.loads((tmp_path / "checkpoints" / "00000002" / "state.json").read_text())
    assert state["step"] == 2
    assert state["world"] == 1
