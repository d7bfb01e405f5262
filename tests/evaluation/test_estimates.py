"""Likelihoods that are estimated: named so, with how, and never taken for exact ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor

import genarium
from genarium.contract import Estimate, Model, capabilities, likelihood_of
from genarium.errors import UserError
from genarium.evaluation.images import Stored
from genarium.evaluation.scores.likelihood import ESTIMATED, likelihood
from genarium.evaluation.scores.score import Score, differences
from genarium.runs.trained import Trained
from tests.conftest import short_runs


class Guessing(Model):
    """ln p(x) is guessed as minus the image's first value, give or take."""

    density = "grey levels"
    estimator = "a guess"

    def estimate_log_prob(
        self, images: Tensor, condition: object = None, *, k: int = 1, generator: object = None
    ) -> Estimate:
        value = -images[:, 0, 0, 0].double()
        return Estimate(value, torch.ones_like(value))


CONTEXT = {"seed": 0, "batch": 50, "heldout": {"split": "test", "count": 100, "sha256": "abc"}}


def test_an_estimate_is_scored_under_a_name_of_its_own() -> None:
    images = torch.arange(100, dtype=torch.uint8).view(100, 1, 1, 1).expand(-1, 1, 2, 2)
    (row,) = likelihood(Guessing(), Stored(images), CONTEXT, lambda *_: None)
    assert row.name == "bits/dim (estimate)"
    assert row.basis["estimated"] == "by a guess, 1 draw an image"
    assert row.basis["held-out images"] == ESTIMATED == 64
    assert "a guess" in row.note
    assert "64 test images" in row.note
    assert row.value == pytest.approx(49.5 / (4 * 0.6931), rel=0.15)
    other = Score(row.name, row.value, basis={**row.basis, "estimated": "by another"})
    assert differences(row, other) == ["estimated by a guess, 1 draw an image against by another"]
    exact = Score("bits/dim", row.value, basis=row.basis)
    assert differences(row, exact) == ["score bits/dim (estimate) against bits/dim"]


def test_exact_before_a_bound_before_an_estimate() -> None:
    assert likelihood_of(capabilities(Guessing())) == "estimate_log_prob"
    assert likelihood_of(("sample", "elbo", "estimate_log_prob")) == "elbo"
    assert likelihood_of(("log_prob", "elbo")) == "log_prob"
    assert likelihood_of(("sample",)) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return short_runs(tmp_path_factory.mktemp("runs"), ("flow-matching",))["flow-matching"]


def test_score_says_estimate_with_its_error(run: Trained, tmp_path: Path) -> None:
    images = run.dataset().test.images[:3]
    result = genarium.score(run, images, k=3)
    assert (result.kind, result.exact) == ("estimate_log_prob", False)
    text = result.text()
    assert text.startswith("estimate of ln p(x) (ODE by dopri5 at tolerance 0.001, Hutchinson's")
    assert "3 draws an image" in text
    assert "±" in text.splitlines()[1]
    facts = result.to_dict()
    assert facts["estimator"] == run.model.estimator
    assert all(row["nats_error"] > 0 for row in facts["scores"])
    result.save(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as file:
        (header, *rows) = csv.reader(file)
    assert header == ["name", "nats", "bits_per_dim", "nats_error"]
    assert len(rows) == 3
    once = genarium.score(run, images)
    assert "±" not in once.text()
    assert "nats_error" not in once.to_dict()["scores"][0]
    # an image's number does not depend on the images beside it
    alone = genarium.score(run, images[:1])
    torch.testing.assert_close(alone.nats, once.nats[:1], rtol=1e-4, atol=1e-2)


def test_labels_say_what_a_sample_costs_by_default_too(run: Trained) -> None:
    assert run.label == f"{run.name} (heun, 19 evaluations)"
    fewer = run.with_settings({"steps": 5, "solver": "euler"})
    assert fewer.label == f"{run.name} (euler, 5 evaluations)"
    assert not torch.equal(fewer.sample(2), run.sample(2))
    assert torch.equal(fewer.decode(fewer.codes(2)), fewer.sample(2))
    with pytest.raises(UserError, match=r"--solver 'edm': choose 'euler'"):
        run.with_settings({"solver": "edm"})
    with pytest.raises(UserError, match="churn"):
        run.with_settings({"churn": 1.0})
