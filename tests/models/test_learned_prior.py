"""A VAE whose code has a learned prior N(m, diag s²), against formulas in z = m + s·u."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genarium import recipes
from genarium.contract import Batch, Noise, Spec
from genarium.models.vae.model import CONDITION_SCALE, VAE
from genarium.models.vae.prior import LearnedPrior
from genarium.nn import distributions as dist
from genarium.runs.building import build

SPEC = Spec(1, 8, 8, ("a", "b", "c"))
EPS = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


class Drawn(Noise):
    """The draws of a test."""

    def normal(self, *shape: int) -> Tensor:
        return EPS.view(len(EPS), *shape)


def pictures() -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8, generator=g)


def made(name: str = "vae", **arguments: object) -> VAE:
    """A model of 3 latents whose prior has moved: m and s are not 0 and 1."""
    settings = {"prior": "learned", "latent": 3, "width": 2, "decoder": "bernoulli", **arguments}
    model = build(recipes.get(name), SPEC, settings, 0).double().eval()
    assert isinstance(model, VAE)
    if model.learned_prior is not None:
        with torch.no_grad():
            model.learned_prior.shift.copy_(torch.tensor([0.1, -0.2, 0.05]))
            model.learned_prior.log_scale.copy_(torch.tensor([0.07, -0.05, 0.1]))
    return model


def moments(model: VAE) -> tuple[Tensor, Tensor]:
    """m and ln s²."""
    prior = model.learned_prior
    assert prior is not None
    return 10 * prior.shift, 20 * prior.log_scale


def test_the_rate_is_the_kl_to_the_learned_gaussian_latent_by_latent() -> None:
    model, target = made(), (pictures() > 127).double()
    mean, log_variance = model.encoder(target * 2 - 1).chunk(2, 1)
    m, log_s2 = moments(model)
    log_likelihood, kl, *_ = model.terms(target, Drawn(0, 4))
    torch.testing.assert_close(kl, dist.kl_normal(mean, log_variance, m, log_s2))
    z = mean + (0.5 * log_variance).exp() * EPS
    expected = model.likelihood.log_prob(model.decoder(z), target)
    torch.testing.assert_close(log_likelihood, expected)


def test_what_the_decoder_says_moves_the_prior_not_at_all() -> None:
    """z is a draw in the networks' units whatever m and s are: not even rounding moves them where
    free bits leave the rate without a gradient (Adam would make steps of it)."""
    model, target = made(), (pictures() > 127).double()
    model.terms(target, Drawn(0, 4))[0].sum().backward()
    assert model.learned_prior is not None
    assert all(p.grad is None for p in model.learned_prior.parameters())
    assert any(p.grad is not None for p in model.encoder.parameters())


def test_importance_weights_have_the_learned_density_of_the_code() -> None:
    model, target = made("iwae"), (pictures() > 127).double()
    mean, log_variance = model.encoder(target * 2 - 1).chunk(2, 1)
    m, log_s2 = moments(model)
    z = mean + (0.5 * log_variance).exp() * EPS
    expected = model.likelihood.log_prob(model.decoder(z), target) + (
        dist.normal_log_prob(z, m, log_s2) - dist.normal_log_prob(z, mean, log_variance)
    ).sum(1)
    weights = model.log_weights(target, EPS, model.infer(target * 2 - 1))
    torch.testing.assert_close(weights, expected)


def test_samples_are_of_the_learned_gaussian_and_codes_come_back() -> None:
    model = made()
    m, log_s2 = moments(model)
    u = torch.randn(5, 3, generator=torch.Generator().manual_seed(7)).double()
    expected = model.likelihood.mean(model.decoder(m + (0.5 * log_s2).exp() * u))
    drawn = model.decode(model.prior(5, torch.Generator().manual_seed(7)).double())
    torch.testing.assert_close(drawn, expected)
    means = model.encoder(pictures().double() / 127.5 - 1).chunk(2, 1)[0]
    rebuilt = model.decode((means - m) * (-0.5 * log_s2).exp())
    torch.testing.assert_close(rebuilt, model.likelihood.mean(model.decoder(means)))


def test_the_condition_is_not_scaled() -> None:
    model = made("cvae")
    m, log_s2 = moments(model)
    z, y = EPS, torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    entered = torch.cat([m + (0.5 * log_s2).exp() * z, CONDITION_SCALE * y], 1)
    torch.testing.assert_close(model.generate(z, y), model.decoder(entered))


class Told(nn.Module):
    """An encoder of fixed codes: means ±2 about 1, variance 1."""

    def forward(self, x: Tensor) -> Tensor:
        side = torch.tensor([[3.0], [-1.0]]).repeat(len(x) // 2, 1)
        return torch.cat([side, torch.zeros_like(side)], 1)


class Grey(nn.Module):
    """A decoder that says the same of every code."""

    def forward(self, z: Tensor) -> Tensor:
        return (0 * z).sum().expand(len(z), 1, 8, 8)


def test_training_finds_the_codes_mean_and_deviation() -> None:
    """The KL to N(m, s²) is least at the mixture's moments: m = 1, s² = 1 + 4; and soon so."""
    prior = LearnedPrior(1)
    model = VAE(SPEC, Told(), Grey(), dist.Bernoulli(), latent=1, learned_prior=prior)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(400):
        optimizer.zero_grad()
        sum(model.step(Batch(pictures(), noise=Noise(step, 4)), "vae").losses.values()).backward()
        optimizer.step()
    assert 10 * prior.shift.item() == pytest.approx(1.0, abs=0.1)
    assert (20 * prior.log_scale).exp().item() == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize("name", ["vae", "iwae", "cvae"])
def test_it_starts_as_the_fixed_one_and_runs_of_before_have_that(name: str) -> None:
    model, fixed = (
        build(recipes.get(name), SPEC, {"latent": 3, "width": 2, "prior": prior}, 0).eval()
        for prior in ("learned", "fixed")
    )
    assert recipes.get(name).former == {"prior": "fixed"}
    assert set(model.state_dict()) - set(fixed.state_dict()) == {
        "learned_prior.shift",
        "learned_prior.log_scale",
    }
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    assert torch.equal(
        model.sample(2, generator=generators[0]), fixed.sample(2, generator=generators[1])
    )
