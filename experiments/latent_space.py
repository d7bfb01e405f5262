"""A VAE against an autoencoder of the same architecture: midpoints, continuity, completeness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import SURE, evaluating, load, make, sheet, train, trainer_of
from torch import Tensor

from genarium.contract import to_uint8
from genarium.evaluation.extractors.by_name import extractor
from genarium.latent import completeness, continuity, gaussian_of, lerp

MODELS = {"vae": "VAE", "autoencoder": "autoencoder"}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 16
    latent: int = 8
    width: int = 8
    hidden: int = 128
    layers: int = 2
    batch: int = 64
    steps: int = 3000
    pairs: int = 1000
    radius: float = 0.5


def pairs_of(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rows of images of different classes: one half of the set against the other."""
    half = len(labels) // 2
    a, b = torch.arange(half), torch.arange(half, 2 * half)
    differ = labels[a] != labels[b]
    return a[differ][:count], b[differ][:count]


def one(recipe: str, seed: int, s: Settings) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Numbers and walks of one model."""
    digits = load("digits", s.side)
    sizes = {"latent": s.latent, "width": s.width, "hidden": s.hidden, "layers": s.layers}
    model = make(recipe, digits.spec, seed, net="conv", **sizes)
    trainer = trainer_of(
        model, "digits", seed, size=s.side, steps=s.steps, batch=s.batch, schedule="cosine"
    )
    for _ in train(trainer):
        pass
    referee = extractor("digits")

    def judge(z: Tensor) -> Tensor:
        return referee(to_uint8(model.decode(z))).logits.softmax(1)

    with evaluating(model):
        codes = model.encode(digits.test.images)
        a, b = pairs_of(digits.test.labels, s.pairs)
        middle = to_uint8(model.decode(lerp(codes[a], codes[b], 0.5)))
        seen = referee(middle)
        known = referee(digits.train.images).pool
        real = torch.cdist(referee(digits.test.images[: len(a)]).pool, known).amin(1).mean()
        away = torch.cdist(seen.pool, known).amin(1).mean()
        spread = model.encode(digits.train.images)
        has_prior = recipe == "vae"
        draws = (
            model.prior(s.pairs, torch.Generator().manual_seed(seed))
            if has_prior
            else gaussian_of(spread, s.pairs, seed=seed)
        )
        ends = referee(to_uint8(model.decode(codes[a]))).logits.softmax(1).amax(1) >= SURE
        numbers = {
            f"{recipe}_midpoint": (seen.logits.softmax(1).amax(1) >= SURE).float().mean().item(),
            f"{recipe}_ends": ends.float().mean().item(),
            f"{recipe}_distance": (away / real).item(),
            f"{recipe}_continuity": continuity(judge, codes[: s.pairs], radius=s.radius, seed=seed),
            f"{recipe}_completeness": completeness(judge, draws, sure=SURE),
        }
        t = torch.linspace(0, 1, 9)[None, :, None]
        walks = lerp(codes[a[:5]][:, None], codes[b[:5]][:, None], t)
        images = {recipe: to_uint8(model.decode(walks.flatten(0, 1)))}
    return numbers, images


def measure(seed: int, s: Settings) -> Measured:
    numbers: dict[str, float] = {}
    images: dict[str, Tensor] = {}
    for recipe in MODELS:
        result, drawn = one(recipe, seed, s)
        numbers |= result
        images |= drawn
    for key in ("midpoint", "continuity", "completeness"):
        numbers[f"{key}_gain"] = numbers[f"vae_{key}"] - numbers[f"autoencoder_{key}"]
    numbers["distance_ratio"] = numbers["vae_distance"] / numbers["autoencoder_distance"]
    return Measured(numbers, images=images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    first = next(iter(measured.values()))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    for axes, (recipe, name) in zip((left, middle), MODELS.items()):
        axes.imshow(sheet(first.images[recipe], 9), cmap="gray")
        axes.set(title=f"{name}: straight walks between test codes", xticks=[], yticks=[])
    kinds = ("midpoint", "continuity", "completeness")
    for number, (recipe, name) in enumerate(MODELS.items()):
        values = [[m.numbers[f"{recipe}_{k}"] for m in measured.values()] for k in kinds]
        places = [k + 0.3 * number - 0.15 for k in range(3)]
        right.bar(
            places, [sum(v) / len(v) for v in values], 0.28, color=f"C{3 * number}", label=name
        )
        for place, some in zip(places, values):
            right.plot([place] * len(some), some, "k.", ms=4)
    right.set(
        xticks=range(3),
        xticklabels=("midpoints\nrecognised", "continuity", "completeness"),
        ylabel="share of images",
        ylim=(0, 1),
        title="bars: mean; dots: seeds",
    )
    right.legend()


CLAIM = Claim(
    name="latent_space",
    title="A VAE interpolates where an autoencoder breaks",
    paper="Kingma & Welling 2014",
    setup="VAE and autoencoder with the same convolutional network and 8 codes on digits of 16x16 "
    "pixels. Midpoint: halfway between the codes of two test images of different classes. "
    "Recognised: the shipped classifier gives a class at least .9. Distance: of a midpoint's "
    "features to those of the nearest training image, over the same of real test images. "
    "Continuity: share of steps of half a standard deviation that keep the class. Completeness: "
    "share of draws of the prior (autoencoder: of a Gaussian fitted to its codes) recognised.",
    criteria=(
        Criterion(
            "More of the VAE's midpoints are recognised as a digit.",
            (Bound("midpoint_gain", at_least=0.1, unit="more of the midpoints"),),
        ),
        Criterion(
            "They lie nearer to real images.",
            (Bound("distance_ratio", at_most=0.9, unit="of the autoencoder's distance"),),
        ),
        Criterion(
            "The VAE's latent space is more continuous.",
            (Bound("continuity_gain", at_least=0.05, unit="more of the steps"),),
        ),
        Criterion(
            "It is more complete.",
            (Bound("completeness_gain", at_least=0.1, unit="more of the draws"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(latent=2, width=2, hidden=8, steps=2, pairs=50),
    size=(11.0, 3.6),
)

if __name__ == "__main__":
    CLAIM.main()
