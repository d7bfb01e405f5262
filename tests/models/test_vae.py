"""The VAE's bound against closed forms, and its promises on shapes, batches and noise."""

import math

import pytest
import torch
from torch import Tensor

from genarium import contract
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.vae import bounds as module
from genarium.models.vae.model import VAE
from genarium.models.vae.terms import active_units
from genarium.models.vae.vae import vae
from genarium.nn import distributions as dist
from genarium.nn.mlp import DenseDecoder, DenseEncoder

TINY = Spec(1, 8, 8)
DECODERS = ["bernoulli", "gaussian", "logistic"]


def pictures(n: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=g)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(decoder: str = "bernoulli", spec: Spec = TINY, **arguments) -> VAE:
    torch.manual_seed(0)
    sizes = {"hidden": 16} if arguments.get("net") == "dense" else {"width": 4}
    return vae(spec, decoder=decoder, **{"latent": 3, **sizes, **arguments}).eval()


# The bound ------------------------------------------------------------------------------------


class SigmaPoints(Noise):
    """±√D along each axis in turn: their mean and covariance are those of N(0, I).

    Averages of quadratic functions over them are exact, so a linear VAE's ELBO is too.
    """

    def normal(self, *shape: int) -> Tensor:
        (latent,) = shape
        points = math.sqrt(latent) * torch.cat([torch.eye(latent), -torch.eye(latent)]).double()
        return points.repeat(self.total // len(points), 1)


def linear_vae(dims: int, latent: int) -> VAE:
    shape = (1, 1, dims)
    return VAE(
        Spec(*shape),
        DenseEncoder(shape, 2 * latent, hidden=()),
        DenseDecoder(latent, shape, hidden=()),
        dist.Gaussian(unit=1.0, log_variance=0.0),
        latent=latent,
    ).double()


@pytest.mark.parametrize(("dims", "latent"), [(3, 1), (5, 2)])
def test_linear_vae_reaches_the_ppca_optimum(dims, latent):
    """-½ [d ln 2π + Σ_{i≤k} ln λᵢ + (d-k) ln σ² + d], σ² the mean of the discarded λ."""
    torch.manual_seed(1)
    mixing = torch.diag(torch.linspace(2.0, 0.4, dims)) @ torch.linalg.qr(torch.randn(dims, dims)).Q
    x = (torch.randn(200, dims) @ mixing + 0.3).double()
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    variance = eigenvalues[latent:].mean()
    optimum = -0.5 * (
        dims * math.log(2 * math.pi)
        + eigenvalues[:latent].log().sum()
        + (dims - latent) * variance.log()
        + dims
    )

    model = linear_vae(dims, latent)
    target = x.view(-1, 1, 1, dims).repeat_interleave(2 * latent, 0)
    noise = SigmaPoints(0, len(target))
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )

    def closure():
        optimizer.zero_grad()
        log_likelihood, kl, *_ = model.terms(target, noise)
        loss = (kl.sum(1) - log_likelihood).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    reached = -closure().item()
    assert reached == pytest.approx(optimum.item(), abs=1e-2)
    # A bound never passes the best likelihood that the model has.
    assert reached <= optimum.item() + 1e-9
    assert model.likelihood.log_variance.exp().item() == pytest.approx(variance.item(), rel=0.05)


def test_importance_weights_give_the_exact_likelihood_of_a_linear_model():
    """ln p(x) of x = Wz + b + noise is Gaussian; 5000 samples come within a few hundredths."""
    torch.manual_seed(0)
    model = linear_vae(4, 2)
    torch.nn.init.zeros_(model.encoder.layers[0].weight)  # q is the prior: broad enough to cover
    weight, bias = model.decoder.layers[0].weight, model.decoder.layers[0].bias
    covariance = weight @ weight.T + model.likelihood.log_variance.exp() * torch.eye(4)
    exact = torch.distributions.MultivariateNormal(bias, covariance)
    x = exact.sample((6,))
    with torch.no_grad():
        truth = exact.log_prob(x)
        bounds = {}
        for k in (1, 5000):
            noise = module.RowNoise(6, seeded(0), torch.device("cpu"))
            bounds[k] = module.of_part(model, x.view(6, 1, 1, 4), k, noise, 1000, None)
    torch.testing.assert_close(bounds[5000], truth, atol=0.1, rtol=0)
    assert (bounds[1].mean() < truth.mean() - 0.1).item()


@pytest.mark.parametrize("decoder", DECODERS)
def test_more_importance_samples_never_loosen_the_bound(decoder):
    model = tiny(decoder)
    images = pictures(32, TINY.shape)
    means = []
    for k in (1, 5, 50):
        runs = [model.elbo(images, k=k, generator=seeded(s)).mean() for s in range(5)]
        means.append(torch.stack(runs).mean().item())
    assert means[0] < means[1] < means[2]


def test_bound_does_not_pass_the_likelihood():
    """Against brute force: the likelihood by a fine grid over a one-dimensional code."""
    torch.manual_seed(0)
    model = tiny(latent=1)
    with torch.no_grad():  # q near the prior is broad enough to cover a code that says something
        model.encoder.head.weight.mul_(0.1)
        model.decoder.image.convolution.weight.mul_(10)
    bits = (pictures(4, TINY.shape) > 127).to(torch.uint8) * 255  # binarization leaves them alone
    grid = torch.linspace(-8, 8, 4001)[:, None]
    with torch.no_grad():
        output = model.decoder(grid)
        zero = torch.zeros(())
        prior = dist.normal_log_prob(grid, zero, zero)[:, 0]
        truth = torch.stack(
            [
                (model.likelihood.log_prob(output, b.expand(4001, 1, 8, 8)) + prior)
                .double()
                .logsumexp(0)
                + math.log(16 / 4000)
                for b in bits.float() / 255
            ]
        )
    elbo = torch.stack([model.elbo(bits, generator=seeded(s)) for s in range(200)]).mean(0)
    assert (elbo < truth).all()
    torch.testing.assert_close(
        model.elbo(bits, k=4000, generator=seeded(0)), truth, atol=0.2, rtol=0
    )


@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("decoder", DECODERS)
def test_elbo_does_not_depend_on_the_batches(decoder, k):
    model = tiny(decoder)
    images = pictures(10, TINY.shape)
    whole = model.elbo(images, k=k, generator=seeded(3))
    g = seeded(3)
    pieces = [model.elbo(part, k=k, generator=g) for part in images.split([1, 6, 3])]
    torch.testing.assert_close(torch.cat(pieces), whole, atol=1e-3, rtol=0)
    assert whole.shape == (10,)


def test_chunks_do_not_change_the_bound(monkeypatch):
    model = tiny()
    images = pictures(5, TINY.shape)
    whole = model.elbo(images, k=20, generator=seeded(0))
    for rows in (1, 7, 45):
        monkeypatch.setattr(module, "PIXELS_AT_ONCE", rows * TINY.dims)
        torch.testing.assert_close(
            model.elbo(images, k=20, generator=seeded(0)), whole, atol=1e-3, rtol=0
        )


# Training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{"net": "dense", "hidden": 5}, {"net": "strided", "width": 2}])
def test_reparametrised_gradients_against_finite_differences(sizes):
    torch.manual_seed(0)
    model = vae(TINY, latent=2, **sizes).double()
    target = (pictures(3, TINY.shape) > 127).double()
    eps = torch.randn(3, 2, dtype=torch.float64)

    class Fixed(Noise):
        def normal(self, *shape: int) -> Tensor:
            return eps

    def loss() -> Tensor:
        log_likelihood, kl, *_ = model.terms(target, Fixed(0, 3))
        return (kl.sum(1) - log_likelihood).mean()

    loss().backward()
    h = 1e-6
    for parameter in model.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for i in torch.randperm(len(flat))[:4].tolist():
            kept = flat[i].item()
            flat[i] = kept + h
            up = loss().item()
            flat[i] = kept - h
            down = loss().item()
            flat[i] = kept
            assert gradient[i].item() == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("decoder", DECODERS)
def test_two_halves_of_the_noise_equal_the_whole_batch(decoder):
    model = tiny(decoder)
    images = pictures(8, TINY.shape)
    whole = model.step(Batch(images, noise=Noise(5, 8)), "vae").losses
    halves = [
        model.step(Batch(images[rows], noise=Noise(5, 8, rows)), "vae").losses
        for rows in (slice(0, 4), slice(4, 8))
    ]
    for name, value in whole.items():
        torch.testing.assert_close((halves[0][name] + halves[1][name]) / 2, value)


def test_beta_weighs_the_loss_and_leaves_the_metric_alone():
    images = pictures(4, TINY.shape)
    plain, weighted = (
        tiny(beta=beta).step(Batch(images, noise=Noise(0, 4)), "vae") for beta in (1.0, 4.0)
    )
    torch.testing.assert_close(4 * plain.losses["rate"], weighted.losses["rate"])
    torch.testing.assert_close(plain.metrics["elbo"], weighted.metrics["elbo"])
    torch.testing.assert_close(-sum(plain.losses.values()), plain.metrics["elbo"])
    assert weighted.metrics["elbo"] > -sum(weighted.losses.values())


def test_bits_are_drawn_anew_and_from_the_batch_s_noise():
    model = tiny()
    images = torch.full((4, *TINY.shape), 128, dtype=torch.uint8)
    targets = [model.likelihood.target(Batch(images, noise=Noise(s, 4))) for s in (0, 0, 1)]
    assert torch.equal(targets[0], targets[1])
    assert not torch.equal(targets[0], targets[2])
    assert set(targets[0].unique().tolist()) == {0.0, 1.0}


def test_active_units_counts_the_latents_that_move():
    means = torch.zeros(50, 4)
    means[:, 1] = torch.linspace(-1, 1, 50)
    means[:, 2] = 3.0  # constant: dead, wherever it sits
    assert active_units(means) == 1


# Capabilities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("net", "shape"),
    [
        ("strided", (1, 8, 8)),
        ("strided", (3, 33, 20)),
        ("conv", (3, 33, 20)),
        ("dense", (3, 9, 10)),
    ],
)
def test_capabilities_have_the_contract_s_shapes(net, shape, decoder):
    model = tiny(decoder, Spec(*shape), net=net)
    images = pictures(3, shape)
    assert torch.isfinite(sum(model.step(Batch(images, noise=Noise(0, 3)), "vae").losses.values()))
    assert model.sample(5, generator=seeded(0)).shape == (5, *shape)
    assert model.encode(images).shape == (3, 3)
    assert model.prior(4, seeded(0)).shape == (4, 3)
    assert model.reconstruct(images).shape == images.shape
    assert model.elbo(images).shape == (3,)
    assert model.density
    for picture in (model.decode(model.prior(9)), model.sample(9, pixels="draw")):
        assert picture.abs().max() <= 1


def test_samples_come_from_the_generator_alone():
    model = tiny()
    torch.manual_seed(1)
    first = model.sample(6, generator=seeded(7))
    torch.manual_seed(2)
    assert torch.equal(first, model.sample(6, generator=seeded(7)))
    assert torch.equal(first, model.decode(model.prior(6, seeded(7))))
    assert not torch.equal(first, model.sample(6, generator=seeded(8)))


def test_drawn_bernoulli_pixels_are_black_or_white():
    drawn = tiny().sample(4, generator=seeded(0), pixels="draw")
    assert set(drawn.unique().tolist()) <= {-1.0, 1.0}


def test_capabilities_are_named_and_a_condition_is_refused():
    assert contract.capabilities(VAE) == (
        "sample",
        "elbo",
        "encode",
        "decode",
        "prior",
        "posterior",
        "reconstruct",
    )
    with pytest.raises(UserError, match="without classes"):
        tiny().sample(2, condition=torch.zeros(2, dtype=torch.int64))
