"""Variational autoencoders: a code with a known prior, and a true bound on the likelihood.

    Kingma & Welling 2014, Auto-Encoding Variational Bayes
    Sohn, Lee & Yan 2015, the conditional VAE: labels in p(x|z,y) and q(z|x,y)
    Higgins et al. 2017, beta-VAE
    Kingma et al. 2016, free bits
    Burda, Grosse & Salakhutdinov 2016, Importance Weighted Autoencoders
    Alemi et al. 2018, Fixing a Broken ELBO (the names distortion and rate)

The prior of the code is N(0, I), in units that may be learned (`prior.py`), or a mixture
(`mixture.py`).

Shapes: B batch · C channels · H, W pixels · D latent size · S size of the condition · k importance
samples
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from genarium.contract import (
    Batch,
    Condition,
    Model,
    Noise,
    Optim,
    Phase,
    Posterior,
    Settings,
    Spec,
    Step,
)
from genarium.contract.exports import ROWS, Function, example_images, usual
from genarium.models.conditioning import Conditioning, Rows
from genarium.models.row_noise import DeterministicNoise, RowNoise
from genarium.models.vae import bounds
from genarium.models.vae.mixture import Mixture
from genarium.models.vae.prior import LearnedPrior, Prior, scaled
from genarium.models.vae.terms import Terms, active_units
from genarium.nn import distributions as dist
from genarium.nn.mlp import DenseDecoder
from genarium.nn.norm import global_mean
from genarium.nn.strided import StridedDecoder

CONDITION_SCALE = 10.0
"""Factor of the condition where it enters the decoder. A one-hot label beside many latents is
learnt so slowly that the latents come to carry the class, and samples then ignore the label."""


class VAE(Model):
    """A latent Gaussian model p(z) p(x|z,y) with an amortised posterior q(z|x,y).

    Minimises distortion + β·rate, the mean over the batch of
        distortion = −E_q[ln p(x|z,y)]  (one reparametrised draw, summed over pixels) and
        rate       = Σ_d max(λ, KL_d),  KL_d = E_x[½ (μ_d² + σ_d² − 1 − ln σ_d²)],
    both in nats, KL_d that of latent d over the global batch and λ the free bits. At β = 1 and
    λ = 0 that is the negative ELBO; the metric `elbo` is the true bound −distortion − Σ_d KL_d at
    any β and λ.

    With a mixture p for a prior the networks are trained by the same loss, and p is fitted to the
    codes beside it. p is what samples are drawn from and what every bound is of: its rate is
    Σ_d KL_d − E_q[ln p(z)/N(z; 0, I)].

    samples: k > 1 minimises −ln (1/k) Σᵢ p(x, zᵢ|y)/q(zᵢ|x,y) instead, the importance-weighted
    bound; its gradient is plain backpropagation through the reparametrised zᵢ (Burda et al.,
    section 3). β and λ belong to the ELBO and have to be 1 and 0 there.

    encoder: [B,C,H,W] on [−1, 1] (and conditions [B,S]) -> [B, 2·latent], the means and then the
    log variances. decoder: [B, latent + S] -> [B, likelihood.outputs·C, H, W]. conditioning: what
    y is; nothing by default. learned_prior: what the units of z are, if they are learned; p(z) is
    N(0, I) either way. mixture: what p(z) is instead, in these units. A code z [B, D + S] is all
    that the decoder needs: the D latents, then the condition.
    """

    settings = Prior

    def __init__(
        self,
        spec: Spec,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: dist.Likelihood,
        *,
        latent: int,
        beta: float = 1.0,
        free_bits: float = 0.0,
        samples: int = 1,
        conditioning: Conditioning | None = None,
        learned_prior: LearnedPrior | None = None,
        mixture: Mixture | None = None,
        optim: Optim | None = None,
    ):
        super().__init__()
        if samples > 1 and (beta != 1.0 or free_bits):
            raise ValueError("beta and free bits belong to the ELBO: leave them at 1 and 0")
        self.spec = spec
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.learned_prior = learned_prior
        self.mixture = mixture
        self.latent = latent
        self.beta = beta
        self.free_bits = free_bits
        self.samples = samples
        self.conditioning = conditioning if conditioning is not None else Conditioning()
        self.conditional = self.conditioning.classes
        self.conditioned_on = self.conditioning.name if isinstance(self.conditioning, Rows) else ""
        self.density = likelihood.density
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self.started: Tensor
        self._asked = False
        self.phases = (Phase("vae", optim=optim or Optim()),)

    # Training ------------------------------------------------------------------------------

    def infer(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """q(z|x,y) of images on [−1, 1] and conditions [B,S]."""
        return self._standardized(self._encoded(x, y))

    def _encoded(self, x: Tensor, y: Tensor | None) -> Posterior:
        """The posterior in the networks' own units, which a learned prior's mean and deviation
        make those of a code."""
        result = self.encoder(x) if y is None else self.encoder(x, y)
        return Posterior(*result.chunk(2, dim=1))

    def _standardized(self, q: Posterior) -> Posterior:
        return q if self.learned_prior is None else self.learned_prior.standardized(q)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """What p(x|z,y) is made of, [B, outputs·C, H, W], for latents [B,D]."""
        return self._decoded(z if y is None else torch.cat([z, y], 1))

    def _decoded(self, z: Tensor) -> Tensor:
        """The decoder's output for codes [B, D + S]."""
        return self._output(z if self.learned_prior is None else self.learned_prior.restored(z))

    def _output(self, z: Tensor) -> Tensor:
        """The decoder's output for codes [B, D + S] with latents in the networks' own units."""
        if self.conditioning.size:
            z = torch.cat([z[:, : self.latent], CONDITION_SCALE * z[:, self.latent :]], 1)
        output: Tensor = self.decoder(z)
        return output

    def terms(self, target: Tensor, noise: Noise, y: Tensor | None = None) -> Terms:
        """The two halves of the ELBO, of one draw z ~ q(z|x)."""
        own = self._encoded(self.likelihood.signed(target), y)
        # not there and back through the prior's units: rounding would be its gradient's noise
        eps = noise.normal(self.latent)
        z = dist.reparametrize(*own, eps)
        output = self._output(z if y is None else torch.cat([z, y], 1))
        log_likelihood = self.likelihood.log_prob(output, target)
        q = self._standardized(own)
        return Terms(log_likelihood, dist.kl_standard_normal(*q), q, eps)

    def elbo_of(self, terms: Terms) -> Tensor:
        """The ELBO of each image, [B] nats, the KL in closed form but for a mixture's part."""
        kl = terms.kl.double().sum(1)
        return terms.log_likelihood.double() - kl + self.log_prior_ratio(terms.codes)

    def log_prior_ratio(self, z: Tensor) -> Tensor:
        """ln p(z) − ln N(z; 0, I), [B] nats, of latents [B,D] in a code's units: 0 but for a
        mixture."""
        return z.new_zeros(len(z)) if self.mixture is None else self.mixture.log_ratio(z)

    def log_weights(
        self, target: Tensor, eps: Tensor, q: Posterior, y: Tensor | None = None
    ) -> Tensor:
        """ln p(x, z|y) − ln q(z|x,y), [B] nats, of the draws z = μ + σ·eps from q."""
        ratio = self.log_prior_ratio(dist.reparametrize(*q, eps))
        return self._standard_log_weights(target, eps, q, y) + ratio

    def _standard_log_weights(
        self, target: Tensor, eps: Tensor, q: Posterior, y: Tensor | None
    ) -> Tensor:
        """`log_weights` with N(0, I) for p(z)."""
        z = dist.reparametrize(*q, eps)
        # ln p(z) − ln q(z|x): with eps at hand no square has to be divided by a small variance.
        prior = 0.5 * (eps.square() + q.log_variance - z.square()).sum(1)
        return self.likelihood.log_prob(self.generate(z, y), target) + prior

    def step(self, batch: Batch, phase: str) -> Step:
        y = self.conditioning.of_batch(batch) if self.conditioning.size else None
        target = self.likelihood.target(batch)
        if self.training and not self._asked:
            self._start(target)
        if self.samples > 1:
            return self._importance_weighted(target, batch.noise, y)
        terms = self.terms(target, batch.noise, y)
        kl = terms.kl
        distortion, rate = -terms.log_likelihood.mean(), kl.sum(1).mean()
        weighed = rate
        if self.free_bits:
            weighed = global_mean(kl).clamp(min=self.free_bits).sum()
        true_rate = rate.detach() - self._fit_prior(terms.codes).mean()
        metrics = {
            "elbo": -distortion.detach() - true_rate,
            "reconstruction": -distortion.detach(),
            "kl": true_rate,
            "active_units": active_units(terms.posterior.mean.detach()),
        }
        return Step({"distortion": distortion, "rate": self.beta * weighed}, metrics)

    @torch.no_grad()
    def _fit_prior(self, codes: Tensor) -> Tensor:
        """`log_prior_ratio` of a batch's codes [B,D]; in training a mixture then takes them in."""
        ratio = self.log_prior_ratio(codes)
        if self.mixture is not None and self.training:
            self.mixture.update(codes)
        return ratio

    @torch.no_grad()
    def _start(self, target: Tensor) -> None:
        """Let a decoder that can begin at the mean of the first batch (as Burda et al. do)."""
        self._asked = True  # the buffer is for runs that are resumed; reading it would stall a GPU
        if not self.started and isinstance(self.decoder, DenseDecoder | StridedDecoder):
            self.decoder.begin_at(self.likelihood.start(global_mean(target.float())))
        self.started.fill_(True)

    def _importance_weighted(self, target: Tensor, noise: Noise, y: Tensor | None) -> Step:
        k = self.samples
        q = self.infer(self.likelihood.signed(target), y)
        eps = noise.normal(k, self.latent).flatten(0, 1)

        def each(x: Tensor) -> Tensor:  # [B, ...] -> [B·k, ...], the copies side by side
            return x[:, None].expand(-1, k, *x.shape[1:]).flatten(0, 1)

        copies = Posterior(*map(each, q))
        weights = self._standard_log_weights(
            each(target), eps, copies, None if y is None else each(y)
        ).view(-1, k)
        loss = -dist.importance_weighted_bound(weights, dim=1).mean()
        ratio = self._fit_prior(dist.reparametrize(*copies, eps)).view(-1, k)
        true = weights.detach() + ratio
        metrics = {
            "bound": dist.importance_weighted_bound(true, dim=1).mean(),
            "elbo": true.mean(),  # of k draws each, the KL estimated too
            "kl": dist.kl_standard_normal(*q).detach().sum(1).mean() - ratio.mean(),
            "active_units": active_units(q.mean.detach()),
        }
        return Step({"bound": loss}, metrics)

    # Likelihood ----------------------------------------------------------------------------

    @torch.no_grad()
    def elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The k-sample importance-weighted bound on ln p(x|y), [B] nats (see `density`), float64.

        images: [B,C,H,W] as stored. k = 1 is the ELBO (one draw; the KL in closed form, of a
        mixture its part by the same draw); k > 1 is ln (1/k) Σᵢ p(x, zᵢ)/q(zᵢ|x). What is random
        in the target (binarization, dequantization) is drawn once an image, from `generator` like
        z; an image's numbers do not depend on how the images were cut into batches.

        Without a condition a model of class labels bounds ln p(x), p(x) = Σ_y p(x|y)/K, at the
        cost of K passes; one that is conditioned on rows of an extra tensor takes y from their
        prior.
        """
        return bounds.bound(self, images, condition, k=k, generator=generator)

    # Codes and samples ---------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Prior | None = None,
        pixels: Literal["mean", "draw"] = "mean",
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [−1, 1], decoded from draws of the prior.

        The mean of p(x|z) by default, as is the custom; pixels="draw" draws the pixels as well.
        """
        z = self.prior(n, generator, condition=condition, settings=settings)
        output = self._decoded(z)
        if pixels == "draw":
            return self.likelihood.draw(output, RowNoise(n, generator, z.device))
        return self.likelihood.mean(output)

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Prior | None = None,
    ) -> Tensor:
        """n codes [n, D + S]: N(0, T²·I), then what `condition` asks for, else draws of its prior.

        settings: of the temperature T, 1 by default, which narrows each component of a mixture.
        """
        at = generator.device if generator is not None else torch.device("cpu")
        z = torch.randn(n, self.latent, generator=generator, device=at)
        y = self.conditioning.draw(n, condition, generator)
        device = next(self.parameters()).device
        z = scaled(torch.cat([z, y.to(at)], 1).to(device), self.latent, settings)
        if self.mixture is None:
            return z
        chance = torch.rand(n, generator=generator, device=at)
        return torch.cat([self.mixture.placed(z[:, : self.latent], chance), z[:, self.latent :]], 1)

    @torch.no_grad()
    def posterior(self, images: Tensor, condition: Condition = None) -> Posterior:
        """Images [B,C,H,W] as stored -> q(z|x,y); grey values stand for expected bits.

        Without a condition y is what the model makes of the images (see `_condition`).
        """
        return self.infer(self.spec.values.signed(images), self._condition(images, condition))

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """As stored [B,C,H,W] -> codes [B, D + S]: the mean of `posterior`, then the condition."""
        y = self._condition(images, condition)
        mean = self.infer(self.spec.values.signed(images), y).mean
        return mean if y is None else torch.cat([mean, y], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B, D + S] -> the mean of p(x|z,y), [B,C,H,W] float32 on [−1, 1]; differentiable
        in z."""
        return self.likelihood.mean(self._decoded(z))

    @torch.no_grad()
    def reconstruct(self, images: Tensor, condition: Condition = None) -> Tensor:
        """As stored [B,C,H,W] -> the decoded posterior mean, [B,C,H,W] float32 on [−1, 1]."""
        return self.decode(self.encode(images, condition))

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`decode`, `encode` and `reconstruct`; of a conditional model these two take the condition
        [B,S] as an input."""
        given = {"images": example_images(self)}
        if self.conditioning.size:
            given["condition"] = torch.zeros(ROWS, self.conditioning.size)

        def encode(images: Tensor, y: Tensor | None = None) -> Tensor:
            mean = self.infer(self.spec.values.signed(images), y).mean
            return mean if y is None else torch.cat([mean, y], 1)

        def reconstruct(images: Tensor, y: Tensor | None = None) -> Tensor:
            return self.decode(encode(images, y))

        return {
            **usual(self, settings),
            "encode": Function("encode", encode, given, "codes"),
            "reconstruct": Function("reconstruct", reconstruct, given, "images"),
        }

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """The class y with the largest bound on ln p(x|y) at the posterior mean, [B] int64.

        Needs class labels as its condition. Nothing is drawn: an image always gets one answer.
        """
        noise = DeterministicNoise(0, len(images), device=images.device)
        target = self.likelihood.target(Batch(images, noise=noise, values=self.spec.values))
        bounds = []
        for label in range(self.conditioning.size):
            labels = torch.full((len(images),), label)
            y = self.conditioning.draw(len(images), labels, None).to(images.device)
            terms = self.terms(target, noise, y)
            bounds.append(self.elbo_of(terms))
        return torch.stack(bounds, 1).argmax(1)

    def _condition(self, images: Tensor, condition: Condition) -> Tensor | None:
        """The condition [B,S] to encode images with.

        Not given, it is the class that explains the image best (`classify`), or for a model that
        is conditioned on rows their mean over the rows it keeps.
        """
        return self.conditioning.of_images(images, condition, self.classify)

    @property
    def continuous_columns(self) -> list[int]:
        """The columns of a code that are numbers to walk along: the latents."""
        return list(range(self.latent))
