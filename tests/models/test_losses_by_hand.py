"""Losses of models, written out by hand: what a planted fault showed that no other test holds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import Batch, Noise, Spec
from genarium.models.conditioning import Labels
from genarium.models.gan.gan import GAN
from genarium.models.gan.objectives import Wasserstein
from genarium.models.translation.pix2pix import pix2pix
from genarium.models.vae.model import VAE
from genarium.models.vae.terms import active_units
from genarium.nn import distributions as dist

SPEC = Spec(1, 8, 8)

# The VAE --------------------------------------------------------------------------------------


class Conditioned(nn.Module):
    """An encoder that gives for image i what it was made with: means [B,D], all variances 1."""

    def __init__(self, means: Tensor):
        super().__init__()
        self.means = nn.Parameter(means)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.means, torch.zeros_like(self.means)], 1)


class Grey(nn.Module):
    """A decoder that says the same of every code."""

    def forward(self, z: Tensor) -> Tensor:
        return (0 * z).sum().expand(len(z), *SPEC.shape)


def rate(means: Tensor, **axes: float) -> tuple[Tensor, Tensor]:
    """The VAE's loss of the rate, and its gradient in the means."""
    encoder = Conditioned(means)
    model = VAE(SPEC, encoder, Grey(), dist.Bernoulli(), latent=means.shape[1], **axes)
    images = torch.zeros(len(means), *SPEC.shape, dtype=torch.uint8)
    loss = model.eval().step(Batch(images, None, Noise(0, len(means))), "vae").losses["rate"]
    loss.backward()
    assert encoder.means.grad is not None
    return loss.detach(), encoder.means.grad


def test_free_bits_are_of_the_batchs_mean_not_of_each_image() -> None:
    """KL = ½ μ²: of the images 0 and 2, so their mean 1 is above .3 and costs what it is, though
    one image lies below; of the second latent .02 and .08, which costs .3 and moves nothing."""
    means = torch.tensor([[0.0, 0.2], [2.0, 0.4]])
    loss, gradient = rate(means, free_bits=0.3)
    assert loss.item() == pytest.approx(1.0 + 0.3)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.0], [1.0, 0.0]]))


def test_free_bits_are_of_each_latent_not_of_the_code() -> None:
    loss, _ = rate(torch.tensor([[0.2, 2.0]]), free_bits=0.3)  # KLs .02 and 2
    assert loss.item() == pytest.approx(0.3 + 2.0)


def test_beta_multiplies_the_free_bits_too() -> None:
    loss, gradient = rate(torch.tensor([[0.2, 2.0]]), free_bits=0.3, beta=4.0)
    assert loss.item() == pytest.approx(4 * (0.3 + 2.0))
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 8.0]]))


def test_a_gaussian_image_is_the_sum_of_its_pixels() -> None:
    """ln N(x; μ, σ²) of each pixel by itself, and ln 1/128 for the length of a grey level."""
    likelihood = dist.Gaussian(log_variance=-3.0).double()
    generator = torch.Generator().manual_seed(0)
    mean, x = torch.randn(2, 4, 3, 5, 6, generator=generator, dtype=torch.float64)
    pixel = torch.distributions.Normal(mean, math.exp(-1.5)).log_prob(x) - math.log(128)
    expected = pixel.flatten(1).sum(1)  # to the rounding of the parameter, which was float32
    torch.testing.assert_close(likelihood.log_prob(mean, x), expected, rtol=1e-6, atol=0)


def test_a_unit_is_active_by_its_variance() -> None:
    """A deviation of .09 is a variance of .0081, below .01; one of .11 is .0121, above."""
    signs = torch.tensor([1.0, -1.0])[:, None]
    assert active_units(signs * torch.tensor([0.0, 0.09, 0.11, 2.0])).item() == 2


# GANs -----------------------------------------------------------------------------------------


class Asked(nn.Module):
    """A generator that remembers what it was given."""

    inputs = 5

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.given: list[Tensor] = []

    def forward(self, z: Tensor) -> Tensor:
        self.given.append(z.detach().clone())
        return self.scale * z.mean(1).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


class Judge(nn.Module):
    """Logits are the sum of the features it gets, and the features those of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def features(self, images: Tensor) -> Tensor:
        return self.scale * images.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        return features.sum(1)


class Head(Labels):
    """The classes come beside the features, and not as planes."""

    def join(self, images: Tensor, code: Tensor) -> Tensor:
        return images

    def condition(self, features: Tensor, code: Tensor) -> Tensor:
        return torch.cat([features, 10 * code[:, 1:]], 1)


def conditional(conditioning: Labels) -> tuple[GAN, Batch]:
    spec = Spec(1, 2, 2, ("a", "b", "c"))
    images = torch.full((4, 1, 2, 2), 255, dtype=torch.uint8)
    model = GAN(spec, Asked(), Judge(), Wasserstein(), conditioning=conditioning)
    return model, Batch(images, torch.tensor([0, 2, 1, 2]), Noise(0, 4))


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_a_generator_is_trained_on_codes_that_lie_as_those_of_samples(phase: str) -> None:
    """First the noise, then the class: two numbers and three."""
    model, batch = conditional(Head(3))
    model.step(batch, phase)
    model.sample(4, condition=batch.labels, generator=torch.Generator().manual_seed(0))
    assert isinstance(model.generator, Asked)
    for z in model.generator.given:
        assert torch.equal(z[:, 2:], torch.eye(3)[[0, 2, 1, 2]])
        assert not torch.equal(z[:, :2], z[:, :2].round())


def test_a_condition_beside_the_features_reaches_the_logits() -> None:
    """Real images are 1: the logit is 4, and 14 for the three whose class is not the first."""
    model, batch = conditional(Head(3))
    step = model.step(batch, "discriminator")
    assert isinstance(model.generator, Asked)
    (z,) = model.generator.given
    assert step.metrics["d_real"].item() == pytest.approx(4 + 10 * 3 / 4)
    fake = 4 * z.mean().item() + 10 * 3 / 4
    assert step.metrics["d_fake"].item() == pytest.approx(fake, rel=1e-4)
    assert step.losses["discriminator"].item() == pytest.approx(fake - 11.5, rel=1e-4)


# pix2pix --------------------------------------------------------------------------------------


def test_pix2pix_starts_from_the_papers_settings() -> None:
    """Isola et al. 2017, section 3.3 and appendix 6: λ = 100, Adam at 2e-4 with β1 = .5, batches of
    one, patches of 70 pixels, 64 channels, dropout at test time too."""
    given = pix2pix.defaults()
    wanted = {
        "l1": 100.0,
        "gan": 1.0,
        "lr": 2e-4,
        "beta1": 0.5,
        "patch": 70,
        "width": 64,
        "disc_width": 64,
        "dropout": True,
        "test_dropout": True,
    }
    assert {name: given[name] for name in wanted} == wanted
    assert pix2pix.training["batch"] == 1
