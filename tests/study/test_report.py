"""From stored answers to rates, pictures, CSV and the page."""

from __future__ import annotations

import csv
import html
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from genarium.api.report_study import report_study
from genarium.cli import main
from genarium.errors import UserError
from genarium.study import manifest as manifests
from genarium.study.create import create
from genarium.study.plan import Trial, plan
from genarium.study.results import PictureRate, Results
from genarium.study.statistics import wilson
from genarium.study.store import Store
from tests.conftest import tiny_dataset


def take_part(
    study: Path, says: Callable[[Trial], str], *, trials: int | None = None, seed: int = 0
) -> None:
    """A participant who answers the first `trials` as `says` has it."""
    manifest = manifests.read(study)
    store = Store(study / "answers.sqlite", manifest.id)
    token = store.join(lambda used: plan(manifest, used, random.Random(seed)))
    for row in store.of(token)[:trials]:
        shown = 505.0 if manifest.mode == "timed" and row.trial.picture else None
        store.answer(token, row.position, says(row.trial), 900.0, shown)  # type: ignore[arg-type]
    store.close()


def right(trial: Trial) -> str:
    return trial.wanted


def always_real(trial: Trial) -> str:
    return trial.wanted if trial.kind == "check" else "real"


def asleep(trial: Trial) -> str:
    return "fake" if trial.wanted == "real" else "real"


def test_rates_are_those_of_the_answers(study: Path) -> None:
    take_part(study, right)
    take_part(study, always_real)
    made = report_study(study)
    result = made.results.rates
    assert result.fake[0].value == 0.5  # one of two was always fooled
    assert result.real.value == 0.0
    assert result.hype[0].value == 0.25
    assert result.real.high >= wilson(0, 40)[1] - 1e-12
    assert len(made.results.answers) == 80, "practice and checks are in no rate"


def test_the_inattentive_are_left_out_unless_kept(study: Path) -> None:
    take_part(study, right)
    take_part(study, asleep)
    assert report_study(study).results.rates.hype[0].value == 0.0
    kept = report_study(study, keep_inattentive=True).results
    assert kept.rates.hype[0].value == 0.5
    assert [p.attentive for p in kept.participants] == [True, False]
    assert [(p.passed, p.checks) for p in kept.participants] == [(2, 2), (0, 2)]


def test_a_participant_who_stopped_counts_as_far_as_it_went(study: Path) -> None:
    take_part(study, right, trials=3)  # practice only
    with pytest.raises(UserError, match="has no answers yet"):
        report_study(study)
    take_part(study, right, trials=14)
    (only,) = report_study(study).results.participants
    assert not only.finished
    assert only.answers == 10 - only.checks


def test_nobody_attentive_is_one_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take_part(study, asleep)
    assert main(["study", "report", str(study)]) == 2
    assert "--keep-inattentive" in capsys.readouterr().err
    assert not (study / "report.html").exists()


def test_pictures_are_ranked_by_how_often_they_fool(study: Path) -> None:
    manifest = manifests.read(study)
    fakes = [p.name for p in manifest.pictures if p.truth == "fake" and not p.practice]
    reals = [p.name for p in manifest.pictures if p.truth == "real" and not p.practice]

    def fooled(trial: Trial) -> str:
        if trial.picture == fakes[7]:
            return "real"
        return "fake" if trial.picture == reals[3] else trial.wanted

    for seed in range(3):
        take_part(study, fooled, seed=seed)
    results = report_study(study).results
    best, worst = results.convincing(0, 5)[0], results.doubted(5)[0]
    assert (best.picture.name, best.called_real, best.answers) == (fakes[7], 3, 3)
    shown = report_study(study)._repr_html_()
    assert shown.count("<figure>") == 1  # of one model
    assert "tiny: most often taken for real</figcaption>" in shown
    assert (worst.picture.name, worst.called_real, worst.answers) == (reals[3], 0, 3)
    assert len(results.convincing(0, 5)) == 5


def test_one_answer_of_one_does_not_lead(study: Path) -> None:
    picture = manifests.read(study).pictures[0]
    assert PictureRate(picture, 10, 9).share > PictureRate(picture, 1, 1).share
    assert PictureRate(picture, 1, 1).share > PictureRate(picture, 10, 5).share


def test_csv_and_json_hold_every_answer(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take_part(study, right)
    take_part(study, always_real)
    assert main(["study", "report", str(study), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((study / "results.json").read_text())
    assert printed["models"]["tiny"]["fake"]["value"] == 0.5
    with (study / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 46
    test = [row for row in rows if row["kind"] == "test"]
    wrong = [row for row in test if row["right"] == "0"]
    assert len(wrong) == 20
    assert all((row["truth"], row["answer"]) == ("fake", "real") for row in wrong)
    with (study / "pictures.csv").open() as file:
        pictures = list(csv.DictReader(file))
    assert len(pictures) == 40
    assert sum(int(row["called_real"]) for row in pictures) == 20 + 20 + 20
    token = Store(study / "answers.sqlite", manifests.read(study).id)._kept.execute(
        "SELECT token FROM participant"
    )
    for (secret,) in token:
        for name in ("answers.csv", "pictures.csv", "results.json", "report.html"):
            assert secret not in (study / name).read_text(), "links stay with participants"


def test_the_page_needs_nothing_but_itself(study: Path) -> None:
    take_part(study, always_real)
    text = report_study(study).save(study / "sub" / "page.html").read_text()
    assert (study / "sub" / "answers.csv").is_file()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "default-src 'none'" in html.unescape(text)
    for words in ("Blobs", "tiny", "Most convincing fakes", "100.0 %", "1 of 1"):
        assert words in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower()


def test_names_are_escaped(study: Path) -> None:
    stored = json.loads((study / "study.json").read_text())
    stored["models"][0]["name"] = stored["title"] = "<script>x</script>"
    del stored["sha256"]  # as a study of an earlier version, which has no sum
    (study / "study.json").write_text(json.dumps(stored))
    take_part(study, right)
    assert "<script>" not in report_study(study).save().read_text()


def test_two_models_are_told_apart_or_not(tiny_run: Path, tmp_path: Path) -> None:
    made = create([tiny_run, tiny_run], tiny_dataset(), out=tmp_path / "s", n=12, practice=0)

    def second_fools(trial: Trial) -> str:
        known = made.by_name.get(trial.picture or "")
        return "real" if known and known.model == 1 else trial.wanted

    take_part(tmp_path / "s", right)
    undecided = report_study(tmp_path / "s").results.verdicts()
    assert undecided == ["cannot tell tiny from tiny (2): by 0.0 points, −24.2 to 24.2"]
    for _ in range(6):
        take_part(tmp_path / "s", second_fools)
    (verdict,) = report_study(tmp_path / "s").results.verdicts()
    assert verdict.startswith("tiny (2) is taken for real more often than tiny: by 85.7 points")


def test_thresholds_follow_the_staircases(timed: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(timed, tmp_path / "other"))
    take_part(timed, right)
    results = report_study(timed).results
    # 20 right answers: exposures 500, 490 ... 310; mean of the last ten
    assert results.thresholds[0].value == pytest.approx(355)
    assert results.late == 17, "all but those planned for 500, 490 and 480 ms"
    take_part(other, right, trials=10)
    early = report_study(other)
    early.save()
    assert early.results.thresholds == {}
    assert "No staircase has 20 answers yet" in (other / "report.html").read_text()


def test_results_of_nobody_are_empty(study: Path) -> None:
    results = Results(manifests.read(study), [])
    assert results.participants == []
    assert results.to_dict()["models"]["tiny"]["hype"]["value"] is None
