"""The verdicts in an evaluation and on the page, of samples whose faults are known."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

import genarium
from genarium import data
from genarium.evaluation.diagnostics.findings import Originals, copying_finding, repeats_finding
from genarium.evaluation.diagnostics.watch import Watch
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.plan import of_data
from genarium.evaluation.scores.registry import choose
from genarium.evaluation.scores.score import Scores
from genarium.report.copying_section import findings
from genarium.report.records import Data, ModelReport


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """Images and labels in an order of chance."""
    result = data.load("digits").train
    order = torch.randperm(11_000, generator=torch.Generator().manual_seed(3))[:1300]
    assert result.labels is not None
    return result.images[order], result.labels[order]


@pytest.fixture(scope="module")
def judged(digits: tuple[Tensor, Tensor]) -> Scores:
    """A sampler that copies and has no 3 and no 7."""
    images, labels = digits
    watch = Watch(images[:500], images[500:900], labels[:500], labels[500:900])
    kept = images[:500][(labels[:500] != 3) & (labels[:500] != 7)]
    return evaluate_images(
        kept,
        images[900:],
        extractor=extractor("digits"),
        metrics=(*choose("fid"), *watch.metrics()),
    )


def test_verdicts_of_an_evaluation(judged: Scores) -> None:
    assert {f.name: f.detected for f in judged.findings} == {
        "copying": True,
        "repeats": False,
        "classes": True,
    }
    copied = judged.get("copied")
    assert copied is not None
    assert copied.value > 0.95
    assert copied.interval is not None
    assert copied.interval[0] <= copied.value <= copied.interval[1]
    missing = judged.get("missing classes")
    assert missing is not None
    assert (missing.value, missing.note) == (2, "missing modes: 3, 7")
    assert "copying: copies about" in judged.table()


def test_copies_at_the_end_of_a_folder_are_seen(
    digits: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more samples than are looked at not the first are: folders are sorted."""
    monkeypatch.setattr("genarium.evaluation.diagnostics.findings.MOST", 100)
    images, _ = digits
    originals = Originals(images[:500], images[500:900])
    ordered = torch.cat([images[900:1200], images[:100]])  # the copies last
    finding = copying_finding(ordered, originals)
    assert finding.detected
    assert 0.1 < finding.numbers["share"] < 0.45
    assert finding.numbers["samples"] == 100
    for sample, original in finding.numbers["nearest"]:
        assert sample >= 300
        assert torch.equal(ordered[sample], images[original])
    again = torch.cat([images[900:1200], images[:1].expand(100, -1, -1, -1)])
    assert repeats_finding(again, originals).detected


def test_images_sorted_by_class_say_how_the_classifier_errs_in_each(
    digits: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genarium.evaluation.diagnostics.watch.LABELLED", 200)
    images, labels = digits
    order = labels.argsort(stable=True)
    watch = Watch(images, images[order], labels, labels[order])
    assert (watch._confusion(extractor("digits")).sum(dim=1) > 0).all()


def test_verdicts_survive_json(judged: Scores) -> None:
    again = Scores.from_dict(json.loads(judged.to_json()))
    assert again.findings == judged.findings
    assert again.to_json() == judged.to_json()


def test_verdicts_and_pictures_on_the_page(judged: Scores) -> None:
    report = ModelReport(
        name="copier",
        recipe="dcgan",
        summary="",
        paper="",
        taxonomy=("implicit",),
        capabilities=("sample",),
        density="",
        parameters=1,
        data=Data("digits", "0", (1, 28, 28), {}),
        seed=0,
        scores=judged,
    )
    section = findings([report])
    assert section is not None
    assert "Copies about" in section
    assert "Missing modes: 3, 7." in section
    assert section.count("<img") == 1  # nothing repeats, so no picture of that
    report.scores = None
    assert findings([report]) is None


def test_folders_with_training_images(digits: tuple[Tensor, Tensor]) -> None:
    images, _ = digits
    result = genarium.evaluate(
        images[:60],
        against=images[900:1200],
        train=images[:400],
        extractor="digits",
        metrics="fid",
    )
    assert [f.detected for f in result.findings] == [True, False]
    without = genarium.evaluate(
        images[:60], against=images[900:1200], extractor="digits", metrics="fid"
    )
    assert without.findings == []


def test_too_few_images_become_one_warning(digits: tuple[Tensor, Tensor]) -> None:
    images, _ = digits
    result = genarium.evaluate(
        images[:30],
        against=images[900:1000],
        train=images[:10],
        extractor="digits",
        metrics="fid",
    )
    assert result.findings == []
    assert sum("copying: 10 different training" in warning for warning in result.warnings) == 1


def test_named_metrics_leave_the_verdicts_out() -> None:
    digits = data.load("digits")
    verdicts = {"copied", "repeated", "missing-classes"}
    assert {metric.key for metric in of_data(digits, metrics="fid").metrics} == {"fid"}
    assert verdicts <= {metric.key for metric in of_data(digits).metrics}
    named = of_data(digits, metrics="fid,copied").metrics
    assert [metric.key for metric in named] == ["fid", "copied"]
