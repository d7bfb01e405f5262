"""How flows sample: the settings of their samplers."""

from __future__ import annotations

from dataclasses import dataclass

from genarium.contract import Settings
from genarium.recipes import NonNegativeFloat


@dataclass(frozen=True)
class Latents(Settings):
    """How a flow samples.

    temperature: of a flow: factor of the latents' deviation, z ~ N(0, T²·I); below 1 samples are
        likelier and less varied.
    """

    temperature: NonNegativeFloat = 1.0


@dataclass(frozen=True)
class Denoised(Settings):
    """How a TarFlow samples.

    temperature: of a flow: factor of the latents' deviation, z ~ N(0, T²·I); below 1 samples are
        likelier and less varied.
    denoise: of a tarflow trained with --noise: take the noise out of samples, by one step along the
        score.
    """

    temperature: NonNegativeFloat = 1.0
    denoise: bool = False

    def idle(self, capability: str) -> dict[str, str]:
        return {"temperature": "it is of codes that are drawn, and no name is that of samples"}
