"""VAE-GAN: a VAE whose reconstructions are compared in a discriminator's features.

Larsen, Sønderby, Larochelle & Winther 2016, Autoencoding beyond pixels using a learned similarity
metric. Three players, whose losses for images x, codes z ~ q(z|x) and z_p ~ N(0, I) are

    encoder         KL(q(z|x) ‖ N(0, I)) + L_f
    decoder         γ·L_f − ln D(x̃) − ln D(x_p)
    discriminator   −ln D(x) − ln(1 − D(x̃)) − ln(1 − D(x_p))

with x̃ = Dec(z), x_p = Dec(z_p) and L_f = ½ ‖D_l(x) − D_l(x̃)‖², the negative log-likelihood of
the discriminator's last features D_l under a Gaussian of unit variance, but for its constant. So
the adversarial loss gives the encoder no gradient, and the reconstruction gives the discriminator
none, which would make its features uninformative.

Its decoder has a density of features, not of pixels, so there is no bound on ln p(x) to report.

Shapes: B batch · C channels · H, W pixels · D latent size · F features of the discriminator
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genarium.contract import (
    Batch,
    Condition,
    Judgement,
    Model,
    Noise,
    Optim,
    Phase,
    Posterior,
    Spec,
    Step,
    unconditional,
)
from genarium.models.arguments import Latent
from genarium.models.gan.arguments import Beta1, OwnWidth
from genarium.models.gan.composition import ARCHITECTURES, adam, networks
from genarium.models.gan.gan import ADAM, frozen
from genarium.models.vae.prior import Prior, scaled
from genarium.nn.dcgan import DCGANDiscriminator, initialize
from genarium.nn.distributions import kl_standard_normal, reparametrize
from genarium.nn.strided import StridedEncoder
from genarium.recipes import NonNegativeFloat, PositiveFloat, recipe


class Encoder(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> [B, 2·latent], means then log variances; DCGAN's layers."""

    def __init__(self, shape: tuple[int, int, int], latent: int, width: int = 64):
        super().__init__()
        self.trunk = DCGANDiscriminator(shape, width)
        self.trunk.score = nn.Linear(self.trunk.outputs, 2 * latent)
        initialize(self.trunk.score)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.trunk.score(self.trunk.features(images))
        return result


class VAEGAN(Model):
    """An encoder, a decoder and a discriminator; samples, encodes, and has no likelihood.

    encoder: [B,C,H,W] -> [B, 2·latent]. decoder: [B, latent] -> images on [-1, 1]. discriminator:
    logits [B] = head(features(images)). gamma: weight of the features against the adversarial loss
    in the decoder's loss. optim: of all three.
    """

    settings = Prior

    def __init__(
        self,
        spec: Spec,
        encoder: nn.Module,
        decoder: nn.Module,
        discriminator: DCGANDiscriminator,
        *,
        latent: int,
        gamma: float = 0.1,
        optim: Optim = ADAM,
    ):
        super().__init__()
        self.spec, self.latent, self.gamma = spec, latent, gamma
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.phases = tuple(
            Phase(name, (name,), optim) for name in ("discriminator", "encoder", "decoder")
        )

    # Training ------------------------------------------------------------------------------

    def step(self, batch: Batch, phase: str) -> Step:
        """The losses above, of one player; gradients land on that player alone."""
        turns = {
            "encoder": self._encoder_turn,
            "decoder": self._decoder_turn,
            "discriminator": self._discriminator_turn,
        }
        return turns[phase](batch)

    def infer(self, x: Tensor) -> Posterior:
        """q(z|x) of images on [-1, 1]."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return Posterior(mean, log_variance)

    def _code(self, x: Tensor, noise: Noise) -> tuple[Tensor, Posterior]:
        q = self.infer(x)
        return reparametrize(*q, noise.normal(self.latent)), q

    def _features_loss(self, x: Tensor, rebuilt: Tensor) -> tuple[Tensor, Tensor]:
        """L_f, [] nats an image, and the discriminator's features of `rebuilt` [B,F]."""
        with torch.no_grad():
            wanted = self.discriminator.features(x).float()
        features = self.discriminator.features(rebuilt)
        return 0.5 * (features.float() - wanted).square().sum(1).mean(), features

    def _encoder_turn(self, batch: Batch) -> Step:
        x = batch.signed()
        z, q = self._code(x, batch.noise)
        with frozen(self.decoder), frozen(self.discriminator):
            features, _ = self._features_loss(x, self.decoder(z))
        kl = kl_standard_normal(*q).sum(1).mean()
        return Step({"kl": kl, "features": features}, {})

    def _decoder_turn(self, batch: Batch) -> Step:
        x = batch.signed()
        with torch.no_grad():
            z, _ = self._code(x, batch.noise)
        rebuilt, sampled = self.decoder(z), self.decoder(batch.noise.normal(self.latent))
        with frozen(self.discriminator):
            features, of_rebuilt = self._features_loss(x, rebuilt)
            adversarial = softplus(-self.discriminator.head(of_rebuilt).float()).mean()
            adversarial = adversarial + softplus(-self.discriminator(sampled).float()).mean()
        mse = ((rebuilt.detach().float() - x) / 2).square().mean()
        return Step({"features": self.gamma * features, "adversarial": adversarial}, {"mse": mse})

    def _discriminator_turn(self, batch: Batch) -> Step:
        x = batch.signed()
        with torch.no_grad():
            z, _ = self._code(x, batch.noise)
            rebuilt, sampled = self.decoder(z), self.decoder(batch.noise.normal(self.latent))
        # in three passes, so that batch norm keeps the statistics of each kind apart
        real, again, drawn = (self.discriminator(i).float() for i in (x, rebuilt, sampled))
        loss = softplus(-real).mean() + softplus(again).mean() + softplus(drawn).mean()
        metrics = {
            "d_real": real.detach().sigmoid().mean(),
            "d_rebuilt": again.detach().sigmoid().mean(),
            "d_sampled": drawn.detach().sigmoid().mean(),
        }
        return Step({"discriminator": loss}, metrics)

    @torch.no_grad()
    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        """The logits of a batch's images and of as many samples; see `Judges`."""
        drawn = self.decoder(batch.noise.normal(self.latent))
        real, fake = (self.discriminator(images) for images in (batch.signed(), drawn))
        return {"discriminator": Judgement(real, fake)}

    # Capabilities --------------------------------------------------------------------------

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Prior | None = None,
    ) -> Tensor:
        """n draws from N(0, T²·I), [n,D] float32; `settings` have the temperature T."""
        unconditional(condition)
        at = generator.device if generator is not None else torch.device("cpu")
        z = torch.randn(n, self.latent, generator=generator, device=at)
        return scaled(z.to(next(self.parameters()).device), self.latent, settings)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] on [-1, 1]; differentiable in z."""
        images: Tensor = self.decoder(z)
        return images

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Prior | None = None,
    ) -> Tensor:
        """n new images [n,C,H,W] on [-1, 1], decoded from draws of the prior."""
        codes = self.prior(n, generator, condition=condition, settings=settings)
        return torch.cat([self.decode(z) for z in codes.split(256)])

    @torch.no_grad()
    def posterior(self, images: Tensor, condition: Condition = None) -> Posterior:
        """Images [B,C,H,W] as stored -> q(z|x), mean and log variance [B,D] each."""
        unconditional(condition)
        return self.infer(self.spec.values.signed(images))

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] as stored -> the mean of q(z|x), [B,D]."""
        return self.posterior(images, condition).mean

    @torch.no_grad()
    def reconstruct(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Images [B,C,H,W] as stored -> the decoded posterior mean, [B,C,H,W] on [-1, 1]."""
        return self.decode(self.encode(images, condition))


@recipe(
    family="hybrid",
    tiny={"latent": 4, "width": 4},
    paper="Larsen et al. 2016",
    batch=32,
    steps=10000,
    training={"ema": 0.99},
    former={"architecture": "dcgan"},
)
def vae_gan(
    spec: Spec,
    *,
    architecture: Literal["resize", "dcgan"] = "resize",
    latent: Latent = 64,
    width: OwnWidth = None,
    gamma: NonNegativeFloat = 0.1,
    lr: PositiveFloat = 1e-3,
    beta1: Beta1 = 0.5,
) -> VAEGAN:
    """VAE-GAN: a VAE that compares images in a discriminator's features, so its samples are sharp.

    architecture: the three networks: resize has the encoder of vae, a decoder without
        checkerboards and a width that fits the size, dcgan those of that paper.
    width: channels of the map nearest the image in all three networks; none is 64 of dcgan, by the
        size of the images of resize.
    gamma: weight of the reconstruction against the adversarial loss of the decoder; more
        reconstructs better, less looks sharper.
    lr: learning rate of the three players' Adam (the paper has RMSProp at 3e-4).
    """
    decoder, discriminator = networks(architecture, spec, latent, width)
    width = ARCHITECTURES[architecture].width(spec.height, spec.width) if width is None else width
    encoder: nn.Module
    if architecture == "resize":
        encoder = StridedEncoder(spec.shape, 2 * latent, width)
    else:
        encoder = Encoder(spec.shape, latent, width)
    return VAEGAN(
        spec,
        encoder,
        decoder,
        discriminator,
        latent=latent,
        gamma=gamma,
        optim=adam(lr, beta1),
    )
