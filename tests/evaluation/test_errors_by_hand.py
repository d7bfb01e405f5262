"""Standard errors and closed forms of scores that no other test holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import from_uint8
from genarium.evaluation.diagnostics.dropping import _holm, dropping, unmixed
from genarium.evaluation.diagnostics.lookalikes import Lookalikes
from genarium.evaluation.diagnostics.repeats import repeats
from genarium.evaluation.images import Stored
from genarium.evaluation.metrics.disentanglement import mutual_information, mutual_information_gaps
from genarium.evaluation.metrics.frechet import frechet_distance, frechet_influence, statistics
from genarium.evaluation.metrics.inception_score import inception_score
from genarium.evaluation.scores.heldout import spread_of
from genarium.evaluation.scores.model import reconstruction
from genarium.evaluation.scores.registry import standard_error
from genarium.evaluation.scores.translation import _distance
from genarium.report.families import meaning


def test_the_error_of_a_mean_is_the_deviation_over_the_root_of_n() -> None:
    """1, 2, 3, 6: squares about the mean 3 add up to 14, so √(14 / 3 / 4)."""
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert standard_error(values) == pytest.approx(math.sqrt(14 / 12))
    assert standard_error(values[:1]) is None
    parts = spread_of(values)
    assert parts is not None
    assert parts.square().sum().item() == pytest.approx(14 / 12)
    assert parts.sum().item() == pytest.approx(0.0, abs=1e-12)


class Off(nn.Module):
    """Gives back images with an error of its own each."""

    def __init__(self, errors: Tensor):
        super().__init__()
        self.errors, self.latent = errors, 2

    def reconstruct(self, images: Tensor) -> Tensor:
        return from_uint8(images) + 2 * self.errors.view(-1, 1, 1, 1)


def test_reconstructions_from_codes_as_large_as_the_image_are_not_ranked_beside_others() -> None:
    """A diffusion model gives an image back before it has learnt anything."""
    context: dict[str, Any] = {
        "batch": 8,
        "heldout": {"count": 4, "split": "test", "sha256": "0"},
    }
    images = Stored(torch.full((4, 1, 4, 4), 100, dtype=torch.uint8))
    small, large = Off(torch.full((4,), 0.1)), Off(torch.full((4,), 0.1))
    small.latent, large.latent = 15, 16
    of_small = reconstruction(small, images, context, lambda *_: None)
    of_large = reconstruction(large, images, context, lambda *_: None)
    for a, b in zip(of_small, of_large, strict=True):
        assert a.value == b.value
        assert b.basis == {**a.basis, "code": "not smaller than the image"}
    assert "code" not in of_small[0].basis
    assert "code not smaller" in of_large[0].note
    keeps = "show what its code keeps"
    assert not any(keeps in text for text in meaning(("explicit", "path"), ["reconstruct"]))


def test_the_error_of_a_psnr_is_that_of_the_mse_times_its_slope() -> None:
    """dB = -10 log₁₀ e, whose slope is -10 / (e ln 10): checked by a difference quotient."""
    context: dict[str, Any] = {
        "batch": 8,
        "heldout": {"count": 4, "split": "test", "sha256": "0"},
    }
    images = Stored(torch.full((4, 1, 4, 4), 100, dtype=torch.uint8))
    model = Off(torch.tensor([0.1, 0.2, 0.1, 0.3]))
    mse, psnr = reconstruction(model, images, context, lambda *_: None)
    errors = torch.tensor([0.01, 0.04, 0.01, 0.09]).double()
    assert mse.value == pytest.approx(errors.mean().item(), rel=1e-5)
    assert mse.std == pytest.approx(errors.std().item() / 2, rel=1e-5)
    step = 1e-7
    ends = [-10 * math.log10(mse.value + s) for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert psnr.value == pytest.approx(-10 * math.log10(mse.value))
    assert psnr.std == pytest.approx(abs(slope) * mse.std, rel=1e-4)
    assert psnr.shared is not None
    assert mse.shared is not None
    torch.testing.assert_close(psnr.shared, slope * mse.shared, rtol=1e-4, atol=1e-9)


# Dropped classes ------------------------------------------------------------------------------


def test_shares_are_freed_of_errors_that_go_one_way() -> None:
    """Half of the second class is named the first: of even shares 3/4 and 1/4 are named so."""
    named = torch.tensor([[1.0, 0.0], [0.5, 0.5]]).double()
    result = unmixed(torch.tensor([750, 250]), named)
    torch.testing.assert_close(result, torch.tensor([0.5, 0.5]).double(), atol=1e-6, rtol=0)


def test_the_chance_of_a_class_is_the_binomial_of_its_quarter_and_the_strangers() -> None:
    """p = P(Binomial(n, q_k C_kk / 4 + Σ_j≠k s_j C_jk) <= o_k), summed term by term."""
    confusion = torch.tensor([[90, 10, 0], [0, 80, 20], [30, 0, 70]])
    counts, expected = torch.tensor([12, 5, 23]), torch.tensor([0.5, 0.2, 0.3])
    result = dropping(counts, expected, confusion, ("a", "b", "c"))
    named = confusion.double() / 100
    for k in range(3):
        chance = 0.25 * expected[k].item() * named[k, k].item()
        chance += sum(result.share[j].item() * named[j, k].item() for j in range(3) if j != k)
        terms = (math.comb(40, i) * chance**i * (1 - chance) ** (40 - i) for i in range(51))
        assert result.p[k].item() == pytest.approx(
            sum(term for i, term in enumerate(terms) if i <= counts[k]), rel=1e-5
        )


@pytest.mark.parametrize(
    ("p", "result"),
    [
        ([0.016, 0.02, 0.04], [0, 1, 2]),  # .05/3, .05/2 and .05: each is below its own
        ([0.016, 0.03, 0.04], [0]),  # the second is not, and then nor is the third
        ([0.04, 0.9, 0.016], [2]),
        ([0.02, 0.02, 0.02], []),
    ],
)
def test_holms_correction(p: list[float], result: list[int]) -> None:
    assert _holm(torch.tensor(p), len(p)) == result


# Repeats, and errors of translations ----------------------------------------------------------


def test_the_chance_of_repeats_is_that_of_as_many_or_more() -> None:
    """Two of twenty samples are one picture: P(Binomial(20, .01) >= 1) = 1 - .99^20."""
    distance = torch.ones(20, 4)
    index = torch.arange(20)[:, None] + torch.arange(1, 5) % 20
    index = index % 20
    distance[0, 0] = 0.0
    result = repeats(Lookalikes(distance, index), torch.ones(100))
    assert (result.count, result.different) == (20, 19)
    assert result.p == pytest.approx(1 - 0.99**20)
    assert result.group[0] == result.group[index[0, 0]]


def test_the_error_of_a_translation_is_on_0_to_1() -> None:
    black, white = torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.full((2, 1, 2, 2), 255)
    white[1, 0, 0] = 0
    assert _distance(black, white.to(torch.uint8)).tolist() == [1.0, 0.5]


# Distances and the Inception Score ------------------------------------------------------------


def test_the_inception_score_is_the_exponential_of_the_mean() -> None:
    """One sure image and one undecided: the marginal is (3/4, 1/4)."""
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    sure, undecided = math.log(4 / 3), 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    result, deviation = inception_score(p, 1, probabilities=True)
    assert result == pytest.approx(math.exp((sure + undecided) / 2))
    assert deviation == 0.0


def test_images_of_either_set_pull_the_frechet_distance_their_way() -> None:
    """Means far apart: an image counts by what the distance is without it."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    y = torch.randn(60, 2, generator=generator, dtype=torch.float64) + 3

    def distance(x: Tensor, y: Tensor) -> float:
        return frechet_distance(*statistics(x), *statistics(y))

    ours, theirs = frechet_influence(x, y)
    whole = distance(x, y)
    without = [
        torch.tensor([whole - distance(x[torch.arange(40) != i], y) for i in range(40)]),
        torch.tensor([whole - distance(x, y[torch.arange(60) != i]) for i in range(60)]),
    ]
    for influence, loss in zip((ours, theirs), without, strict=True):
        together = torch.corrcoef(torch.stack([influence, loss.double()]))
        assert together[0, 1] > 0.99
        assert influence.norm() == pytest.approx((loss - loss.mean()).norm().item(), rel=0.2)


# Disentanglement ------------------------------------------------------------------------------


def test_a_gap_is_a_share_of_the_factors_entropy() -> None:
    """A latent that agrees with a coin in three of four images, beside one that says nothing:
    I = ln 2 - H(1/4), less Miller's (2 - 1)(2 - 1) / 2N; the coin has ln 2."""
    coin = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]).repeat(2)
    latent = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]).repeat(2)
    codes = torch.stack([torch.zeros(16), latent], 1)
    quarter = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    expected = math.log(2) - quarter - 1 / 32
    result = mutual_information(codes, coin[:, None])
    assert result.flatten().tolist() == pytest.approx([0.0, expected])
    gaps = mutual_information_gaps(codes, coin[:, None])
    assert gaps.tolist() == pytest.approx([expected / math.log(2)])
