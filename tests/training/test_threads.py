"""The number of threads: tried, asked for, kept in the run and taken again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import genarium
from genarium.training import threads
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from tests.conftest import tiny_dataset

TINY = {"width": 2, "batch": 8, "device": "cpu", "precision": "fp32"}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Four threads, by name only, of which the environment says nothing."""
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_seconds", lambda: 1.0)
    count = [4]
    monkeypatch.setattr(torch, "get_num_threads", lambda: count[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: count.__setitem__(0, n))
    return monkeypatch


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        ({1: 0.4, 2: 0.2, 4: 0.1}, 4),
        ({1: 0.09, 2: 0.1, 4: 0.1}, 4),  # hardly faster: as always
        ({1: 0.1, 2: 0.2, 4: 0.9}, 1),
        ({1: 0.3, 2: 0.2, 4: 0.9}, 2),
    ],
)
def test_fewer_threads_where_they_are_clearly_faster(
    free: pytest.MonkeyPatch, seconds: dict[int, float], count: int
) -> None:
    free.setattr(threads, "_seconds", lambda: seconds[torch.get_num_threads()])
    assert threads.chosen(TrainOptions(), Engine("cpu")) == count
    assert torch.get_num_threads() == 4


def test_nothing_is_tried_where_a_number_was_said(free: pytest.MonkeyPatch) -> None:
    free.setattr(threads, "_seconds", lambda: pytest.fail("tried"))
    assert threads.chosen(TrainOptions(threads=3), Engine("cpu")) == 3
    free.setenv("OMP_NUM_THREADS", "4")
    assert threads.chosen(TrainOptions(), Engine("cpu")) == 4


def test_a_trial_computes() -> None:
    assert threads._seconds() > 0
    assert threads.fastest(torch.get_num_threads()) >= 1


def test_a_run_has_its_threads_and_goes_on_with_them(
    tmp_path: Path, free: pytest.MonkeyPatch
) -> None:
    here, other = 4, 3
    used: list[int] = []
    free.setattr("genarium.training.trainer.Trainer.fit", _watched(used))
    run = genarium.train(
        "dcgan", tiny_dataset(), out=tmp_path / "run", steps=2, threads=other, **TINY
    )
    assert run.config["training"]["threads"] == run.about["hardware"]["threads"] == other
    genarium.resume(run.path, data=tiny_dataset(), steps=3)
    with pytest.warns(UserWarning, match=f"with {other} threads and goes on with {here}"):
        again = genarium.resume(run.path, data=tiny_dataset(), steps=4, threads=here)
    assert again.config["training"]["threads"] == here
    assert used == [other, other, here]
    assert torch.get_num_threads() == here


def test_a_run_of_an_older_version_goes_on_as_its_description_says(
    tmp_path: Path, free: pytest.MonkeyPatch
) -> None:
    other = 3
    run = genarium.train(
        "dcgan", tiny_dataset(), out=tmp_path / "run", steps=2, threads=other, **TINY
    )
    file = run.path / "config.yaml"
    lines = [
        line
        for line in file.read_text().splitlines()
        if not line.startswith(("  threads:", "# sha256"))
    ]
    file.write_text("\n".join(lines) + "\n")
    used: list[int] = []
    free.setattr("genarium.training.trainer.Trainer.fit", _watched(used))
    assert genarium.resume(run.path, data=tiny_dataset(), steps=3).step == 3
    assert used == [other]


def _watched(used: list[int]):  # type: ignore[no-untyped-def]
    from genarium.training.trainer import Trainer

    fit = Trainer.fit

    def watched(self: Trainer) -> None:
        used.append(torch.get_num_threads())
        fit(self)

    return watched
