"""What a discriminator sees decides what it asks for: one pixel, a patch, the whole image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _factors import judge
from _lab import load
from _translation import MASKS, PAINTED, draw_rows, in_words, painted, trained, translate

PATCHES = (1, 16, 70)  # at 32 pixels the last sees the whole image


@dataclass(frozen=True)
class Network:
    """The recipe's arguments, beside the patch."""

    width: int = 16
    disc_width: int = 16
    lr: float = 1e-3


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment, the same for every patch."""

    network: Network = Network()
    steps: int = 800
    batch: int = 16
    judge: int = 500  # steps of the judge's training
    test: int = 1000


def measure(seed: int, s: Settings) -> Measured:
    test = load(MASKS).test
    given, real = test.images[: s.test], test.extra["b"][: s.test]
    factors, sees = test.extra["factors"][: s.test], judge(s.judge)
    numbers: dict[str, float] = {}
    images = {"target": real[:12]}
    for patch in PATCHES:
        training = {"steps": s.steps, "batch": s.batch}
        model = trained("pix2pix", MASKS, seed, training, patch=patch, **asdict(s.network))
        made = translate(model, given, seed=seed)
        result = painted(made, real, factors, sees)
        numbers |= {f"{name}_{patch}": value for name, value in result.items()}
        images[str(patch)] = made[:12]
    numbers["patch_against_pixel"] = numbers["sharpness_16"] / max(numbers["sharpness_1"], 1e-9)
    numbers["image_against_patch"] = numbers["off_palette_70"] / max(
        numbers["off_palette_16"], 1e-9
    )
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    titles = {}
    for patch in PATCHES:
        result = {name: first.numbers[f"{name}_{patch}"] for name in PAINTED}
        titles[str(patch)] = f"{patch} px, seed {seed}: {in_words(result)}"
    draw_rows(figure, first.images, {**titles, "target": "target"})


CLAIM = Claim(
    name="patch_size",
    title="The patch that a discriminator sees",
    paper="Isola et al. 2017",
    setup="pix2pix on shape-masks at 32 px with discriminators whose logits see 1, 16 and 70 "
    "pixels a side (the last the whole image), all else alike. Measured as in pix2pix_l1_and_gan.",
    criteria=(
        Criterion(
            "Patches of 16 pixels make the pictures sharper than single pixels do",
            (Bound("patch_against_pixel", at_least=1.1),),
        ),
        Criterion(
            "What sees the whole shape brings its colour nearer to one that exists",
            (Bound("image_against_patch", at_most=0.9, unit="of the patch's distance"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(network=Network(width=2, disc_width=2), steps=2, batch=4, judge=3, test=40),
    size=(9.0, 5.2),
)

if __name__ == "__main__":
    CLAIM.main()
