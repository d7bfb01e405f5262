"""`evaluate` and `compare`: the function, the command and the page say the same of one run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import genarium
from genarium.cli import main
from genarium.contract import to_uint8
from genarium.evaluation import plan
from genarium.evaluation.draws import Draws
from genarium.evaluation.scores.score import Scores

SMALL = {"steps": 2, "batch": 8, "width": 4, "device": "cpu"}
TIMED = "samples/s"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, genarium.Trained]:
    """One that samples, one that is asked for classes, one that does not sample."""
    home = tmp_path_factory.mktemp("runs")
    return {
        name: genarium.train(name, "digits", out=home / name, **SMALL)
        for name in ("dcgan", "cgan", "autoencoder")
    }


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory: pytest.TempPathFactory) -> genarium.Trained:
    """A model that is conditioned on attributes."""
    home = tmp_path_factory.mktemp("told")
    return genarium.train(
        "cvae", "shapes:n=96", out=home / "cvae", condition="attributes", size="16", **SMALL
    )


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def untimed(result: dict[str, Any]) -> dict[str, Any]:
    """Without the speed, which no seed decides."""
    return {**result, "rows": [row for row in result["rows"] if row["name"] != TIMED]}


@pytest.mark.parametrize("name", ["dcgan", "cgan", "autoencoder"])
def test_function_and_command_score_alike(
    name: str, runs: dict[str, genarium.Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs[name]
    result = genarium.evaluate(run, n=40, seed=3)
    asked = said(capsys, "evaluate", str(run.path), "-n", "40", "--seed", "3")
    assert untimed(asked) == untimed(plain(result.to_dict()))
    assert asked["run"] == str(run.path)
    assert isinstance(result, Scores)


def test_function_and_command_score_images_alike(
    runs: dict[str, genarium.Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["dcgan"]
    settings: dict[str, Any] = {"n": 30, "metrics": "fid,sharpness", "extractor": "fashion-proxy"}
    result = genarium.evaluate(str(run.path), against="digits", **settings)
    words = ["--against", "digits", "-n", "30", "--metrics", "fid,sharpness"]
    asked = said(capsys, "evaluate", str(run.path), *words, "--extractor", "fashion-proxy")
    assert asked == plain(result.to_dict())
    assert asked["against"] == "digits"


@pytest.mark.parametrize("metrics", [None, "fid,sharpness"])
def test_the_page_has_the_numbers_of_an_evaluation(
    metrics: str | None,
    runs: dict[str, genarium.Trained],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings: dict[str, Any] = {"n": 40, "seed": 3, "metrics": metrics}
    result = genarium.compare(list(runs.values()), **settings)
    for report, run in zip(result.reports, runs.values()):
        assert report.scores is not None
        alone = genarium.evaluate(run, **settings)
        scored = untimed(alone.to_dict())
        assert untimed(report.scores.to_dict()) == {
            key: value for key, value in scored.items() if key not in ("run", "recipe")
        }
    page = result.save(tmp_path / "page.html")
    assert result.path == page
    assert json.loads((tmp_path / "results.json").read_text()) == plain(result.to_dict())
    words = [str(run.path) for run in runs.values()] + ["-n", "40", "--seed", "3"]
    words += [] if metrics is None else ["--metrics", metrics]
    asked = said(capsys, "compare", *words, "--out", str(tmp_path / "other.html"))
    for one, other in zip(asked["runs"], result.results["runs"]):
        assert untimed(one["scores"])["rows"] == plain(untimed(other["scores"])["rows"])
    if metrics is not None:
        names = {row["name"] for row in asked["runs"][0]["scores"]["rows"]}
        assert names == {"FID (digits-cnn)", "sharpness", TIMED, "parameters"}


def test_compare_takes_an_extractor(runs: dict[str, genarium.Trained]) -> None:
    result = genarium.compare(runs["dcgan"], n=40, extractor="fashion-proxy", metrics="fid")
    assert result.reports[0].scores is not None
    assert result.reports[0].scores.get("FID (fashion-cnn-proxy)") is not None
    with pytest.raises(genarium.UserError, match=r"^metrics fidd: did you mean 'fid'"):
        genarium.compare(runs["dcgan"], n=40, metrics="fidd")


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_the_page_shows_the_samples_that_were_scored(
    name: str, runs: dict[str, genarium.Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[torch.Tensor] = []
    draw = Draws.draw

    def spy(self: Draws, size: int) -> torch.Tensor:
        result = draw(self, size)
        scored.append(to_uint8(result).clone())
        return result

    monkeypatch.setattr(Draws, "draw", spy)
    genarium.evaluate(runs[name], n=300, seed=4, metrics="sharpness")
    drawn = torch.cat(scored)
    assert len(drawn) == 300
    report = genarium.compare(runs[name], n=300, seed=4, metrics="sharpness").reports[0]
    assert report.samples is not None
    assert torch.equal(report.samples, drawn[:64])
    assert report.conditions == (name == "cgan")


def test_a_model_is_asked_for_the_classes_in_turn(runs: dict[str, genarium.Trained]) -> None:
    of_digits = plan.of_data(runs["cgan"].dataset(), n=40)
    draws = of_digits.draws(runs["cgan"].model)
    draws.draw(12)
    assert draws.labels is not None
    assert draws.labels.tolist() == [*range(10), 0, 1]
    assert of_digits.draws(runs["dcgan"].model).labels is None


def test_the_table_says_how_many_samples_have_the_class_asked_for(
    runs: dict[str, genarium.Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that gives a test image of the class that it is asked for, but a 3 for a 7."""
    run = runs["cgan"]
    test = run.dataset().test
    assert test.labels is not None
    first = [int((test.labels == label).nonzero()[0, 0]) for label in range(10)]
    named = run.dataset()
    judge = plan.of_data(named).extractor
    right = [i for i, row in enumerate(first) if judge(test.images[[row]]).logits.argmax() == i]
    first[7] = first[3]

    def sample(n: int, *, condition: torch.Tensor, generator: Any = None) -> torch.Tensor:
        return test.images[[first[int(label)] for label in condition]].float() / 127.5 - 1

    monkeypatch.setattr(run.model, "sample", sample)
    row = genarium.evaluate(run, n=200).get("asked class")
    assert row is not None
    assert row.value == pytest.approx(len({*right} - {7}) / 10)
    assert row.interval is not None
    assert 0 < row.interval[0] < row.value < row.interval[1] <= 1
    assert row.reference is not None
    assert row.reference > 0.95
    assert genarium.evaluate(run, n=200, metrics="fid").get("asked class") is None
    assert genarium.evaluate(run, n=200, metrics="asked-class").get("asked class") is not None


def test_no_such_row_without_classes_or_a_classifier_of_them(
    runs: dict[str, genarium.Trained],
) -> None:
    assert genarium.evaluate(runs["dcgan"], n=40).get("asked class") is None
    other = genarium.evaluate(runs["cgan"], n=40, extractor="fashion")
    assert other.get("asked class") is None


def test_attributes_are_asked_for_as_the_test_images_have_them(
    conditioned: genarium.Trained,
) -> None:
    """And metrics read what was asked for beside what goes with the real images."""
    rows = conditioned.dataset().test.extra["factors"]
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def spy(samples: Any, reference: Any) -> None:
        seen.append((samples.conditions, reference.conditions))

    from genarium.evaluation.evaluate import evaluate_model
    from genarium.evaluation.scores.measured import Metric

    evaluate_model(
        conditioned.model,
        reference=conditioned.dataset().test.images,
        conditions=rows,
        extractor="fashion-proxy",
        n=5,
        metrics=(Metric(spy, on_features=False, needs=()),),
    )
    ((ours, theirs),) = seen
    assert len(ours) == 5
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, ours[:1].expand_as(ours))


def test_results_are_saved_and_shown(
    runs: dict[str, genarium.Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["dcgan"]
    result = genarium.evaluate(run, n=40, metrics="fid")
    place = result.save(tmp_path / "scores.json")
    assert Scores.from_dict(json.loads(place.read_text())).to_dict() == Scores.to_dict(
        Scores(result.rows, result.context, result.warnings, result.findings)
    )
    html = result._repr_html_()
    assert html.startswith("<table>")
    assert "FID (digits-cnn)" in html
    assert result.table() in repr(result)
    assert main(["evaluate", str(run.path), "-n", "40", "--metrics", "fid"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{run.name}: dcgan at step 2\n\nscore")
    assert [path.name for path in run.path.glob("*.json")] == ["run.json"]  # nothing unasked
    page = genarium.compare(run, n=40, metrics="fid")
    assert "FID (digits-cnn)" in page._repr_html_()
    assert page._repr_html_().count("<figure>") == 1  # its samples, above the table
    assert page._repr_html_().index(f">{run.name}</figcaption>") < page._repr_html_().index("FID")
    with pytest.raises(genarium.UserError, match="no page yet"):
        Path(page)
    with pytest.raises(genarium.UserError, match=r"--out page.pdf: end it in .html"):
        page.save("page.pdf")


# ------------------------------------------------------------------------------ own metrics

BRIGHTNESS = """
from genarium.evaluation.scores.own import metric

def mean(images):
    return images.flatten(1).float().mean(1) / 255

@metric("brightness-gap", needs=(), better="lower", unit="grey", per_image={"brightness": mean})
def gap(samples, reference):
    ours, theirs = samples.per_image["brightness"], reference.per_image["brightness"]
    return (ours.mean() - theirs.mean()).abs()
"""


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))

    def write(text: str) -> None:
        (tmp_path / "metrics_of_mine.py").write_text(text)

    return write


def test_a_file_with_one_function_adds_a_row(
    metrics: Callable[[str], None],
    runs: dict[str, genarium.Trained],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics(BRIGHTNESS)
    run = str(runs["dcgan"].path)
    named = said(capsys, "evaluate", run, "-n", "40", "--metrics", "fid,brightness-gap")
    row = next(row for row in named["rows"] if row["name"] == "brightness-gap")
    assert (row["better"], row["unit"]) == ("lower", "grey")
    assert math.isfinite(row["value"])
    assert not any("extractor" in key for key in row["basis"])  # it reads no features
    every = said(capsys, "evaluate", run, "-n", "40", "--metrics", "all")
    assert row["value"] in [r["value"] for r in every["rows"] if r["name"] == "brightness-gap"]
    assert main(["evaluate", run, "-n", "40", "--metrics", "brightnes-gap"]) == 2
    assert "did you mean 'brightness-gap'" in capsys.readouterr().err
    usual = said(capsys, "evaluate", run, "-n", "40")
    assert "brightness-gap" not in [row["name"] for row in usual["rows"]]
    monkeypatch.delenv("GENARIUM_PATH")
    assert main(["evaluate", run, "-n", "40", "--metrics", "brightness-gap"]) == 2


def test_an_own_metric_reads_labels(
    runs: dict[str, genarium.Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
from genarium.evaluation.scores.own import metric

@metric("zeros-asked", needs=())
def zeros(samples, reference):
    if samples.labels is None:
        return None
    return float((samples.labels == 0).sum()) + float((reference.labels == 0).sum()) * 1000
"""
    (tmp_path / "metrics_with_labels.py").write_text(text)
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    result = genarium.evaluate(runs["cgan"], n=40, metrics="zeros-asked").get("zeros-asked")
    assert result is not None
    assert result.value % 1000 == 4
    assert result.value >= 1000
    assert genarium.evaluate(runs["dcgan"], n=40, metrics="zeros-asked").get("zeros-asked") is None


@pytest.mark.parametrize(
    ("name", "needs", "word"),
    [("fid", "()", "there is a metric of this name"), ("x", "('pol',)", "not pol")],
)
def test_mistakes_in_a_metric_are_one_line(
    name: str,
    needs: str,
    word: str,
    runs: dict[str, genarium.Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "from genarium.evaluation.scores.own import metric\n"
    text += f"@metric({name!r}, needs={needs})\ndef f(a, b):\n    return 0.0\n"
    (tmp_path / "wrong.py").write_text(text)
    monkeypatch.setenv("GENARIUM_PATH", str(tmp_path))
    assert main(["evaluate", str(runs["dcgan"].path), "-n", "4", "--metrics", "all"]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_two_folders_may_have_files_of_one_name(
    runs: dict[str, genarium.Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "from genarium.evaluation.scores.own import metric\n"
        "@metric('which', needs=())\ndef which(samples, reference):\n    return {}.0\n"
    )
    for number in (1, 2, 1):
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "same.py").write_text(text.format(number))
        monkeypatch.setenv("GENARIUM_PATH", str(folder))
        row = genarium.evaluate(runs["dcgan"], n=4, metrics="which").get("which")
        assert row is not None
        assert row.value == number


def test_their_help_needs_no_torch() -> None:
    for verb in ("evaluate", "compare"):
        program = (
            "import sys\nfrom genarium.cli import main\n"
            f"try:\n    main([{verb!r}, '--help'])\nexcept SystemExit:\n    pass\n"
            "assert 'torch' not in sys.modules"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
