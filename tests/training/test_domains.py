"""Batches of two domains: order, mirroring, the schedule, and what is refused."""

from __future__ import annotations

import pytest
import torch

from genarium import recipes
from genarium.contract import Spec
from genarium.errors import UserError
from genarium.runs.building import build
from genarium.runs.configuration import resolve
from genarium.runs.fitting import training_data
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData
from tests.conftest import tiny_dataset

SPEC = Spec(1, 16, 16, second=(1, 16, 16))


def trainer_of(name: str, n: int, m: int, aligned: bool, **options: object) -> Trainer:
    """Image k of A is 2k, of B 2k+1, in the left half; black in the right."""

    def ramp(count: int, plus: int) -> torch.Tensor:
        values = (2 * torch.arange(count) + plus).to(torch.uint8).view(-1, 1, 1, 1)
        images = values.expand(-1, 1, 16, 16).clone()
        images[..., 8:] = 0
        return images

    recipe = recipes.get(name)
    spec = Spec(1, 16, 16, second=(1, 16, 16), paired=True)
    model = build(recipe, spec, dict(recipe.tiny), 0)
    beside = {"b": ramp(m, 1)}
    data = TrainingData(ramp(n, 0), None, beside if aligned else {}, {} if aligned else beside)
    settings = {"steps": 4, "batch": 6, "device": "cpu", **options}
    return Trainer(model, data, TrainOptions(**settings))  # type: ignore[arg-type]


def rows(trainer: Trainer, steps: int, phase: str) -> list[tuple[int, int]]:
    """Numbers of the images of A and of B that lie beside one another over some steps."""
    results = []
    for trainer.step in range(steps):
        batch = trainer.batch_of(phase, 0)
        for a, b in zip(batch.images, batch.extra["b"], strict=True):
            results.append((int(a.max()) // 2, int(b.max()) // 2))
    return results


def test_pairs_stay_together_and_are_mirrored_together() -> None:
    trainer = trainer_of("pix2pix", 12, 12, True, flip=True)
    assert all(a == b for a, b in rows(trainer, 6, "generator"))
    mirrored = []
    for trainer.step in range(6):
        batch = trainer.batch_of("generator", 0)
        sides = [
            (x[:, 0, 0, 0] == 0) & (x.flatten(1).amax(1) > 0)
            for x in (batch.images, batch.extra["b"])
        ]
        known = batch.images.flatten(1).amax(1) > 0  # image 0 is black on both sides
        assert torch.equal(sides[0][known], sides[1][known])
        mirrored += sides[0][known].tolist()
    assert 0 < sum(mirrored) < len(mirrored)


@pytest.mark.parametrize("aligned", [True, False])
def test_unpaired_images_come_in_an_order_of_their_own(aligned: bool) -> None:
    """CycleGAN wants no pairs, not even those that the data have."""
    n, m = 12, 12 if aligned else 18
    trainer = trainer_of("cyclegan", n, m, aligned)
    seen = rows(trainer, 36, "generators")
    counts = torch.tensor([a for a, _ in seen]).bincount(minlength=n)
    assert (counts == 18).all()  # every epoch of A holds each once
    assert (torch.tensor([b for _, b in seen]).bincount(minlength=m) == 216 // m).all()
    beside = {b for a, b in seen if a == 3}
    assert len(beside) > 6
    assert sum(a == b for a, b in seen) < 60
    again = trainer_of("cyclegan", n, m, aligned)
    assert rows(again, 36, "generators") == seen
    assert rows(again, 36, "discriminators") == seen  # of one step all players see the same
    assert rows(trainer_of("cyclegan", n, m, aligned, seed=1), 36, "generators") != seen


def test_a_batch_larger_than_the_second_domain_is_refused() -> None:
    with pytest.raises(UserError, match="--batch 6 is more than the 5 training images"):
        trainer_of("cyclegan", 12, 5, False)


def test_the_rate_stays_for_half_of_the_budget_and_then_falls_to_0() -> None:
    trainer = trainer_of("cyclegan", 12, 12, True, schedule="constant-linear", steps=8)
    results = []
    for trainer.step in range(9):
        results.append(trainer.learning_rate_factor())
    assert results == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]


def test_a_recipe_has_its_schedule_and_a_flag_wins() -> None:
    assert resolve(recipes.get("cyclegan")).training["schedule"] == "constant-linear"
    assert resolve(recipes.get("pix2pix")).training["schedule"] == "constant"
    given = {"training": {"schedule": "cosine"}}
    assert resolve(recipes.get("cyclegan"), given).training["schedule"] == "cosine"


def test_data_that_lack_what_a_recipe_needs_are_refused() -> None:
    data = tiny_dataset()
    arguments = dict(recipes.get("pix2pix").tiny)
    with pytest.raises(UserError, match=r"pix2pix needs images of two domains .* pairs:a=DIR"):
        build(recipes.get("pix2pix"), Spec(1, 16, 16), arguments, 0)
    with pytest.raises(UserError, match=r"pix2pix needs pairs .* train cyclegan"):
        build(recipes.get("pix2pix"), SPEC, arguments, 0)
    assert training_data(data).extra["b"] is data.train.extra["b"]
