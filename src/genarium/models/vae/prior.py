"""The prior of a VAE's code: its mean and deviation where they are learned, and how it is drawn.

`mixture.py` has the one of several Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genarium.contract import Posterior, Settings
from genarium.recipes import NonNegativeFloat


@dataclass(frozen=True)
class Prior(Settings):
    """How a VAE samples.

    temperature: of a VAE: factor of the deviation of the prior, or of each component of a mixture;
        below 1 codes lie nearer the middle.
    """

    temperature: NonNegativeFloat = 1.0


def scaled(z: Tensor, latent: int, settings: Prior | None) -> Tensor:
    """Codes [n, D + S] with their D = `latent` draws of N(0, I) times the temperature."""
    if settings is None or settings.temperature == 1.0:
        return z
    return torch.cat([settings.temperature * z[:, :latent], z[:, latent:]], 1)


class LearnedPrior(nn.Module):
    """N(m, diag s²) with m and s learned, for a code that is given in units of it.

    With z = m + s·u the KL of u to N(0, I) is that of z to N(m, diag s²), latent by latent. So the
    bound is that of a VAE whose prior is learned, and what sees the code u (samplers, walks,
    scores) goes on with N(0, I). This adds nothing to what the networks can say, which could take
    up m and s themselves, but are slow to: before a batch norm the size of codes means nothing to
    the decoder, the encoder enlarges them to rise above their noise, and Adam needs thousands of
    small steps to take that back. Samples from N(0, I) lie inside what the decoder knows till then.

    Starts at N(0, I). Shapes: B batch · D latents
    """

    # Adam moves a parameter by about lr a step: m and ln s are the parameters times this.
    GAIN = 10.0

    def __init__(self, latent: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(latent))
        self.log_scale = nn.Parameter(torch.zeros(latent))

    def standardized(self, q: Posterior) -> Posterior:
        """q(z|x) -> q(u|x), u = (z − m)/s; [B,D] each."""
        log_scale = self.GAIN * self.log_scale
        mean = (q.mean - self.GAIN * self.shift) * torch.exp(-log_scale)
        return Posterior(mean, q.log_variance - 2.0 * log_scale)

    def restored(self, codes: Tensor) -> Tensor:
        """Codes [B, D + S] -> the same with z = m + s·u for their D latents u."""
        u, rest = codes.split([len(self.shift), codes.shape[1] - len(self.shift)], 1)
        z = self.GAIN * self.shift + torch.exp(self.GAIN * self.log_scale) * u
        return torch.cat([z, rest], 1)
