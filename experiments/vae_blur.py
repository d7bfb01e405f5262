"""VAE samples are blurrier than GAN samples, and VAE-GAN stands between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, generator_of, load, make, score, sheet, trainer_of

from genarium.contract import Optim, to_uint8
from genarium.evaluation.metrics.sharpness import sharpness
from genarium.models.vae.model import VAE
from genarium.models.vae.vae_gan import Encoder
from genarium.nn.dcgan import DCGANGenerator
from genarium.nn.distributions import Gaussian

KINDS = ("vae", "vae_gan", "gan")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment. All three have the same decoder, VAE and VAE-GAN the encoder too."""

    size: int = 16
    latent: int = 16
    width: int = 16
    gamma: float = 0.1
    lr: float = 1e-3
    ema: float = 0.99
    batch: int = 64
    steps: int = 800
    samples: int = 2000


def model_of(kind: str, seed: int, s: Settings) -> Any:
    """The model; the VAE has the networks of the VAE-GAN and a Gaussian likelihood of pixels."""
    spec = load("digits", s.size).spec
    if kind == "vae_gan":
        arguments = {"gamma": s.gamma, "lr": s.lr}
        return make("vae-gan", spec, seed, latent=s.latent, width=s.width, **arguments)
    if kind == "gan":
        return make("dcgan", spec, seed, latent=s.latent, width=s.width, lr=s.lr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(spec.shape, s.latent, s.width)
        decoder = DCGANGenerator(s.latent, spec.shape, s.width)
        return VAE(spec, encoder, decoder, Gaussian(), latent=s.latent, optim=Optim(lr=s.lr))


def measure(seed: int, s: Settings) -> Measured:
    numbers: dict[str, float] = {}
    images = {}
    real = load("digits", s.size).test.images[: s.samples]
    sharp = sharpness(real).mean().item()
    for kind in KINDS:
        model = model_of(kind, seed, s)
        trainer = trainer_of(
            model, "digits", seed, size=s.size, steps=s.steps, batch=s.batch, ema=s.ema
        )
        trainer.fit()
        with trainer.sampling_weights(), evaluating(model):
            drawn = to_uint8(model.sample(s.samples, generator=generator_of(seed, "samples")))
        numbers[f"{kind}_fid"] = score(drawn)["fid"]
        numbers[f"{kind}_sharpness"] = sharpness(drawn).mean().item() / sharp
        images[kind] = drawn[:48]
    fid, clear = ({k: numbers[f"{k}_{what}"] for k in KINDS} for what in ("fid", "sharpness"))
    blurry = max(clear["vae"], 1e-9)  # untrained samples have no edges at all
    numbers |= {
        "sharper_gan": clear["gan"] / blurry,
        "sharper_vae_gan": clear["vae_gan"] / blurry,
        "between": clear["vae_gan"] / max(clear["gan"], 1e-9),
        "fid_ratio": fid["vae_gan"] / fid["vae"],
    }
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    axes = figure.subplots(1, 3)
    for axis, kind, name in zip(axes, KINDS, ("VAE", "VAE-GAN", "GAN")):
        axis.imshow(sheet(first.images[kind], 8), cmap="gray")
        axis.set_axis_off()
        numbers = first.numbers
        axis.set_title(
            f"{name}, seed {seed}: FID {numbers[f'{kind}_fid']:.0f},\n"
            f"sharpness {numbers[f'{kind}_sharpness']:.2f} of real"
        )


CLAIM = Claim(
    name="vae_blur",
    title="VAE samples are blurry, VAE-GAN stands between",
    paper="Larsen et al. 2016",
    setup="The same decoder (and encoder) as VAE with a Gaussian likelihood, as `vae-gan` and as "
    "`dcgan`, on 16-pixel digits for as many steps. Sharpness is the Laplacian's variance as a "
    "share of that of real images; FID in the features of the shipped classifier.",
    criteria=(
        Criterion("GAN samples are sharper than VAE samples", (Bound("sharper_gan", 1.1),)),
        Criterion(
            "VAE-GAN's samples are sharper than the VAE's and no sharper than the GAN's",
            (Bound("sharper_vae_gan", 1.05), Bound("between", at_most=1.02)),
        ),
        Criterion(
            "VAE-GAN's FID is better than that of the VAE of the same size",
            (Bound("fid_ratio", at_most=0.9, unit="of the VAE's FID"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=2, steps=2, batch=8, samples=100),
    size=(10.0, 3.4),
)

if __name__ == "__main__":
    CLAIM.main()
