"""A learned code lets a GAN reach every mode of a ring of 8 Gaussians, and hit it."""

from __future__ import annotations

from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _modes import Settings, draw_on, measure_on


def measure(seed: int, settings: Settings) -> Measured:
    return measure_on("ring8", seed, settings)


def draw(figure: Any, measured: dict[int, Measured], settings: Settings) -> None:
    draw_on("ring8", figure, measured)


CLAIM = Claim(
    name="ring8",
    title="Modes of a ring of 8 Gaussians",
    paper="Lin et al. 2018 (protocol); Chen et al. 2016 (codes)",
    setup="Fully connected networks, non-saturating loss, 2 latent numbers; plain, and with an "
    "InfoGAN category of as many values as there are modes. 2,500 samples; high quality is within "
    "3 σ.",
    criteria=(
        Criterion(
            "With a category code all modes are reached and hit",
            (
                Bound("code_modes", at_least=8, unit="of 8"),
                Bound("code_high_quality", at_least=0.95),
            ),
        ),
        Criterion(
            "The plain GAN does so too",
            (
                Bound("plain_modes", at_least=8, unit="of 8"),
                Bound("plain_high_quality", at_least=0.95),
            ),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(generator=8, discriminator=4, steps=3, samples=100, batch=16),
    size=(8.0, 4.5),
)

if __name__ == "__main__":
    CLAIM.main()
