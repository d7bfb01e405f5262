"""What pairs are worth: pix2pix and CycleGAN on the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _factors import judge
from _lab import load
from _translation import PAIRED, draw_rows, error, right, trained, translate

KINDS = {"pix2pix": "with pairs (pix2pix)", "cyclegan": "without (CycleGAN)"}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; both see as many images."""

    width: int = 16
    disc_width: int = 16
    patch: int = 34
    blocks: int = 2
    lr: float = 5e-4
    steps: int = 1300
    batch: int = 4
    judge: int = 500  # steps of the judge's training
    test: int = 500


def measure(seed: int, s: Settings) -> Measured:
    test = load(PAIRED).test
    # from outlined to filled, which the judge knows; CycleGAN learns both ways
    given, real = test.extra["b"][: s.test], test.images[: s.test]
    factors, sees = test.extra["factors"][: s.test], judge(s.judge)
    common = {"width": s.width, "disc_width": s.disc_width, "patch": s.patch, "lr": s.lr}
    own: dict[str, dict[str, Any]] = {
        "pix2pix": {"direction": "b2a", "test_dropout": False},
        "cyclegan": {"blocks": s.blocks},
    }
    training = {"steps": s.steps, "batch": s.batch, "schedule": "constant-linear"}
    numbers: dict[str, float] = {"untouched_error": error(given, real)}
    images = {"input": given[:12], "target": real[:12]}
    for kind in KINDS:
        model = trained(kind, PAIRED, seed, training, **common, **own[kind])
        made = translate(model, given, "b2a")
        numbers[f"{kind}_error"] = error(made, real)
        numbers[f"{kind}_content"] = right(made, factors, sees, "shape", "colour")
        images[kind] = made[:12]
    numbers["worth"] = numbers["pix2pix_error"] / max(numbers["cyclegan_error"], 1e-9)
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    titles = {"input": "outlined", **KINDS, "target": "filled, the right answer"}
    for kind in KINDS:
        wrong, seen = first.numbers[f"{kind}_error"], first.numbers[f"{kind}_content"]
        titles[kind] += f", seed {seed}: L1 {wrong:.3f}, shape and colour right {seen:.0%}"
    draw_rows(figure, first.images, titles)


CLAIM = Claim(
    name="paired_vs_unpaired",
    title="Translation with and without pairs",
    paper="Zhu et al. 2017",
    setup="Outlined shapes to filled ones at 32 px: pix2pix, with the pairs, and "
    "CycleGAN, which draws both sides of the same set by themselves; as many steps and images. "
    "L1 to the right answer, and how often a judge of true pictures names shape and colour.",
    criteria=(
        Criterion(
            "Pairs make the error smaller",
            (Bound("worth", at_most=0.8, unit="of CycleGAN's error"),),
        ),
        Criterion(
            "Without pairs shape and colour are still right in half of the pictures",
            (Bound("cyclegan_content", at_least=0.5),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, disc_width=2, blocks=1, steps=2, batch=2, judge=3, test=20),
    size=(9.0, 5.2),
)

if __name__ == "__main__":
    CLAIM.main()
