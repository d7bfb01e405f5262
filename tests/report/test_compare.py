"""The page: sections by capability, nothing fetched, names escaped, results that round trip."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.evaluation.scores.score import Score, Scores
from genarium.report import families
from genarium.report.compare import render, results, write
from genarium.report.page import page
from tests.report.fakes import METHODS, FakeRecipe, bits, data, fid, history, report, run, scores

VOID = {"meta", "img", "br", "hr", "link"}


class Page(HTMLParser):
    """Elements, text, ids; fails on a tag that is not closed where it should be."""

    def __init__(self, content: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def sections(self) -> list[str | None]:
        return [attributes["id"] for attributes in self.all("section")]


def shown(*reports: Any) -> Page:
    return Page(page(reports, "A title", "today"))


ALWAYS = ["samples", "cost", "meaning", "settings"]


@pytest.mark.parametrize(
    ("able", "more"),
    [
        ((), []),
        (("sample",), ["nearest"]),
        (("reconstruct",), ["reconstructions"]),
        (("translate",), ["translations"]),
        (("encode", "decode"), ["interpolations"]),
        (("prior", "decode"), ["interpolations"]),
        (("encode",), []),
        (("decode",), []),
        (tuple(METHODS), ["nearest", "reconstructions", "translations", "interpolations"]),
    ],
)
def test_sections_follow_the_capabilities(able: tuple[str, ...], more: list[str]) -> None:
    result = shown(report(*able))
    assert sorted(map(str, result.sections())) == sorted([*ALWAYS, *more])
    targets = [str(a["href"]) for a in result.all("a")]
    assert targets == [f"#{name}" for name in result.sections()]


def test_scores_and_curves_have_their_sections_where_there_are_any() -> None:
    result = shown(report("sample", scores=scores(fid(1.0)), rows=history()))
    assert {"scores", "learning"} <= set(result.sections())


def test_an_autoencoder_shows_no_samples_and_says_why() -> None:
    auto = report("encode", "decode", "reconstruct", taxonomy=("nonprobabilistic",), name="auto")
    result = shown(auto)
    assert "An autoencoder has no distribution to sample from." in result.text
    alts = [str(image["alt"]) for image in result.all("img")]
    assert not any("samples of auto" in alt for alt in alts)
    assert any("reconstructions by auto" in alt for alt in alts)
    assert "64 samples" not in result.text


def test_the_file_fetches_nothing() -> None:
    content = page([report(*METHODS, scores=scores(fid(1.0)), rows=history())], "t")
    result = Page(content)
    assert result.all("script") == []
    assert result.all("link") == []
    addresses = [
        a for _, attrs in result.elements for k, a in attrs.items() if k in ("src", "href")
    ]
    assert addresses
    assert all(str(a).startswith(("data:image/png;base64,", "#")) for a in addresses)
    assert "url(" not in content
    assert (files("genarium.report") / "style.css").read_text(encoding="utf-8") in content
    assert "@import" not in content
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", content)
    policy = next(m for m in result.all("meta") if m.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_names_from_outside_are_text_and_never_markup() -> None:
    evil = "<b>x</b>\"'&<script>alert(1)</script>"
    given = Scores(
        [Score(evil, 1.0, better="lower", unit=evil, note=evil, reference=2.0)],
        {
            "extractor": {"name": evil, "hash": evil},
            "resize": evil,
            "reference": {"split": evil, "count": 1},
            "seed": 0,
        },
        [evil],
    )
    rows = [{"step": 1, "seconds": 1.0, "images": 1, "losses": {evil: 1.0}, "metrics": {evil: 1.0}}]
    result = shown(
        report(
            *METHODS,
            name=evil,
            recipe=FakeRecipe(evil, evil, evil),
            taxonomy=(evil,),
            config={"arguments": {evil: evil}, "training": {"seed": evil}},
            scores=given,
            rows=rows,
            hardware=evil,
        )
    )
    assert result.all("script") == []
    assert len(result.all("b")) == result.text.count(f"{evil}. It")
    assert evil in result.text


def test_every_image_has_words_and_every_table_headers() -> None:
    result = shown(report(*METHODS, scores=scores(fid(1.0)), rows=history()))
    assert all(image["alt"] for image in result.all("img"))
    assert all(cell.get("scope") for cell in result.all("th"))
    assert len(result.all("caption")) == len(result.all("table")) == 3
    assert result.all("html")[0]["lang"] == "en"
    ids = Counter(attrs["id"] for _, attrs in result.elements if "id" in attrs)
    assert max(ids.values()) == 1
    referred = {
        attrs["aria-labelledby"] for _, attrs in result.elements if "aria-labelledby" in attrs
    }
    assert referred <= set(ids)


def test_the_best_of_comparable_scores_is_marked() -> None:
    first = report("sample", name="one", scores=scores(fid(3.0), bits(1.0, "a")))
    second = report("sample", name="two", scores=scores(fid(2.0), bits(0.5, "b")))
    result = shown(first, second)
    assert [c.get("class") for c in result.all("td")].count("best") == 1
    assert "2 (best)" in result.text
    assert "digits-cnn (weights 0123456789ab; none)" in result.text
    assert "12 images of the test split" in result.text


def test_real_images_have_a_row_where_a_score_has_a_reference() -> None:
    row = Score("sharpness", 1.0, reference=7.125)
    assert "Real test images 7.125" in shown(report(scores=scores(row))).text.replace(
        "images7", "images 7"
    )
    assert "Real test images" not in shown(report(scores=scores(fid(1.0)))).text


def test_stability_names_what_failed() -> None:
    rows = [*history(), {"step": 100, "event": "rollback", "failed": 140, "what": "loss"}]
    result = shown(report(rows=rows), report(rows=history(), name="calm"))
    assert "rolled back once, 40 steps lost" in result.text
    assert result.text.count("none") >= 1


def test_samples_that_are_not_finite_are_told() -> None:
    assert "3 of them hold pixels that are not finite" in shown(report("sample", nonfinite=3)).text


def test_the_headline_says_what_was_compared() -> None:
    text = shown(report("sample", hardware="Quick CPU, 2 cores")).text
    for words in (
        "blobs (000000000000)",
        "24 train, 4 validation, 12 test; 8 × 8 pixels, grey",
        "training 7; samples 0",
        "Quick CPU, 2 cores",
        "genarium 0.1.0, PyTorch 2.13.0, Python 3.11.7",
        "Images: <nobody>.",
    ):
        assert words in text


@pytest.mark.parametrize("taxonomy", list(families.FAMILIES))
def test_each_family_has_its_paragraph(taxonomy: tuple[str, ...]) -> None:
    result = shown(report("sample", taxonomy=taxonomy))
    assert families.FAMILIES[taxonomy].text in result.text
    assert families.FAMILIES[taxonomy].title in result.text


def test_capabilities_that_the_paragraph_does_not_cover_are_explained() -> None:
    def extra(taxonomy: tuple[str, ...], *able: str) -> list[str]:
        return families.meaning(taxonomy, able)[1:]

    assert extra(("implicit",), "sample") == []
    assert extra(("implicit",), "sample", "log_prob") == [families.CAPABILITIES["log_prob"]]
    assert "lower bound" in extra(("yours",), "elbo")[0]
    assert families.family(("explicit", "tractable", "deeper")).title.endswith("tractable")
    assert families.family(("explicit", "new")).title == "Explicit, new"
    assert families.no_samples(("implicit",), ["translate"]).startswith("This model translates")


def test_the_longest_known_branch_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    deeper = families.Family("Deeper", "Words.")
    monkeypatch.setitem(families.FAMILIES, ("implicit", "deeper"), deeper)
    assert families.family(("implicit", "deeper", "still")) is deeper
    assert families.family(("implicit",)) is not deeper


def test_two_models_of_one_family_share_its_paragraph() -> None:
    text = shown(report("sample", name="one"), report("sample", name="two")).text
    assert text.count(families.FAMILIES["explicit", "approximate"].text) == 1
    assert "one, two" in text


def test_render_writes_the_page_and_results_that_round_trip(tmp_path: Path) -> None:
    given = scores(fid(2.5), bits(1.0, "d"), warnings=["something"])
    result = report("sample", scores=given, rows=history(), sampling_seconds=2.0)
    done = render([result, report(name="other")], tmp_path / "deep" / "page.html", "T")
    Page(done.path.read_text(encoding="utf-8"))
    read = json.loads((tmp_path / "deep" / "results.json").read_text(encoding="utf-8"))
    assert read == done.to_dict() == done.results
    first = read["runs"][0]
    assert Scores.from_dict(first["scores"]).to_dict() == given.to_dict()
    assert first["sampling"] == {
        "images": 9,
        "seconds": 2.0,
        "seconds_per_64": pytest.approx(2 * 64 / 9),
        "not_finite": 0,
    }
    assert first["training"]["images_per_second"] == pytest.approx(320)
    assert first["nearest"]["test_images"]["count"] == 12
    assert read["data"]["counts"] == {"train": 24, "validation": 4, "test": 12}
    assert sorted(p.name for p in done.path.parent.iterdir()) == ["page.html", "results.json"]


def test_results_hold_no_nan(tmp_path: Path) -> None:
    rows = [{"step": 1, "seconds": math.inf, "images": 4, "losses": {"a": math.nan}}]
    config = {"arguments": {"lr": math.nan, "path": Path("x"), "shape": (1, 2)}}
    done = render([report(rows=rows, config=config)], tmp_path)
    assert done.path == tmp_path / "comparison.html"
    read = json.loads(
        (tmp_path / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    assert read["runs"][0]["config"]["arguments"] == {"lr": None, "path": "x", "shape": [1, 2]}


def test_runs_of_one_name_are_told_apart() -> None:
    from genarium.report.compare import _distinct

    named = [report(name=n) for n in ("a", "b", "a")]
    assert [r.name for r in _distinct(named)] == ["a (1)", "b", "a (2)"]


def test_other_data_are_refused_in_one_line(tmp_path: Path) -> None:
    one, two = report(name="one"), report(name="two", on=data("others"))
    with pytest.raises(UserError, match=r"one was trained on blobs .*two on others") as caught:
        render([one, two], tmp_path / "page.html")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    grown = report(name="two", on=data(counts=(25, 4, 12)))
    with pytest.raises(UserError, match=r"40 images.*41 images"):
        render([one, grown], tmp_path / "page.html")


def test_no_runs_are_refused(tmp_path: Path) -> None:
    for call in (render, write):
        with pytest.raises(UserError, match="at least one run"):
            call([], tmp_path / "page.html")


def test_images_of_several_shapes_stand_on_one_page(tmp_path: Path) -> None:
    large = report(*METHODS, name="large", on=data(spec=Spec(3, 16, 12)))
    small = report(*METHODS, name="small", on=data(spec=Spec(1, 8, 8)))
    done = render([large, small], tmp_path / "page.html")
    text = Page(done.path.read_text(encoding="utf-8")).text
    assert "12 × 16 pixels, RGB, 8 × 8 pixels, grey" in text
    assert [r["shape"] for r in done.results["runs"]] == [[3, 16, 12], [1, 8, 8]]


def test_write_collects_and_renders(tmp_path: Path) -> None:
    on = data()
    parts: list[str] = []
    runs = [run("sample", on=on, name="a"), run("reconstruct", on=on, name="b")]
    done = write(
        runs, tmp_path / "page.html", samples=4, evaluate=False, title="T", progress=parts.append
    )
    assert [r.name for r in done.reports] == ["a", "b"]
    assert parts == ["a: samples", "a: nearest training images", "b: reconstructions"]
    assert "<title>T</title>" in done.path.read_text(encoding="utf-8")
    assert Path(done) == done.path


def test_write_refuses_other_data_before_it_draws(tmp_path: Path) -> None:
    one, two = run("sample", name="a"), run("sample", name="b", on=data("others"))
    with pytest.raises(UserError, match="one data set"):
        write([one, two], tmp_path / "page.html")
    assert one.model.seen == []


def test_the_table_marks_the_best(tmp_path: Path) -> None:
    one = report(name="one", scores=scores(fid(3.0)))
    two = report(name="two", scores=scores(fid(2.0)))
    lines = render([one, two], tmp_path / "page.html").table().splitlines()
    assert lines[0].split() == ["one", "two"]
    assert lines[1].split() == ["FID", "(digits-cnn)", "3", "2*"]


def test_results_need_no_scores() -> None:
    result = results([report()], "t")
    assert result["runs"][0]["scores"] is None
    assert result["best"] == {}


def test_verdicts_are_on_the_page_in_the_text_and_in_the_results(tmp_path: Path) -> None:
    reports = [
        report("sample", name=name, scores=scores(Score("FID (x)", value, 0.1, "lower")))
        for name, value in (("one", 3.0), ("two", 2.0))
    ]
    comparison = render(reports, tmp_path / "page.html")
    words = "two better than one"
    text = Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert words in text
    assert "0.723 to 1.28" in text
    assert f"{words} (difference 1, 95 % interval 0.72 to 1.28)" in comparison.table()
    (record,) = json.loads((tmp_path / "results.json").read_text())["verdicts"]
    assert record["better"] == "two"
    assert record["words"] == words
    assert record["interval"] == pytest.approx([0.7228, 1.2772], abs=1e-3)
