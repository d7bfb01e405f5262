"""Variational autoencoders: a code with a known prior, and a true bound on the likelihood.

    Kingma & Welling 2014, Auto-Encoding Variational Bayes
    Higgins et al. 2017, beta-VAE
    Burda, Grosse & Salakhutdinov 2016, Importance Weighted Autoencoders
    Alemi et al. 2018, Fixing a Broken ELBO (the names distortion and rate)

Shapes: B batch · C channels · H, W pixels · D latent size · k importance samples
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from genarium import distributions as dist
from genarium.contract import Batch, Condition, Model, Noise, Optim, Phase, Spec, Step, from_uint8
from genarium.errors import UserError
from genarium.nn.conv import ConvDecoder, ConvEncoder
from genarium.nn.mlp import DenseDecoder, DenseEncoder
from genarium.recipes import NonNegativeFloat, PositiveFloat, PositiveInt, recipe

PIXELS_AT_ONCE = 2**19
"""Decoded pixels held at once by `elbo`, so that k = 5000 needs no more memory than k = 1."""


class Posterior(NamedTuple):
    """q(z|x) = N(mean, diag exp(log_variance)), each [B,D]."""

    mean: Tensor
    log_variance: Tensor


class RowNoise(Noise):
    """Random numbers with a generator of its own for each image.

    An image's draws then depend on its place in the sequence of images that `generator` has
    seen, not on how the sequence was cut into batches.
    """

    def __init__(self, n: int, generator: torch.Generator | None, device: torch.device):
        source = generator.device if generator is not None else "cpu"
        seeds = torch.randint(2**62, (n,), generator=generator, device=source).tolist()
        super().__init__(0, n, device=device)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        return torch.stack([torch.randn(*shape, generator=g) for g in self.generators]).to(
            self.device
        )

    def uniform(self, *shape: int) -> Tensor:
        return torch.stack([torch.rand(*shape, generator=g) for g in self.generators]).to(
            self.device
        )

    def part(self, rows: slice) -> RowNoise:
        """The same generators, of these rows only."""
        found = RowNoise(0, None, self.device)
        found.generators = self.generators[rows]
        return found


class VAE(Model):
    """A latent Gaussian model p(z) p(x|z) with an amortised posterior q(z|x).

    Minimises distortion + β·rate, the mean over the batch of
        distortion = −E_q[ln p(x|z)]  (one reparametrised draw, summed over pixels) and
        rate       = KL(q(z|x) ‖ N(0, I)) = ½ Σ_d (μ_d² + σ_d² − 1 − ln σ_d²), in closed form,
    both in nats. At β = 1 that is the negative ELBO; the metric `elbo` is the true bound
    −distortion − rate at any β.

    encoder: [B,C,H,W] on [−1, 1] -> [B, 2·latent], the means and then the log variances.
    decoder: [B, latent] -> [B, likelihood.outputs·C, H, W].
    """

    def __init__(
        self,
        spec: Spec,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: dist.Likelihood,
        *,
        latent: int,
        beta: float = 1.0,
        optim: Optim | None = None,
    ):
        super().__init__()
        self.spec = spec
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.latent = latent
        self.beta = beta
        self.density = likelihood.density
        self.phases = (Phase("vae", optim=optim or Optim()),)

    # The game ------------------------------------------------------------------------------

    def posterior(self, x: Tensor) -> Posterior:
        """q(z|x) of images on [−1, 1]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return Posterior(mean, log_variance)

    def terms(self, target: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Posterior]:
        """ln p(x|z) of one draw z ~ q(z|x), [B] nats; the KL of each latent, [B,D] nats; q."""
        q = self.posterior(self.likelihood.signed(target))
        z = dist.reparametrize(*q, noise.normal(self.latent))
        log_likelihood = self.likelihood.log_prob(self.decoder(z), target)
        return log_likelihood, dist.kl_standard_normal(*q), q

    def log_weights(self, target: Tensor, z: Tensor, q: Posterior) -> Tensor:
        """ln p(x, z) − ln q(z|x), [B] nats, for z drawn from q."""
        zero = z.new_zeros(())
        prior = dist.normal_log_prob(z, zero, zero)
        terms = prior - dist.normal_log_prob(z, *q)
        return self.likelihood.log_prob(self.decoder(z), target) + terms.sum(1)

    def step(self, batch: Batch, phase: str) -> Step:
        log_likelihood, kl, q = self.terms(self.likelihood.target(batch), batch.noise)
        distortion, rate = -log_likelihood.mean(), kl.sum(1).mean()
        metrics = {
            "elbo": -distortion.detach() - rate.detach(),
            "reconstruction": -distortion.detach(),
            "kl": rate.detach(),
            "active_units": active_units(q.mean.detach()),
        }
        return Step({"distortion": distortion, "rate": self.beta * rate}, metrics)

    # Capabilities --------------------------------------------------------------------------

    @torch.no_grad()
    def elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The k-sample importance-weighted bound on ln p(x), [B] nats (see `density`), float64.

        images: [B,C,H,W] uint8. k = 1 is the ELBO (one draw, KL in closed form); k > 1 is
        ln (1/k) Σᵢ p(x, zᵢ)/q(zᵢ|x). What is random in the target (binarization, dequantization)
        is drawn once an image, from `generator` like z; an image's numbers do not depend on how
        the images were cut into batches.
        """
        self._unconditional(condition)
        noise = RowNoise(len(images), generator, images.device)
        rows = max(1, PIXELS_AT_ONCE // self.spec.dims)
        group = max(1, rows // k)
        bounds = []
        for start in range(0, len(images), group):
            part = noise.part(slice(start, start + group))
            target = self.likelihood.target(Batch(images[start : start + group], noise=part))
            bounds.append(self._bound(target, k, part, rows))
        return torch.cat(bounds)

    def _bound(self, target: Tensor, k: int, noise: Noise, rows: int) -> Tensor:
        if k == 1:
            log_likelihood, kl, _ = self.terms(target, noise)
            return log_likelihood.double() - kl.double().sum(1)
        q = self.posterior(self.likelihood.signed(target))
        z = dist.reparametrize(
            q.mean[:, None], q.log_variance[:, None], noise.normal(k, self.latent)
        )
        owner = torch.arange(len(target), device=z.device).repeat_interleave(k)
        weights = [
            self.log_weights(target[i], part, Posterior(q.mean[i], q.log_variance[i]))
            for part, i in zip(z.flatten(0, 1).split(rows), owner.split(rows))
        ]
        return dist.importance_weighted_bound(torch.cat(weights).view(-1, k), dim=1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        pixels: Literal["mean", "draw"] = "mean",
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [−1, 1], decoded from draws of the prior.

        The mean of p(x|z) by default, as is the custom; pixels="draw" draws the pixels as well.
        """
        self._unconditional(condition)
        z = self.prior(n, generator)
        output = self.decoder(z)
        if pixels == "draw":
            return self.likelihood.draw(output, RowNoise(n, generator, z.device))
        return self.likelihood.mean(output)

    def prior(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from N(0, I), [n,D] float32."""
        source = generator.device if generator is not None else "cpu"
        z = torch.randn(n, self.latent, generator=generator, device=source)
        return z.to(next(self.parameters()).device)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the mean of q(z|x), [B,D]; grey values stand for expected bits."""
        return self.posterior(from_uint8(images)).mean

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> the mean of p(x|z), [B,C,H,W] float32 on [−1, 1]; differentiable in z."""
        return self.likelihood.mean(self.decoder(z))

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the decoded posterior mean, [B,C,H,W] float32 on [−1, 1]."""
        return self.decode(self.encode(images))

    def _unconditional(self, condition: Condition) -> None:
        if condition is not None:
            raise UserError("--class: this VAE was trained without labels: leave the class out")


def active_units(means: Tensor, threshold: float = 0.01) -> Tensor:
    """How many latents follow the image: Var_x(E_q[z_d]) > threshold, a float scalar.

    means: [B,D] posterior means of B images. Source: Burda et al. 2016, section 5.
    """
    return (means.var(0, correction=0) > threshold).sum().float()


@recipe(
    tiny={"latent": 2, "width": 4, "hidden": 16},
    paper="Kingma & Welling 2014",
    batch=64,
    steps=2000,
)
def vae(
    spec: Spec,
    *,
    net: Literal["conv", "dense"] = "conv",
    decoder: Literal["bernoulli", "gaussian", "logistic"] = "bernoulli",
    latent: PositiveInt = 16,
    width: PositiveInt = 16,
    hidden: PositiveInt = 256,
    layers: PositiveInt = 4,
    beta: NonNegativeFloat = 1.0,
    lr: PositiveFloat = 2e-3,
) -> VAE:
    """Variational autoencoder: a smooth code with a Gaussian prior and a bound on the likelihood.

    net: conv (strided convolutions) or dense (fully connected).
    decoder: what a pixel is: bernoulli (binarized anew at each use), gaussian (one learned
        variance) or logistic (256 grey levels).
    latent: size of the code.
    width: channels of the first convolution (conv only), doubled with each halving of the sides.
    hidden: units of a dense layer.
    layers: dense layers between the image (or its smallest map) and the code, each way.
    beta: weight of the KL; 1 trains the ELBO, more asks for simpler codes.
    lr: learning rate of Adam.
    """
    likelihood = dist.LIKELIHOODS[decoder]()
    out = (likelihood.outputs * spec.channels, spec.height, spec.width)
    encoder_net: nn.Module
    decoder_net: nn.Module
    units = (hidden,) * layers
    if net == "conv":
        encoder_net = ConvEncoder(spec.shape, 2 * latent, width, units)
        decoder_net = ConvDecoder(latent, out, width, units)
    else:
        encoder_net = DenseEncoder(spec.shape, 2 * latent, units)
        decoder_net = DenseDecoder(latent, out, units)
    return VAE(
        spec, encoder_net, decoder_net, likelihood, latent=latent, beta=beta, optim=Optim(lr=lr)
    )
