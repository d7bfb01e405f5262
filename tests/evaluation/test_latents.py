"""Active units, collapse, and which latent follows which factor, against known answers."""

import math

import pytest
import torch
from torch import nn

from genarium.contract import Posterior
from genarium.evaluation.images import Stored
from genarium.evaluation.metrics.disentanglement import (
    binned,
    entropy,
    mutual_information,
    mutual_information_gaps,
)
from genarium.evaluation.scores.likelihood import likelihood
from genarium.evaluation.scores.model import ACTIVE, latents

CONTEXT = {"batch": 4, "seed": 0, "heldout": {"split": "test", "count": 10, "sha256": "0"}}


def quiet(what, done, total):
    pass


class Encoder(nn.Module):
    """Latent 0 is the image's brightness in 0 .. 9, 1 constant but sure, 2 at the prior, 3 moves
    a little less than counts."""

    def posterior(self, images):
        x = images.flatten(1).float().mean(1)
        still = torch.zeros_like(x)
        mean = torch.stack([x, still + 3, still, x * math.sqrt(ACTIVE / 8.25) * 0.9], 1)
        return Posterior(mean, torch.tensor([0.0, math.log(0.1), 0.0, 0.0]).expand(len(x), -1))


def heldout():
    return Stored(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 4, 4))


def test_a_collapsed_latent_is_told_from_a_dead_and_an_active_one():
    result = {s.name: s for s in latents(Encoder(), heldout(), CONTEXT, quiet)}
    assert result["active units"].value == 1
    assert result["active units"].unit == "of 4 latents"
    # latent 3: ½ E[m²] = ½ (8.25 + 4.5²)·0.01/8.25·0.81 = 0.0140 nats: not at the prior
    assert result["collapsed latents"].value == 0.25
    squares = sum(v * v for v in range(10)) / 10
    kl = 0.5 * squares + 0.5 * (9 + 0.1 - 1 - math.log(0.1)) + 0.5 * squares * 0.01 / 8.25 * 0.81
    assert result["KL to the prior"].value == pytest.approx(kl, rel=1e-5)
    assert "0: 14.25" in result["KL to the prior"].note


class Narrow(Encoder):
    """Its prior of each latent is N(1, 4): the KL to it has a closed form."""

    def log_prior_ratio(self, z):
        one = torch.distributions.Normal(1.0, 2.0).log_prob(z)
        return (one - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(1)


def test_the_kl_is_to_the_prior_that_the_model_has():
    (score,) = (s for s in latents(Narrow(), heldout(), CONTEXT, quiet) if s.name.startswith("KL"))
    mean, log_variance = Narrow().posterior(next(heldout().batches(10)))
    variance = log_variance.exp()
    kl = 0.5 * ((variance + (mean - 1) ** 2) / 4 - 1 - (variance / 4).log())
    assert score.value == pytest.approx(kl.sum(1).mean().item(), rel=0.02)
    assert "by latent, of N(0, 1) each 0: 14.25" in score.note


def test_no_posterior_no_rows():
    assert latents(nn.Linear(1, 1), heldout(), CONTEXT, quiet) == []


class Bound(nn.Module):
    density = "bits"
    samples = 7
    asked: int = 0

    def elbo(self, images, condition=None, *, k=1, generator=None):
        self.asked = k
        return torch.full((len(images),), -5.0)


def test_a_model_of_several_samples_is_scored_by_its_own_bound_and_says_so():
    model = Bound()
    (row,) = likelihood(model, heldout(), CONTEXT, quiet)
    assert model.asked == 7
    assert "of 7 samples" in row.note
    assert row.basis["importance samples"] == 7


def test_entropy_and_information_of_known_tables():
    bits = torch.tensor([0, 1]).repeat(2000)
    assert entropy(bits).item() == pytest.approx(math.log(2))
    other = torch.tensor([0, 0, 1, 1]).repeat(1000)
    result = mutual_information(torch.stack([bits, other], 1), bits[:, None])
    assert result[0, 0].item() == pytest.approx(math.log(2), abs=2e-3)
    assert result[1, 0].item() == pytest.approx(0.0, abs=1e-3)


def test_the_gap_is_one_for_one_latent_a_factor_and_nothing_for_two_that_share_it():
    g = torch.Generator().manual_seed(0)
    factors = torch.stack([torch.randint(6, (4000,), generator=g), torch.arange(4000) % 3], 1)
    noise = torch.randn(4000, generator=g)
    own = torch.cat([factors.float() * 2 - 1, noise[:, None]], 1)
    assert (mutual_information_gaps(own, factors) > 0.97).all()
    shared = torch.stack([factors[:, 0], factors[:, 0], factors[:, 1]], 1).float()
    first, second = mutual_information_gaps(shared, factors).tolist()
    assert first == pytest.approx(0.0, abs=1e-9)
    assert second > 0.97
    with pytest.raises(ValueError, match="two latents"):
        mutual_information_gaps(own[:, :1], factors)


def test_bins_are_equal_steps_and_few_values_stay_as_they_are():
    column = torch.tensor([0.0, 0.5, 7.0])[torch.arange(300) % 3]
    assert binned(column[:, None]).unique().tolist() == [0, 1, 2]
    ramp = binned(torch.linspace(-1, 3, 1000)[:, None])[:, 0]
    assert ramp.bincount().tolist() == [50] * 20
