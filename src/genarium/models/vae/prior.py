"""How VAEs draw codes: the settings of their sampler."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.contract import Settings
from genarium.recipes import NonNegativeFloat


@dataclass(frozen=True)
class Prior(Settings):
    """How a VAE samples.

    temperature: of a VAE: factor of the prior's deviation, z ~ N(0, T²·I); below 1 codes lie
        nearer the middle.
    """

    temperature: NonNegativeFloat = 1.0


def scaled(z: Tensor, latent: int, settings: Prior | None) -> Tensor:
    """Codes [n, D + S] with their D = `latent` draws of N(0, I) times the temperature."""
    if settings is None or settings.temperature == 1.0:
        return z
    return torch.cat([settings.temperature * z[:, :latent], z[:, latent:]], 1)
