"""Going on with a run: a new budget replaces the old one, and what does nothing says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import genarium
from genarium.errors import UserError
from genarium.training.options import BUDGET, CHANGEABLE, TrainOptions
from tests.conftest import tiny_dataset

TINY = {"width": 2, "batch": 8, "device": "cpu", "precision": "fp32"}
EPOCH = 8  # steps: 64 images


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    genarium.train("dcgan", tiny_dataset(size=16), out=out, steps=4, **TINY)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def budget(run: Path) -> dict[str, object]:
    training = genarium.load(run).config["training"]
    return {name: training[name] for name in BUDGET if training[name] is not None}


@pytest.mark.parametrize(
    ("asked", "steps", "kept"),
    [
        ({"steps": 6}, 6, {"steps": 6}),
        ({"epochs": 1}, EPOCH, {"epochs": 1.0}),
        ({"epochs": "0.75"}, 6, {"epochs": 0.75}),
        ({"epochs": 2, "steps": 6}, 6, {"steps": 6, "epochs": 2.0}),
        ({"epochs": 1, "steps": None}, EPOCH, {"epochs": 1.0}),
        ({"minutes": 1000, "steps": 5}, 5, {"steps": 5, "minutes": 1000.0}),
    ],
)
def test_a_new_budget_replaces_the_old_one(
    run: Path, asked: dict[str, object], steps: int, kept: dict[str, object]
) -> None:
    assert genarium.resume(run, data=tiny_dataset(size=16), **asked).step == steps
    assert budget(run) == kept


def test_minutes_replace_steps(run: Path) -> None:
    seconds = genarium.load(run).history()[-1]["seconds"]
    again = genarium.resume(run, data=tiny_dataset(size=16), minutes=(seconds + 0.05) / 60)
    assert again.step > 4
    assert set(budget(run)) == {"minutes"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"steps": 3}, "3 steps .* at step 4"),
        ({"epochs": 0.25}, "0.25 epochs .* at step 4, epoch 0.5"),
        ({"minutes": 1e-9}, "minutes .* at step 4, minute"),
        ({"steps": 2, "keep": 5}, "2 steps"),
    ],
)
def test_a_budget_that_is_used_is_refused_and_nothing_changes(
    run: Path, asked: dict[str, object], words: str
) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=words):
        genarium.resume(run, data=tiny_dataset(size=16), **asked)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("asked", [{}, {"steps": 4}, {"keep": 5, "log_every": 7}])
def test_a_finished_run_says_that_nothing_is_left(run: Path, asked: dict[str, object]) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.warns(UserWarning, match="budget of 4 steps is used: nothing is trained") as said:
        assert genarium.resume(run, data=tiny_dataset(size=16), **asked).step == 4
    for name in asked.keys() - {"steps"}:
        assert name in str(said[0].message)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "name", sorted(set(TrainOptions.__dataclass_fields__) - set(CHANGEABLE)), ids=str
)
def test_what_would_make_another_run_of_it_is_refused(run: Path, name: str) -> None:
    value = TrainOptions.__dataclass_fields__[name].default
    with pytest.raises(UserError, match=f"resume: {name} cannot change"):
        genarium.resume(run, data=tiny_dataset(size=16), steps=9, **{name: value})


def test_a_misspelt_setting_is_named(run: Path) -> None:
    with pytest.raises(UserError, match="did you mean steps"):
        genarium.resume(run, data=tiny_dataset(size=16), step=9)


# ------------------------------------------------------------------ before the first checkpoint


def test_a_run_without_a_checkpoint_is_started_again_by_resume(run: Path) -> None:
    wanted = (run / "checkpoints" / "00000004" / "model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(UserError, match=r"no checkpoint yet: `genarium resume .*` starts at step"):
        genarium.load(run)
    with pytest.warns(UserWarning, match="no checkpoint yet: it starts at step 0"):
        assert genarium.resume(run, data=tiny_dataset(size=16)).step == 4
    assert (run / "checkpoints" / "00000004" / "model.safetensors").read_bytes() == wanted
    assert [row["step"] for row in genarium.load(run).history()] == [4]


def test_and_by_the_same_command(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    data = tiny_dataset(size=16)
    assert genarium.train("dcgan", data, out=run, steps=3, **TINY).step == 3
    assert [row["step"] for row in genarium.load(run).history()] == [3]
    with pytest.raises(UserError, match="is not empty"):
        genarium.train("dcgan", data, out=run, steps=3, **TINY)


def test_a_run_whose_checkpoints_are_all_damaged_is_not_thrown_away(run: Path) -> None:
    (run / "checkpoints" / "00000004" / "MANIFEST.json").write_text("{}")
    data = tiny_dataset(size=16)
    with pytest.raises(UserError, match="is not empty"):
        genarium.train("dcgan", data, out=run, steps=3, **TINY)
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(UserError, match="no whole checkpoint: remove it, then `genarium resume"),
    ):
        genarium.resume(run, data=data)
