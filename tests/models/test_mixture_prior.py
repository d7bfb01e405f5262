"""A VAE whose prior is a mixture fitted to its codes: closed forms, EM by hand, bounds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genarium import recipes
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.vae.mixture import Mixture
from genarium.models.vae.model import VAE
from genarium.models.vae.prior import LearnedPrior, Prior
from genarium.nn import distributions as dist
from genarium.nn.mlp import DenseDecoder, DenseEncoder
from genarium.runs.building import build

SPEC = Spec(1, 8, 8, ("a", "b", "c"))
WEIGHTS, MEANS, VARIANCES = [0.3, 0.7], [[1.5, -1.0], [-0.5, 0.5]], [[0.2, 0.5], [0.4, 0.1]]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 4) -> Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=seeded(0))


def put(
    mixture: Mixture, weights: list[float], means: list[list[float]], variances: object
) -> None:
    """Make a mixture the one of these parts; components beyond them have no weight."""
    w, m, s2 = (torch.tensor(x, dtype=torch.float64) for x in (weights, means, variances))
    said = w[:, None] * torch.cat([torch.ones(len(w), 1), m, s2 + m.square()], 1)
    mixture.moments.zero_()
    mixture.moments[: len(w)] = said.to(mixture.moments)


def of_two() -> Mixture:
    result = Mixture(2, 2).double()
    put(result, WEIGHTS, MEANS, VARIANCES)
    return result


def density(u: Tensor) -> Tensor:
    """ln p(u) of the mixture of the constants above, by torch's own distributions."""
    w, m, s2 = (torch.tensor(x, dtype=torch.float64) for x in (WEIGHTS, MEANS, VARIANCES))
    parts = torch.distributions.Independent(torch.distributions.Normal(m, s2.sqrt()), 1)
    return torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(w), parts
    ).log_prob(u)


def made(name: str = "vae", **arguments: object) -> VAE:
    settings = {"latent": 3, "width": 2, "decoder": "bernoulli", **arguments}
    model = build(recipes.get(name), SPEC, settings, 0)
    assert isinstance(model, VAE)
    return model


# -- the density ------------------------------------------------------------------------------


def test_the_ratio_is_that_of_the_mixture_to_the_standard_normal() -> None:
    u = 2 * torch.randn(7, 2, dtype=torch.float64, generator=seeded(0))
    zero = torch.zeros(1, dtype=torch.float64)
    standard = dist.normal_log_prob(u, zero, zero).sum(1)
    torch.testing.assert_close(of_two().log_ratio(u), density(u) - standard)


@pytest.mark.parametrize("components", [1, 64])
def test_it_starts_as_the_standard_normal(components: int) -> None:
    u = torch.randn(7, 5, generator=seeded(0))
    mixture = Mixture(5, components)
    torch.testing.assert_close(mixture.log_ratio(u), torch.zeros(7), atol=3e-6, rtol=0)
    assert torch.equal(mixture.placed(u, torch.linspace(0, 1, 7)), u)


def test_draws_are_of_the_mixture_and_the_temperature_narrows_each_component() -> None:
    n = 20000
    z, chance = torch.randn(n, 2, generator=seeded(0)), torch.rand(n, generator=seeded(1))
    mixture = of_two().float()
    drawn = mixture.placed(z, chance)
    first = drawn[chance < 0.3]
    torch.testing.assert_close(first.mean(0), torch.tensor(MEANS[0]), atol=0.03, rtol=0)
    torch.testing.assert_close(first.var(0), torch.tensor(VARIANCES[0]), atol=0.03, rtol=0)
    rest = drawn[chance >= 0.3]
    torch.testing.assert_close(rest.mean(0), torch.tensor(MEANS[1]), atol=0.03, rtol=0)
    cold = mixture.placed(0 * z, chance)
    assert set(map(tuple, cold.round(decimals=4).tolist())) == set(map(tuple, MEANS))
    assert mixture.placed(z[:1], torch.ones(1)).isfinite().all()  # rounding may make chance 1


# -- the fit ----------------------------------------------------------------------------------


def test_an_update_is_a_step_of_em_by_hand() -> None:
    mixture, u = of_two(), torch.randn(6, 2, dtype=torch.float64, generator=seeded(3))
    parts = [
        math.prod(
            math.exp(-0.5 * (x - m) ** 2 / s2) / math.sqrt(2 * math.pi * s2)
            for x, m, s2 in zip(row, MEANS[k], VARIANCES[k])
        )
        * WEIGHTS[k]
        for row in u.tolist()
        for k in (0, 1)
    ]
    joint = torch.tensor(parts, dtype=torch.float64).view(6, 2)
    share = joint / joint.sum(1, keepdim=True)
    before = mixture.moments.clone()
    mixture.steps.fill_(17)
    mixture.update(u)
    memory = 18 / 27  # (1 + t)/(10 + t)
    for k in (0, 1):
        said = torch.cat(
            [share[:, k : k + 1], share[:, k : k + 1] * u, share[:, k : k + 1] * u**2], 1
        )
        expected = memory * before[k] + (1 - memory) * said.mean(0)
        torch.testing.assert_close(mixture.moments[k], expected)
    assert mixture.steps == 18


def test_one_component_has_the_moments_of_the_codes() -> None:
    u = torch.randn(4000, 2, generator=seeded(0)) * torch.tensor([0.5, 2.0]) + 1
    mixture = Mixture(2, 1)
    for _ in range(400):
        mixture.update(u)
    weight, mean, variance = mixture.parts()
    assert weight.tolist() == [1.0]
    torch.testing.assert_close(mean[0], u.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(variance[0], u.var(0, correction=0), atol=1e-3, rtol=1e-3)


def test_a_split_keeps_what_the_codes_have_as_a_whole_and_none_stays_without_weight() -> None:
    mixture = Mixture(2, 5).double()
    put(mixture, [1.0], [[0.3, -0.2]], [[0.5, 2.0]])
    whole = mixture.moments.sum(0)
    for components in (2, 3, 4, 5, 5):
        mixture._split()
        assert int((mixture.moments[:, 0] > 0).sum()) == components
        torch.testing.assert_close(mixture.moments.sum(0), whole)
    assert (mixture.parts()[2] > 0.01).all()
    # along the longest axis first
    put(mixture, [1.0], [[0.3, -0.2]], [[0.5, 2.0]])
    mixture._split()
    means = mixture.parts()[1][mixture.moments[:, 0] > 0]
    assert means[:, 0].tolist() == pytest.approx([0.3, 0.3])
    assert (means[0, 1] - means[1, 1]).abs().item() == pytest.approx(2 * 0.8 * math.sqrt(2))


def test_it_finds_groups_of_codes() -> None:
    """Of five groups in eight dimensions: to a tenth of a nat of the density that they are of."""
    middle = 2 * torch.randn(5, 8, generator=seeded(1))
    mixture = Mixture(8, 8)
    for step in range(300):
        g = seeded(step + 10)
        u = middle[torch.randint(5, (64,), generator=g)]
        mixture.update(u + 0.3 * torch.randn(64, 8, generator=g))
    g = seeded(5)
    u = middle[torch.randint(5, (2000,), generator=g)] + 0.3 * torch.randn(2000, 8, generator=g)
    normal = torch.distributions.Independent(
        torch.distributions.Normal(middle, torch.full_like(middle, 0.3)), 1
    )
    truth = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(5)), normal
    ).log_prob(u)
    ours = mixture.log_joint(u).logsumexp(1)
    assert ours.mean().item() > truth.mean().item() - 0.15
    one = dist.normal_log_prob(u, u.mean(0), u.var(0).log()).sum(1)
    assert one.mean().item() < truth.mean().item() - 5  # there was something to find


# -- the bound --------------------------------------------------------------------------------


def linear(mixture: Mixture) -> VAE:
    """x = W z + b + noise of variance e^0.3, one latent, three numbers."""
    torch.manual_seed(2)
    shape = (1, 1, 3)
    encoder, decoder = DenseEncoder(shape, 2, hidden=()), DenseDecoder(1, shape, hidden=())
    likelihood = dist.Gaussian(unit=1.0, log_variance=0.3)
    return VAE(Spec(*shape), encoder, decoder, likelihood, latent=1, mixture=mixture).double()


def test_bounds_of_two_components_against_the_exact_density() -> None:
    """p(x) = Σ_k w_k N(x; W m_k + b, W s_k² Wᵀ + σ²): many draws reach it, the ELBO is its KL to
    the posterior below, by integration over the latent."""
    w, m, s2 = [0.25, 0.75], [[1.2], [-0.6]], [[0.1], [0.3]]
    mixture = Mixture(1, 2).double()
    put(mixture, w, m, s2)
    model = linear(mixture)
    weight, bias = model.decoder.layers[0].weight.detach(), model.decoder.layers[0].bias.detach()
    noise = model.likelihood.log_variance.exp().detach()
    x = torch.randn(3, 3, dtype=torch.float64, generator=seeded(4))
    each = [
        math.log(w[k])
        + torch.distributions.MultivariateNormal(
            weight[:, 0] * m[k][0] + bias,
            s2[k][0] * weight @ weight.T + noise * torch.eye(3, dtype=torch.float64),
        ).log_prob(x)
        for k in (0, 1)
    ]
    exact = torch.stack(each).logsumexp(0)

    class Grid(Noise):
        def normal(self, *shape: int) -> Tensor:
            return grid[:, None]

    target = x.view(3, 1, 1, 3)
    with torch.no_grad():
        q = model.infer(target)
        # the noise of the draw, and its density
        grid = torch.linspace(-7, 7, 2001, dtype=torch.float64)
        density = (-0.5 * grid.square()).exp() / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
        zero = torch.zeros(1, dtype=torch.float64)
        elbo, by_terms, importance = [], [], []
        for i in range(3):
            mean, log_variance = q.mean[i], q.log_variance[i]
            z = (mean + (0.5 * log_variance).exp() * grid)[:, None]
            ln_p = torch.logsumexp(
                torch.stack(
                    [
                        math.log(w[k])
                        + dist.normal_log_prob(z[:, 0], zero + m[k][0], zero + math.log(s2[k][0]))
                        for k in (0, 1)
                    ]
                ),
                0,
            )
            ln_q = dist.normal_log_prob(z[:, 0], mean, log_variance)
            many = target[i].expand(len(z), 1, 1, 3)
            ln_x = model.likelihood.log_prob(model.generate(z), many)
            elbo.append((density * (ln_x + ln_p - ln_q)).sum())
            terms = model.terms(many, Grid(0, len(grid)))
            by_terms.append((density * model.elbo_of(terms)).sum())
            draws = torch.randn(40000, 1, dtype=torch.float64, generator=seeded(i))
            weights = model.log_weights(
                target[i].expand(40000, 1, 1, 3), draws, type(q)(mean, log_variance)
            )
            importance.append(dist.importance_weighted_bound(weights))
    torch.testing.assert_close(torch.stack(by_terms), torch.stack(elbo), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(torch.stack(importance), exact, atol=0.05, rtol=0)
    assert (torch.stack(elbo) < exact).all()


@pytest.mark.parametrize("name", ["vae", "iwae", "cvae"])
def test_the_networks_are_trained_as_with_one_gaussian_and_the_mixture_beside_them(
    name: str,
) -> None:
    models = {prior: made(name, prior=prior) for prior in ("mixture", "learned")}
    elbos = {}
    for prior, model in models.items():
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for step in range(4):
            labels = torch.tensor([0, 1, 2, 0])
            made_step = model.step(Batch(pictures(), labels, Noise(step, 4)), "vae")
            optimizer.zero_grad()
            sum(made_step.losses.values()).backward()
            optimizer.step()
        elbos[prior] = made_step.metrics["elbo"]
    own = models["mixture"].state_dict()
    for key, value in models["learned"].state_dict().items():
        assert torch.equal(own[key], value), key
    assert set(own) - set(models["learned"].state_dict()) == {"mixture.moments", "mixture.steps"}
    assert own["mixture.steps"] == 4
    assert int((own["mixture.moments"][:, 0] > 0).sum()) == 5, "one more component in each step"
    assert elbos["mixture"] != elbos["learned"], "the bound that is logged is that of the mixture"


def test_nothing_but_training_moves_it() -> None:
    model = made().eval()
    assert model.mixture is not None
    before = model.mixture.moments.clone()
    model.step(Batch(pictures(), None, Noise(0, 4)), "vae")
    model.elbo(pictures(), k=3)
    model.sample(3)
    assert torch.equal(model.mixture.moments, before)


@pytest.mark.parametrize("k", [1, 3])
def test_one_standard_component_is_the_learned_gaussian_in_bound_and_samples(k: int) -> None:
    models = [made("cvae", prior=prior).eval() for prior in ("mixture", "learned")]
    for model in models:
        with torch.no_grad():
            model.learned_prior.shift.copy_(torch.tensor([0.1, -0.2, 0.05]))
    bounds = [model.elbo(pictures(), k=k, generator=seeded(1)) for model in models]
    torch.testing.assert_close(*bounds, atol=1e-5, rtol=0)
    samples = [model.sample(3, generator=seeded(1), settings=Prior(0.7)) for model in models]
    assert torch.equal(*samples)


def test_codes_are_placed_in_the_units_of_the_learned_prior_beside_the_condition() -> None:
    model = made("cvae", latent=2).eval()
    assert model.mixture is not None
    put(model.mixture, WEIGHTS, MEANS, VARIANCES)
    labels = torch.tensor([2, 0, 1])
    cold = model.prior(3, seeded(0), condition=labels, settings=Prior(0.0))
    assert all(row[:2].tolist() in [pytest.approx(m, abs=1e-6) for m in MEANS] for row in cold)
    assert torch.equal(cold[:, 2:], torch.eye(3)[labels])


def test_a_run_of_before_has_the_prior_that_it_was_trained_with() -> None:
    assert all(recipes.get(name).former == {"prior": "fixed"} for name in ("vae", "iwae", "cvae"))
    for prior in ("learned", "fixed"):
        assert made(prior=prior).mixture is None
        with pytest.raises(UserError, match=rf"--components 8: --prior {prior} is one Gaussian"):
            made(prior=prior, components=8)
    assert isinstance(made().learned_prior, LearnedPrior)
