"""The table of likelihoods, of a model of each family: what each figure is, and of what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from genarium import recipes
from genarium.evaluation.images import Stored
from genarium.evaluation.scores.likelihood import likelihood
from genarium.evaluation.scores.score import Score
from genarium.report.gather import collect
from genarium.report.likelihoods import likelihood_table, rows_of
from genarium.report.page import page
from genarium.runs.building import build
from tests.conftest import tiny_spec
from tests.report import fakes

CONTEXT = {"seed": 0, "batch": 4, "heldout": {"split": "test", "count": 2, "sha256": "abc"}}

EXPECTED: dict[str, tuple[str, str, str] | None] = {
    "autoencoder": None,
    "dcgan": None,
    "mean-flow": None,
    "vae": ("upper bound", "from the ELBO", "dynamically binarized pixels (Bernoulli)"),
    "pixelcnn": ("exact", "in one pass", "256 grey levels"),
    "spline-flow": (
        "exact",
        "in one pass",
        "uniformly dequantized 8-bit levels (lower bound for the levels)",
    ),
    "flow-matching": (
        "estimate",
        "by ODE by dopri5 at tolerance 0.001, Hutchinson's trace, 1 draw an image",
        "8-bit grey levels (lower bound: density of uniformly dequantized levels)",
    ),
    "ddpm": (
        "upper bound",
        "from the ELBO by both ends of the chain and 16 of the 48 steps between, 1 draw an image",
        "256 grey levels (lower bound: the chain's ELBO)",
    ),
}
"""Kind, how, of what; None: no likelihood."""


def scored(name: str) -> list[Score]:
    recipe = recipes.get(name)
    arguments: dict[str, Any] = {**recipe.tiny, **({"levels": 256} if name == "pixelcnn" else {})}
    model = build(recipe, tiny_spec(), arguments, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 1, 16, 16), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        return likelihood(model, Stored(images), CONTEXT, lambda *_: None)


@pytest.fixture(scope="module")
def reports() -> list[Any]:
    run = fakes.run("sample")
    made = collect(run, dataset=run.on, n=2)
    return [replace(made, name=name, scores=fakes.scores(*scored(name))) for name in EXPECTED]


def test_each_family_says_what_its_likelihood_is(reports: list[Any]) -> None:
    rows = {name: (kind, how, of) for name, _, kind, how, of, _ in rows_of(reports)}
    assert rows == {name: words for name, words in EXPECTED.items() if words is not None}
    assert all(count == "2" for *_, count in rows_of(reports))


def test_the_page_has_the_table(reports: list[Any]) -> None:
    table = str(likelihood_table(reports))
    assert all(text in table for words in filter(None, EXPECTED.values()) for text in words)
    assert 'id="likelihoods"' in page(reports, "title")
    without = [report for report in reports if EXPECTED[report.name] is None]
    assert likelihood_table(without) is None
