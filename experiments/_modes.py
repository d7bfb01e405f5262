"""What the experiments on mixtures of Gaussians share: the compositions, training, the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Measured
from _lab import evaluating, load, trainer_of

from genarium.contract import Optim
from genarium.evaluation.scores.modes import mixture_modes
from genarium.models.conditioning import Conditioning
from genarium.models.gan.gan import GAN
from genarium.models.gan.latent_codes import Codes
from genarium.models.gan.networks.dense import DenseDiscriminator, DenseGenerator
from genarium.models.gan.objectives import NonSaturating


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; both compositions share all of them."""

    generator: int = 128  # units of each of three layers
    discriminator: int = 64  # maxout units of 5 pieces, three layers
    latent: int = 2
    lr: float = 1e-3
    beta1: float = 0.5
    ema: float = 0.99
    batch: int = 256
    steps: int = 4000
    samples: int = 2500  # PacGAN's protocol


def compose(name: str, seed: int, s: Settings, modes: int) -> GAN:
    """The plain GAN, or one with a category of as many values as there are modes."""
    torch.manual_seed(seed)
    spec = load("ring8").spec

    conditioning: Conditioning = Conditioning()
    if name == "code":
        conditioning = Codes(s.discriminator, (modes,), 0)
    judge = DenseDiscriminator(spec.shape, s.discriminator, 3)
    generator = DenseGenerator(s.latent + conditioning.size, spec.shape, s.generator, 3)
    optim = Optim("adam", lr=s.lr, betas=(s.beta1, 0.999))
    return GAN(
        spec,
        generator,
        judge,
        NonSaturating(),
        conditioning=conditioning,
        optimizers=(optim, optim),
    )


def measure_on(source: str, seed: int, s: Settings) -> Measured:
    """Modes captured and the share of high quality, for each composition."""
    mixture = load(source).info["mixture"]
    centres, sigma = torch.tensor(mixture["centres"]), mixture["sigma"]
    numbers, curves = {}, {}
    for name in ("plain", "code"):
        trainer = trainer_of(
            compose(name, seed, s, len(centres)),
            source,
            seed,
            steps=s.steps,
            batch=s.batch,
            ema=s.ema,
            schedule="linear",
        )
        trainer.fit()
        generator = torch.Generator().manual_seed(seed)
        with trainer.sampling_weights(), evaluating(trainer.model):
            result = trainer.model.sample(s.samples, generator=generator)  # type: ignore[operator]
        points = result.flatten(1) * mixture["scale"]
        modes = mixture_modes(points, centres, sigma)
        numbers[f"{name}_modes"] = float(modes.captured)
        numbers[f"{name}_high_quality"] = modes.high_quality
        # a KL over no mode at all has no value; the number of modes is 0 there
        numbers[f"{name}_kl"] = float("nan") if modes.kl is None else modes.kl
        curves[name] = points[:800].flatten().tolist()
    return Measured(numbers, curves)


def draw_on(source: str, figure: Any, measured: dict[int, Measured]) -> None:
    """The samples of the first seed over the true centres, a panel a composition."""
    mixture = load(source).info["mixture"]
    seed, first = next(iter(measured.items()))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name in zip(panels, ("plain", "code")):
        x, y = torch.tensor(first.curves[name]).view(-1, 2).T
        axes.scatter(*zip(*mixture["centres"]), s=90, facecolors="none", edgecolors="0.7")
        axes.scatter(x, y, s=2, color="C0")
        captured = first.numbers[f"{name}_modes"]
        quality = first.numbers[f"{name}_high_quality"]
        axes.set_title(f"{name}: {captured:.0f} modes, {quality:.0%} within 3 σ")
        axes.set_aspect("equal")
        axes.set_xlabel("first coordinate")
    panels[0].set_ylabel("second coordinate")
    figure.suptitle(f"{source}, seed {seed}: samples (dots) and true centres (circles)")
