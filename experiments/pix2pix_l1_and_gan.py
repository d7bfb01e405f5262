"""L1 alone blurs where several answers are right; with the conditional GAN each is one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _factors import judge
from _lab import load
from _translation import (
    MASKS,
    PAINTED,
    draw_rows,
    error,
    in_words,
    painted,
    right,
    trained,
    translate,
)

KINDS = {"l1": 0.0, "gan": 1.0}  # weight of the adversarial loss


@dataclass(frozen=True)
class Network:
    """The recipe's arguments."""

    width: int = 16
    disc_width: int = 16
    patch: int = 34
    lr: float = 1e-3


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment, the same for both."""

    network: Network = Network()
    steps: int = 1200
    batch: int = 16
    judge: int = 500  # steps of the judge's training
    test: int = 1000


def measure(seed: int, s: Settings) -> Measured:
    test = load(MASKS).test
    given, real = test.images[: s.test], test.extra["b"][: s.test]
    factors, sees = test.extra["factors"][: s.test], judge(s.judge)
    numbers: dict[str, float] = {"real_shape": right(real, factors, sees, "shape")}
    images = {"input": given[:12], "target": real[:12]}
    for kind, weight in KINDS.items():
        training = {"steps": s.steps, "batch": s.batch}
        network = asdict(s.network) if weight else {"width": s.network.width}
        model = trained("pix2pix", MASKS, seed, training, gan=weight, **network)
        made = translate(model, given, seed=seed)
        numbers |= {
            f"{kind}_error": error(made, real),
        }
        result = painted(made, real, factors, sees)
        numbers |= {f"{kind}_{name}": value for name, value in result.items()}
        images[kind] = made[:12]
    numbers |= {
        "sharper": numbers["gan_sharpness"] / max(numbers["l1_sharpness"], 1e-9),
        "nearer": numbers["gan_off_palette"] / max(numbers["l1_off_palette"], 1e-9),
        "error_ratio": numbers["gan_error"] / max(numbers["l1_error"], 1e-9),
        "shape_gain": numbers["gan_shape"] - numbers["l1_shape"],
    }
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    titles = {"input": "input", "l1": "L1", "gan": "L1 + cGAN", "target": "target"}
    for kind in KINDS:
        result = {name: first.numbers[f"{kind}_{name}"] for name in PAINTED}
        titles[kind] += f", seed {seed}: {in_words(result)}"
    draw_rows(figure, first.images, titles)


CLAIM = Claim(
    name="pix2pix_l1_and_gan",
    title="What the conditional GAN adds to L1",
    paper="Isola et al. 2017",
    setup="The same U-Net on shape-masks at 32 px, by L1 alone and by L1 and a 34-pixel PatchGAN. "
    "The input says all but the colour, one of eight. Sharpness is the Laplacian's variance as a "
    "share of that of the targets; a judge trained on true pictures names the shape, as FCN-score "
    "names classes; off_palette is how far a shape's colour is from the nearest of the eight.",
    criteria=(
        Criterion("With the adversarial loss the pictures are sharper", (Bound("sharper", 1.2),)),
        Criterion(
            "With the adversarial loss a shape's colour is nearer to one that exists",
            (Bound("nearer", at_most=0.8, unit="of L1's distance"),),
        ),
        Criterion(
            "L1 alone has the smaller L1",
            (Bound("error_ratio", at_least=1.0, unit="times L1's error"),),
        ),
        Criterion(
            "The judge reads the shape at least as often in the pictures with the adversarial loss",
            (Bound("shape_gain", at_least=0.0),),
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
