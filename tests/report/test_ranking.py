"""Only what was measured alike is compared."""

from __future__ import annotations

from genarium.evaluation.scores.score import Score
from genarium.report.ranking import columns, verdicts
from tests.report.fakes import bits, data, fid, report, scores


def best(name: str, *sheets: list[Score]) -> set[int]:
    reports = [report("sample", scores=scores(*rows)) for rows in sheets]
    return next(set(c.best) for c in columns(reports) if c.name == name)


FID = "FID (digits-cnn)"


def test_lower_or_higher_wins_and_ties_share() -> None:
    assert best(FID, [fid(3.0)], [fid(2.0)], [fid(2.0)]) == {1, 2}
    higher = [[Score("s", v, better="higher")] for v in (1.0, 5.0)]
    assert best("s", *higher) == {1}


def test_scores_of_another_basis_are_not_compared() -> None:
    assert best(FID, [fid(3.0, samples=10)], [fid(2.0, samples=20)]) == set()
    mixed = [[fid(3.0, 10)], [fid(4.0, 10)], [fid(1.0, 20)]]
    assert best(FID, *mixed) == {0}


def test_likelihoods_are_compared_within_one_density_only() -> None:
    assert best("bits/dim", [bits(0.2, "binary")], [bits(1.0, "256 levels")]) == set()
    both = [[bits(0.2, "binary")], [bits(1.0, "256 levels")], [bits(0.9, "256 levels")]]
    assert best("bits/dim", *both) == {2}


def test_nothing_is_best_alone_or_among_equals() -> None:
    assert best(FID, [fid(3.0)], []) == set()
    assert best(FID, [fid(3.0)], [fid(3.0)]) == set()


def test_numbers_without_direction_are_kept_only_with_a_reference() -> None:
    rows = [Score("sharpness", 2.0, reference=1.0), Score("parameters", 5.0)]
    result = columns([report("sample", scores=scores(*rows))])
    assert [c.name for c in result] == ["sharpness"]
    assert result[0].best == frozenset()


def test_images_of_another_shape_are_not_compared() -> None:
    from genarium.contract import Spec

    small = report("sample", scores=scores(fid(1.0)))
    large = report("sample", on=data(spec=Spec(1, 16, 16)), scores=scores(fid(2.0)))
    assert columns([small, large])[0].best == frozenset()


def test_the_fullest_sheet_leads() -> None:
    reports = [
        report("sample", scores=scores(Score("z", 1.0, better="lower"))),
        report("sample", scores=scores(fid(1.0), bits(1.0, "d"))),
        report("sample"),
    ]
    assert [c.name for c in columns(reports)] == [FID, "bits/dim", "z"]
    assert columns(reports)[0].cells[2] is None


def judged(*values: float, std: float | None = 0.1, every: bool = False) -> list[str]:
    """Verdicts on the FID of runs named a, b, c ..., in words."""
    reports = []
    for name, value in zip("abcd", values):
        row = Score(FID, value, std, "lower", basis={"n": 1})
        reports.append(report("sample", name=name, scores=scores(row)))
    return [verdict.words for verdict in verdicts(reports, every=every)]


def test_who_is_better_or_that_nobody_can_tell() -> None:
    assert judged(1.0, 2.0) == ["a better than b"]
    assert judged(2.0, 1.0) == ["b better than a"]
    assert judged(1.0, 1.1) == ["cannot tell"]
    assert judged(1.0, 2.0, std=None) == ["cannot tell"]
    assert judged(1.0) == []


def test_of_many_runs_the_leader_is_held_against_the_others() -> None:
    assert judged(2.0, 1.0, 1.1) == ["b better than a", "cannot tell"]
    assert len(judged(2.0, 1.0, 1.1, every=True)) == 3


def test_runs_on_images_of_another_shape_get_no_verdict() -> None:
    from genarium.contract import Spec

    row = Score(FID, 1.0, 0.1, "lower")
    small = report("sample", scores=scores(row))
    large = report("sample", on=data(spec=Spec(1, 16, 16)), scores=scores(row))
    (result,) = verdicts([small, large])
    assert result.words == "cannot tell"
    assert "1x8x8 against 1x16x16" in result.evidence
