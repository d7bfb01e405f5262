"""Samples against more than the test split: what is mixed, what never is, and what errors are."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from scipy import stats

from genarium.contract import Spec, from_uint8, to_uint8
from genarium.errors import UserError
from genarium.evaluation import references
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.plan import of_data
from genarium.evaluation.references import combined, folds, rows_of
from genarium.evaluation.scores.score import Score, Scores, Z
from genarium.evaluation.scores.verdicts import images_needed, rounded, verdict
from genarium.report.compare import compared
from genarium.report.gather import collect
from genarium.report.page import page
from tests.report.fakes import data, model, run

SPEC = Spec(1, 8, 8, ("a", "b"))
DATA = data(spec=SPEC, counts=(90, 40, 20))
ASK: dict[str, Any] = {"extractor": "pixels", "metrics": "fid,kid,sharpness,copied,fld"}


def sampler(**changes: Any) -> Any:
    made = model(SPEC, "sample", "reconstruct")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture(scope="module")
def result() -> dict[str, Scores]:
    return {
        kind: of_data(DATA, reference=kind, **ASK).score(sampler())
        for kind in ("test", "train+test", "folds")
    }


def test_folds_are_disjoint_parts_of_train_and_test() -> None:
    parts = folds(DATA, 1000)
    assert [len(part) for part in parts] == [20] * 5  # 110 images: ten are left over
    rows = torch.cat(parts)
    assert len(rows.unique()) == 100
    assert int(rows.max()) < 110
    images = rows_of(DATA, torch.tensor([0, 89, 90, 109]))
    expected = [DATA.train.images[0], DATA.train.images[89], *DATA.test.images[[0, 19]]]
    assert torch.equal(images, torch.stack(expected))
    assert len(folds(DATA, 5)) == references.MOST
    assert all(torch.equal(a, b) for a, b in zip(parts, folds(DATA, 1000)))


def test_each_basis_says_its_reference(result: dict[str, Scores]) -> None:
    splits = {"test": "test", "train+test": "train+test", "folds": "5 folds of train+test"}
    counts = {"test": 20, "train+test": 110, "folds": 100}
    for kind, scores in result.items():
        for name in ("FID", "KID", "sharpness"):
            score = scores.get(name)
            assert score is not None
            assert score.basis["reference split"] == splits[kind]
            assert score.basis["reference images"] == score.basis["samples"] == counts[kind]
        assert scores.context["reference"]["split"] == splits[kind]
        assert scores.context["heldout"]["split"] == "test"
    kinds = list(result.values())
    for one, other in itertools.pairwise(kinds):
        mixed = verdict(one.get("FID"), other.get("FID"), ("one", "other"))  # type: ignore[arg-type]
        assert mixed.better is None
        assert "reference split" in mixed.why


def test_copying_fld_and_reconstruction_are_of_what_was_not_trained_on(
    result: dict[str, Scores],
) -> None:
    for scores in result.values():
        fld, copied = scores.get("FLD"), scores.get("copied")
        assert fld is not None
        assert copied is not None
        assert fld.basis["reference split"] == "test"
        assert copied.basis["held-out images"] <= len(DATA.validation)
        assert (fld.value, copied.value) == (
            result["test"].get("FLD").value,  # type: ignore[union-attr]
            result["test"].get("copied").value,  # type: ignore[union-attr]
        )
        assert scores.get("reconstruction MSE") == result["test"].get("reconstruction MSE")
        assert [f.name for f in scores.findings] == ["copying"]


def test_who_repeats_training_images_is_flattered_and_detected() -> None:
    known = from_uint8(DATA.train.images)
    copier = sampler(
        sample=lambda n, **_: (
            known[torch.randperm(90)[:n]] if n <= 90 else known[torch.randint(90, (n,))]
        )
    )
    torch.manual_seed(0)
    scores = {
        kind: of_data(DATA, reference=kind, **ASK).score(copier) for kind in ("test", "train+test")
    }
    fid = {kind: score.get("KID").value for kind, score in scores.items()}  # type: ignore[union-attr]
    assert fid["train+test"] < fid["test"]
    for score in scores.values():
        assert [f.detected for f in score.findings if f.name == "copying"] == [True]


def test_a_score_of_folds_is_their_mean_and_its_error_their_deviation(
    result: dict[str, Scores],
) -> None:
    made, values = sampler(), []
    generator = torch.Generator().manual_seed(0)
    for part in folds(DATA, 1000):
        images = to_uint8(made.sample(20, generator=generator))
        one = evaluate_images(
            images, rows_of(DATA, part), extractor=of_data(DATA, **ASK).extractor,
            metrics=of_data(DATA, extractor="pixels", metrics="kid").metrics,
        )  # fmt: skip
        values.append(one.get("KID").value)  # type: ignore[union-attr]
    score = result["folds"].get("KID")
    assert score is not None
    assert score.value == pytest.approx(sum(values) / 5)
    assert score.std == pytest.approx(float(torch.tensor(values).std()) / 5**0.5, rel=1e-4)
    low, high = stats.t.interval(0.95, 4, score.value, score.std)
    assert score.interval == pytest.approx((low, high))
    assert score.freedom == 4
    assert "mean of 5 such folds" in score.note


def of_folds(values: list[float]) -> Score:
    """The combined score of folds with these values."""
    context = {"reference": {"split": "x", "count": 10, "sha256": "0"}, "samples": 10}
    parts = [Scores([Score("s", v, 1.0, better="lower")], context) for v in values]
    (row,) = combined(parts).rows
    return row


def test_two_models_are_judged_by_the_deviation_of_their_difference() -> None:
    """Folds that are hard for both say nothing of which is better: a paired t-test."""
    a, b = [3.0, 9.0, 1.0, 6.0], [3.4, 9.1, 1.5, 6.3]
    judged = verdict(of_folds(a), of_folds(b), ("a", "b"))
    paired = stats.ttest_rel(a, b)
    low, high = paired.confidence_interval(0.95)
    assert judged.interval == pytest.approx((low, high))
    assert judged.better == "a"
    assert paired.pvalue < 0.05
    # Student's distribution, not the normal one: of three folds the second would be called better
    few = verdict(of_folds([1.0, 2.0, 3.0]), of_folds([1.2, 2.9, 3.3]), ("a", "b"))
    assert few.better is None
    difference = torch.tensor([0.2, 0.9, 0.3])
    assert float(difference.mean()) > Z * float(difference.std()) / 3**0.5


def test_folds_that_agree_do_not_know_everything() -> None:
    score = of_folds([2.0, 2.0, 2.0, 2.0])
    assert score.std == pytest.approx(0.5)  # that of one fold over √k
    assert score.interval == pytest.approx((2 - Z, 2 + Z))  # that of one fold


def test_refused() -> None:
    with pytest.raises(UserError, match=r"--reference all: choose test, train\+test, folds"):
        of_data(DATA, reference="all", **ASK)
    small = data(spec=SPEC, counts=(15, 4, 10))
    with pytest.raises(UserError, match="25 images make no 3 folds of 10: lower -n"):
        of_data(small, reference="folds", **ASK)
    assert of_data(small, reference="folds", n=8, **ASK).reference == "folds"


def test_samples_that_are_not_finite_are_left_out_of_every_reference() -> None:
    broken = sampler(sample=lambda n, **_: torch.full((n, *SPEC.shape), torch.nan))
    for kind in ("train+test", "folds"):
        scores = of_data(DATA, reference=kind, **ASK).score(broken)
        assert scores.get("FID") is None
        assert any("not finite" in warning for warning in scores.warnings)
        assert scores.get("reconstruction MSE") is not None


def test_the_page_says_its_reference_and_shows_the_samples_that_were_scored() -> None:
    one = run("sample", on=DATA)
    plan = of_data(DATA, reference="folds", **ASK)
    report = collect(one, dataset=DATA, n=9, plan=plan)
    assert report.samples is not None
    generator = torch.Generator().manual_seed(0)
    drawn = one.model.sample(20, generator=generator)
    assert torch.equal(report.samples, to_uint8(drawn)[:9])
    assert report.scores is not None
    text = page(compared([report]).reports, "title", "today")
    assert "Real images" in text
    assert "100 images in 5 folds of train+test (training images among them" in text


# ------------------------------------------------------------------ how many would tell


def mean_of(values: torch.Tensor) -> Score:
    n = len(values)
    std = float(values.std()) / n**0.5
    return Score("m", float(values.mean()), std, better="lower", basis={"reference images": n})


def test_as_many_images_as_it_says_would_tell_every_second_time() -> None:
    """Two Gaussians a third of a deviation apart: 30 values cannot tell, and the number that the
    estimate gives for the true difference tells in about half of all trials, four times as many in
    nearly all."""
    shift, n = 1 / 3, 30
    half = Z * (2 / n) ** 0.5
    needed = images_needed(n, half, shift)
    assert needed == 70  # 30 (1.96 √(2/30) · 3)²
    generator = torch.Generator().manual_seed(0)

    def told(count: int) -> float:
        trials = 400
        a = torch.randn(trials, count, generator=generator, dtype=torch.float64)
        b = torch.randn(trials, count, generator=generator, dtype=torch.float64) + shift
        results = [verdict(mean_of(x), mean_of(y), ("a", "b")).better for x, y in zip(a, b)]
        return sum(better == "a" for better in results) / trials

    assert told(n) < 0.3
    assert 0.42 < told(needed) < 0.58
    assert told(2 * needed) > 0.72
    assert told(4 * needed) > 0.95


def test_cannot_tell_says_how_many_would() -> None:
    a, b = (Score("s", v, 0.1, better="lower", basis={"reference images": 99}) for v in (1.0, 1.1))
    judged = verdict(a, b, ("a", "b"))
    assert judged.better is None
    assert judged.needed == images_needed(99, Z * 0.02**0.5, 0.1) == 761
    assert "about 770 pictures of each would tell (an estimate)" in judged.text()
    assert verdict(a, a, ("a", "b")).needed is None  # no difference at all
    alike = verdict(a, Score("s", 1 + 1e-6, 0.1, better="lower", basis=a.basis), ("a", "b"))
    assert "no difference that a set of pictures could show" in alike.text()
    clear = verdict(a, Score("s", 2.0, 0.1, better="lower", basis=a.basis), ("a", "b"))
    assert clear.needed is None
    unknown = [Score("s", v, 0.1, better="lower") for v in (1.0, 1.1)]
    assert verdict(*unknown, ("a", "b")).needed is None
    assert [rounded(n) for n in (7, 70, 734, 28_001)] == [7, 70, 740, 29_000]


def test_a_saved_score_keeps_its_degrees_of_freedom() -> None:
    score = of_folds([1.0, 2.0, 3.0, 4.0])
    scores = Scores([score], {})
    assert Scores.from_dict(scores.to_dict()).rows[0].freedom == 3
    old = score.to_dict()
    del old["freedom"]
    assert Scores.from_dict({"rows": [old], "context": {}, "warnings": []}).rows[0].freedom is None
