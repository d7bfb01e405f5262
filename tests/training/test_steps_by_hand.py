"""Steps of training and the log, number by number: what no other test holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import Batch, Model, Optim, Phase, Spec, Step
from genarium.training import log
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

SPEC = Spec(1, 2, 3)


class Slope(Model):
    """One number w with the loss 3·w; remembers what its turns saw."""

    def __init__(self, *, repeat: int = 1):
        super().__init__()
        self.spec = SPEC
        self.w = nn.Parameter(torch.tensor(1.0))
        self.phases = (Phase("w", optim=Optim("sgd", lr=0.1), repeat=repeat),)
        self.images: list[Tensor] = []
        self.noise: list[Tensor] = []

    def step(self, batch: Batch, phase: str) -> Step:
        self.images.append(batch.images.clone())
        self.noise.append(batch.noise.normal(2))
        return Step({"loss": 3 * self.w}, {})


def trainer(model: Model, n: int = 8, **options: object) -> Trainer:
    images = torch.arange(6 * n).to(torch.uint8).view(n, 1, 2, 3)
    settings = {"batch": 4, "device": "cpu", "steps": 8, **options}
    return Trainer(model, TrainingData(images), TrainOptions(**settings))  # type: ignore[arg-type]


def test_the_constant_linear_rate_stays_for_half_of_the_run_and_then_falls_to_nothing() -> None:
    made = trainer(Slope(), schedule="constant-linear")
    results = []
    for _ in range(8):
        results.append(made.learning_rate_factor())
        made.one_step()
    assert results == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_each_step_goes_by_its_own_gradient_alone() -> None:
    model = Slope()
    made = trainer(model)
    for step in range(1, 4):
        made.one_step()
        assert model.w.item() == pytest.approx(1 - step * 0.1 * 3)


def test_steps_are_as_long_as_the_schedule_says() -> None:
    """Factors are of the rate that was asked for: 1, 3/4, 1/2 and 1/4 of .1; the slope is 3."""
    model = Slope()
    trainer(model, schedule="linear", steps=4).fit()
    assert model.w.item() == pytest.approx(1 - 2.5 * 0.1 * 3)


def test_each_turn_has_images_and_noise_of_its_own() -> None:
    """Two turns a step, eight images: no two turns of an epoch see the same ones."""
    model = Slope(repeat=2)
    made = trainer(model)
    made.one_step()
    made.one_step()
    first, second = (torch.cat(model.images[i : i + 2]).flatten(1)[:, 0] for i in (0, 2))
    every = list(range(0, 48, 6))
    assert sorted(first.tolist()) == sorted(second.tolist()) == every
    assert made.step * made.budget.images == 16
    for i in range(4):
        for j in range(i):
            assert not torch.equal(model.noise[i], model.noise[j])


def test_a_flip_mirrors_left_and_right() -> None:
    model = Slope()
    made = trainer(model, flip=True)
    for _ in range(4):
        made.one_step()
    flipped = 0
    for image in torch.cat(model.images):
        number = int(image.min()) // 6 * 6
        plain = torch.arange(number, number + 6, dtype=torch.uint8).view(1, 2, 3)
        assert torch.equal(image, plain) or torch.equal(image, plain.flip(2))
        flipped += not torch.equal(image, plain)
    assert 0 < flipped < 16


def test_the_log_of_a_run_that_goes_on_keeps_the_row_of_its_checkpoint(tmp_path: Path) -> None:
    written = log.Log(tmp_path / "metrics.jsonl")
    for step in (2, 4, 6):
        written.write({"step": step})
    written.rewind(4)
    assert [row["step"] for row in log.read(tmp_path / "metrics.jsonl")] == [2, 4]


def test_means_of_the_log_are_over_the_turns_since_the_last_row() -> None:
    means = log.Means()
    for value in (1.0, 2.0, 6.0):
        means.add("a", torch.tensor(value))
    means.add("b", torch.tensor(5.0))
    names, values = means.stacked()
    assert (names, values.tolist()) == (["a", "b"], [3.0, 5.0])


class Pair(Model):
    """Two players whose turns remember which weights would get a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SPEC
        self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
        self.phases = (Phase("a", ("a",)), Phase("b", ("b",)))
        self.learning: list[set[str]] = []

    def step(self, batch: Batch, phase: str) -> Step:
        self.learning.append({k[0] for k, p in self.named_parameters() if p.requires_grad})
        return Step({"loss": self.b(self.a(torch.ones(1, 1))).square().sum()}, {})


def test_in_a_players_turn_the_others_weights_get_no_gradients() -> None:
    model = Pair()
    made = trainer(model)
    made.one_step()
    made.one_step()
    assert model.learning == [{"a"}, {"b"}] * 2
