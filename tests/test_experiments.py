"""The experiments run, and their committed results are those of the code that is there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
RESULTS = EXPERIMENTS / "results"
NAMES = sorted(p.stem for p in EXPERIMENTS.glob("[!_]*.py"))


@pytest.fixture(autouse=True, scope="module")
def _importable() -> Iterator[None]:
    """As `python experiments/NAME.py` has it: the folder of the file on the path."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(EXPERIMENTS))
    patch.setenv("GENARIUM_ALLOCATOR", "system")  # the test process keeps its allocator
    yield
    patch.undo()


def claim_of(name: str) -> Any:
    return importlib.import_module(name).CLAIM


def committed(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = claim_of(name)
    claim.main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert claim.name == record["name"] == name
    assert record["quick"] is True
    assert (tmp_path / f"{name}.png").stat().st_size > 2000
    for criterion in claim.criteria:
        assert criterion.statement in printed


@pytest.mark.parametrize("name", NAMES)
def test_its_results_are_those_of_its_code(name: str) -> None:
    """Criteria and settings of the committed JSON are the source's; verdicts follow from it."""
    claim, record = claim_of(name), committed(name)
    assert record["quick"] is False
    assert record["settings"] == json.loads(json.dumps(asdict(claim.settings)))
    assert [c["statement"] for c in record["criteria"]] == [c.statement for c in claim.criteria]
    assert record["seeds"] == list(claim.seeds)
    assert len(claim.seeds) >= 3
    seeds = [
        {key: values["seeds"][i] for key, values in record["numbers"].items()}
        for i in range(len(record["seeds"]))
    ]
    for old, now in zip(record["criteria"], claim.criteria):
        bounds = [{**asdict(b), "words": b.words()} for b in now.bounds]
        assert old["bounds"] == bounds
        assert old["verdict"] == now.verdict(seeds)


@pytest.mark.parametrize("name", NAMES)
def test_its_picture_is_there(name: str) -> None:
    picture = (RESULTS / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000


def test_no_result_without_its_experiment() -> None:
    assert sorted(p.stem for p in RESULTS.glob("*.json")) == NAMES
    assert sorted(p.stem for p in RESULTS.glob("*.png")) == NAMES


def test_the_readme_has_the_table_of_the_results() -> None:
    claims = importlib.import_module("_claim")
    text = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    assert text == claims.with_table(text), "run: python experiments/_claim.py table"


@pytest.mark.parametrize(
    ("values", "each", "verdict"),
    [
        ((2.0, 1.5, 1.0), True, "supported"),
        ((2.0, 1.5, 0.9), True, "cannot tell"),
        ((0.1, 0.2, 0.9), True, "not supported"),
        ((2.0, 1.5, 0.9), False, "supported"),
        ((1.0, 0.8, 0.9), False, "not supported"),
        ((2.0, 1.5, float("nan")), True, "cannot tell"),
        ((2.0, 1.5, float("inf")), True, "cannot tell"),  # what is not finite holds nothing
    ],
)
def test_verdict(values: tuple[float, ...], each: bool, verdict: str) -> None:
    claims = importlib.import_module("_claim")
    criterion = claims.Criterion("x", (claims.Bound("n", at_least=1.0, each=each),))
    assert criterion.verdict([{"n": value} for value in values]) == verdict


def test_all_bounds_must_hold() -> None:
    claims = importlib.import_module("_claim")
    criterion = claims.Criterion("x", (claims.Bound("a", at_most=1), claims.Bound("b", 0, 2)))
    assert criterion.verdict([{"a": 1, "b": 2}, {"a": 0, "b": 0}]) == "supported"
    assert criterion.verdict([{"a": 1, "b": 3}, {"a": 2, "b": 0}]) == "not supported"
    assert criterion.verdict([{"a": 1, "b": 2}, {"a": 2, "b": 0}]) == "cannot tell"


def test_a_quick_run_never_touches_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = claim_of(NAMES[0])
    monkeypatch.setattr(importlib.import_module("_claim"), "RESULTS", tmp_path)  # not the real ones
    with pytest.raises(SystemExit):
        claim.main(["--quick", "--out", str(tmp_path)])
    assert "--quick" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_kept_training_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lab = importlib.import_module("_kept"), importlib.import_module("_lab")
    trainer = importlib.import_module("genarium.training.trainer").Trainer
    training = {"steps": 4, "batch": 4, "ema": 0.5}
    steps, one_step = [], trainer.one_step

    def learnt(stop: int | None = None) -> dict[str, Any]:
        def counted(self: Any) -> None:
            if self.step == stop:
                raise KeyboardInterrupt
            steps.append(self.step)
            one_step(self)

        monkeypatch.setattr(trainer, "one_step", counted)
        model = lab.trained("flow-matching", "digits", 0, training, size=16, images=9, width=4)
        return dict(model.state_dict())

    whole = learnt()
    monkeypatch.setattr(kept, "folder", tmp_path)
    monkeypatch.setattr(kept, "OFTEN", 0.0)
    with pytest.raises(KeyboardInterrupt):
        learnt(stop=2)
    assert all(value.equal(whole[name]) for name, value in learnt().items())
    assert steps == [0, 1, 2, 3, 0, 1, 2, 3]  # the third training began at step 2
    assert all(value.equal(whole[name]) for name, value in learnt().items())
    assert len(steps) == 8  # the fourth had nothing left to do


def test_a_kept_seed_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim, torch = claim_of("fld_copies"), importlib.import_module("torch")
    claims, measured = importlib.import_module("_claim"), []

    def measure(seed: int, settings: Any) -> Any:
        measured.append(seed)
        numbers = {"in_order": 1.0, "control": float("nan"), "all_copied": 2.0, "all_noised": 3.0}
        return claims.Measured(numbers, {"a": [1.5, 2.5]}, {"b": torch.arange(3)})

    shown: list[Any] = []
    fake = replace(claim, measure=measure, draw=lambda figure, found, settings: shown.append(found))
    monkeypatch.setattr(importlib.import_module("_kept"), "folder", None)
    for seeds in ("5", "5,6", "6,5"):
        out = ["--out", str(tmp_path / "out"), "--keep", str(tmp_path / "keep")]
        fake.main(["--quick", "--seeds", seeds, *out])
    assert measured == [5, 6]
    first, again = shown[0][5], shown[2][5]
    assert again.numbers["in_order"] == 1.0
    assert again.curves == first.curves
    assert again.images["b"].equal(first.images["b"])
