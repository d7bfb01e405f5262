"""What is collected of a run: everything that its model can do, and nothing else."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from genarium.contract import Spec, to_uint8
from genarium.data.choice import fair_rows
from genarium.errors import UserError
from genarium.evaluation.extractors import by_name as features
from genarium.evaluation.extractors.extractor import from_module
from genarium.evaluation.plan import of_data
from genarium.evaluation.scores.measured import Metric
from genarium.report.compare import collect
from genarium.report.gather import matches, nearest_index
from tests.report.fakes import METHODS, data, fid, run, scores

PARTS = {
    "samples": {"sample"},
    "sampling_seconds": {"sample"},
    "copies": {"sample"},
    "baseline": {"sample"},
    "reconstructions": {"reconstruct"},
    "translations": {"translate"},
}


@pytest.mark.parametrize(
    "able", [c for n in (0, 1, 2, len(METHODS)) for c in itertools.combinations(METHODS, n)]
)
def test_each_part_hangs_on_its_capability(able: tuple[str, ...]) -> None:
    report = collect(run(*able), dataset=data(), n=4)
    for part, needed in PARTS.items():
        assert (getattr(report, part) is not None) == (needed <= set(able)), part
    walks = "decode" in able and ("encode" in able or "prior" in able)
    assert (report.interpolations is not None) == walks


def test_samples_are_those_of_the_seed() -> None:
    one = run("sample")
    report = collect(one, dataset=data(), n=5, seed=3)
    assert torch.equal(report.samples, to_uint8(one.sample(5, seed=3)))
    assert not torch.equal(report.samples, to_uint8(one.sample(5, seed=4)))


def test_the_global_generator_and_the_mode_are_left_alone() -> None:
    one = run("sample", "encode", "decode", "reconstruct")
    one.model.train()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    collect(one, dataset=data(), n=4)
    assert torch.equal(torch.rand(3), expected)
    assert one.model.training


def test_the_samples_of_the_page_are_those_that_were_scored() -> None:
    """The first of the scored ones, uint8 for uint8; where fewer are scored the stream goes on."""
    one = run("sample", "reconstruct")
    seen: list[torch.Tensor] = []

    def spy(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.clone())
        return images.flatten(1).float().mean(1)

    spying = Metric(lambda samples, reference: None, {"spy": spy}, on_features=False, needs=())
    plan = of_data(data(), n=12, seed=5, extractor="pixels", metrics="fid")
    plan = dataclasses.replace(plan, metrics=(*plan.metrics, spying))
    report = collect(one, dataset=data(), n=9, plan=plan)
    theirs, ours = seen  # the test images are measured first
    assert torch.equal(theirs, data().test.images)
    assert torch.equal(report.samples, ours[:9])
    assert report.seed == 5
    seen.clear()
    more = collect(one, dataset=data(), n=20, plan=plan).samples
    assert torch.equal(more[:12], seen[1])
    assert len(more.flatten(1).unique(dim=0)) == 20


def test_a_conditional_model_gets_the_classes_in_turn() -> None:
    one = run("sample")
    one.model.conditional = True
    assert collect(one, dataset=data(), n=5).conditions
    assert one.model.seen[-1].tolist() == [0, 1, 0, 1, 0]
    plain = run("sample")
    assert not collect(plain, dataset=data(), n=5).conditions
    assert plain.model.seen == [None]


def test_samples_that_are_not_finite_are_counted_and_shown_grey() -> None:
    one = run("sample")
    draw = one.model.sample

    def spoiled(n: int, **asked: Any) -> torch.Tensor:
        images = draw(n, **asked)
        images[1, 0, 2, 3] = math.nan
        images[2] = math.inf
        return images

    one.model.sample = spoiled
    report = collect(one, dataset=data(), n=4)
    assert report.nonfinite == 2
    assert report.samples[1, 0, 2, 3] == 128


def test_planted_copies_are_found() -> None:
    on = data()
    one = run("sample", on=on)
    one.model.sample = lambda n, **_: on.train.images[:n].float() / 127.5 - 1
    report = collect(one, dataset=on, n=6)
    assert report.copies.median == 0.0
    assert torch.equal(report.copies.images, report.copies.nearest)
    assert report.baseline.median > 1
    assert report.baseline.count == len(on.test)


def test_distances_are_euclidean_on_unit_pixels_from_closest_to_farthest() -> None:
    queries = torch.zeros(5, 1, 2, 2, dtype=torch.uint8)
    result = torch.tensor([255, 0, 51, 102, 204], dtype=torch.uint8).view(5, 1, 1, 1)
    answer = matches(queries, result.expand(5, 1, 2, 2), shown=3)
    assert answer.distances == pytest.approx((0.0, 0.8, 2.0))
    assert answer.median == pytest.approx(0.8)
    assert answer.count == 5


def test_the_search_in_parts_is_the_search_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randint(256, (7, 1, 3, 3), generator=generator, dtype=torch.uint8)
    corpus = torch.randint(256, (50, 1, 3, 3), generator=generator, dtype=torch.uint8)
    naive = torch.cdist(queries.flatten(1).double(), corpus.flatten(1).double()).argmin(1)
    monkeypatch.setattr("genarium.report.gather.CORPUS", 9 * 8)
    assert torch.equal(nearest_index(queries, corpus), naive)


def test_every_run_shows_the_same_test_images() -> None:
    first = collect(run("reconstruct"), dataset=data())
    second = collect(run("reconstruct", "sample"), dataset=data())
    assert torch.equal(first.reconstructions.originals, second.reconstructions.originals)
    assert torch.equal(first.reconstructions.made, first.reconstructions.originals.flip(3))


def test_walks_use_codes_of_test_images_before_draws_of_the_prior() -> None:
    with_codes = collect(run("encode", "decode", "prior"), dataset=data())
    assert with_codes.interpolations.kind == "linear"
    assert with_codes.interpolations.images.shape == (4, 9, 1, 8, 8)
    test = data().test
    chosen = test.images[fair_rows(test, 8)]
    assert torch.equal(with_codes.interpolations.ends[:, 0], chosen[:4])
    assert torch.equal(with_codes.interpolations.ends[:, 1], chosen[4:])
    of_prior = collect(run("decode", "prior"), dataset=data())
    assert of_prior.interpolations.kind == "spherical"
    assert of_prior.interpolations.ends is None


def test_one_test_image_is_enough() -> None:
    on = data(counts=(3, 0, 1))
    report = collect(run(*METHODS, on=on), dataset=on, n=1)
    assert report.interpolations.images.shape[0] == 1
    assert report.copies.count == 1


def test_data_of_another_shape_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"1x8x8.*3x4x4") as caught:
        collect(run("sample"), dataset=data(spec=Spec(3, 4, 4)))
    assert "\n" not in str(caught.value)


def test_data_that_changed_since_the_training_are_refused() -> None:
    with pytest.raises(UserError, match="other data"):
        collect(run("sample"), dataset=data(seed=1))


def test_no_samples_and_no_test_images_are_refused() -> None:
    with pytest.raises(UserError, match="-n 0"):
        collect(run("sample"), dataset=data(), n=0)
    on = data(counts=(3, 0, 0))
    with pytest.raises(UserError, match="no test images"):
        collect(run("sample", on=on), dataset=on)


def test_given_scores_are_kept() -> None:
    given = scores(fid(3.0))
    assert collect(run("sample"), dataset=data(), n=2, scores=given).scores is given


def test_own_scores_are_computed_with_the_default_extractor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Flat(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.flatten(1)[:, :4], x.new_empty(len(x), 0)

    flat = from_module(
        Flat(), name="flat", dims=4, prepare=lambda images: images.float(), resize="none"
    )
    asked: list[str] = []
    monkeypatch.setattr(features, "extractor", lambda name, **_: (asked.append(name), flat)[1])
    parts: list[str] = []
    report = collect(
        run("sample", "reconstruct"),
        dataset=data(),
        n=2,
        plan=of_data(data(), n=8),
        progress=parts.append,
    )
    assert asked == [features.default_for("blobs", data().spec)]
    assert report.scores is not None
    assert report.scores.get("FID (flat)") is not None
    assert report.scores.get("reconstruction MSE") is not None
    assert report.scores.context["reference"]["count"] == 8
    named = [part for part in parts if not part.startswith("scores, ")]
    assert named == ["scores", "samples", "nearest training images", "reconstructions"]
    assert "scores, test 8 of 8" in parts


def test_the_baseline_is_that_of_the_test_images() -> None:
    on = data()
    on.test.images[:] = on.train.images[: len(on.test)]  # so each has a distance of 0
    report = collect(run("sample", on=on), dataset=on, n=6)
    assert report.baseline.median == 0.0
    assert report.copies.median > 1


def test_models_that_draw_from_the_global_generator_give_the_same_pictures() -> None:
    def made(seed: int) -> torch.Tensor:
        one = run("reconstruct")
        one.model.reconstruct = lambda images: torch.rand(images.shape) * 2 - 1
        return collect(one, dataset=data(), seed=seed).reconstructions.made

    assert torch.equal(made(0), made(0))
    assert not torch.equal(made(0), made(1))
