"""On shapes a beta-VAE gives single latents single factors; which latent follows which factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, trainer_of

from genarium.evaluation.metrics.disentanglement import (
    binned,
    entropy,
    mutual_information,
    mutual_information_gaps,
)

FACTORS = ("shape", "colour", "size", "x", "y", "background")
PLACE = ("x", "y")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    size: int = 16
    latent: int = 10
    width: int = 16
    hidden: int = 128
    layers: int = 2
    beta: float = 8.0
    lr: float = 2e-3
    batch: int = 64
    steps: int = 2500
    images: int = 2000


def measure(seed: int, s: Settings) -> Measured:
    data = load("shapes", s.size)
    names = list(data.info["factors"]["names"])
    columns = [names.index(name) for name in FACTORS]
    factors = data.test.extra["factors"][: s.images, columns]
    numbers: dict[str, float] = {}
    curves = {}
    for name, beta in (("plain", 1.0), ("beta", s.beta)):
        model = make(
            "vae",
            data.spec,
            seed,
            net="conv",
            decoder="gaussian",
            latent=s.latent,
            width=s.width,
            hidden=s.hidden,
            layers=s.layers,
            beta=beta,
            lr=s.lr,
        )
        trainer_of(
            model, "shapes", seed, size=s.size, steps=s.steps, batch=s.batch, schedule="cosine"
        ).fit()
        with evaluating(model):
            codes = model.encode(data.test.images[: s.images])
        gaps = dict(zip(FACTORS, mutual_information_gaps(codes, factors).tolist()))
        numbers[f"{name}_mig"] = sum(gaps.values()) / len(gaps)
        numbers[f"{name}_place"] = sum(gaps[f] for f in PLACE) / len(PLACE)
        sizes = torch.stack([entropy(column) for column in binned(factors).unbind(1)])
        curves[name] = (mutual_information(codes, factors) / sizes).T.tolist()
    numbers["gain"] = numbers["beta_mig"] - numbers["plain_mig"]
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, name, title in zip(axes, ("plain", "beta"), ("β = 1", f"β = {s.beta:g}")):
        shown = axis.imshow(first.curves[name], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set_title(f"{title}, seed {seed}: MIG {first.numbers[f'{name}_mig']:.2f}")
        axis.set_xlabel("latent")
        axis.set_xticks(range(s.latent))
        axis.set_yticks(range(len(FACTORS)), FACTORS)
    figure.colorbar(shown, ax=axes, label="mutual information, share of the factor's entropy")


CLAIM = Claim(
    name="shapes_factors",
    title="Which latent follows which factor",
    paper="Higgins et al. 2017; Chen et al. 2018",
    setup="`vae` with a Gaussian decoder on 16-pixel shapes (12,000 images), β = 1 and β = 8, ten "
    "latents. The mutual information gap of a factor is how much more one latent tells of it than "
    "any other, as a share of its entropy; MIG is the mean over six factors (rotation, whose range "
    "depends on the shape, left out).",
    criteria=(
        Criterion(
            "A larger β ties factors to single latents: its MIG is larger by 0.05 or more",
            (Bound("gain", at_least=0.05),),
        ),
        Criterion(
            "With it the place, x and y, is encoded by one latent each",
            (Bound("beta_place", at_least=0.3),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=3, hidden=8, steps=2, batch=8, images=200),
)

if __name__ == "__main__":
    CLAIM.main()
