"""Without the cycle loss a translator need not keep what an image shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _factors import judge
from _lab import load
from _translation import DOMAINS, PAIRED, draw_rows, error, right, trained, translate

KINDS = {"on": 10.0, "off": 0.0}  # weight of the cycle; the identity's is half of it


@dataclass(frozen=True)
class Network:
    """The recipe's arguments, beside the cycle's weight."""

    width: int = 16
    blocks: int = 2
    disc_width: int = 16
    patch: int = 34
    lr: float = 5e-4


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment, the same for both."""

    network: Network = Network()
    steps: int = 900
    batch: int = 4
    judge: int = 500  # steps of the judge's training
    test: int = 500


def measure(seed: int, s: Settings) -> Measured:
    test = load(PAIRED).test  # only for what is right: training has no pairs
    a, b = test.images[: s.test], test.extra["b"][: s.test]
    factors, sees = test.extra["factors"][: s.test], judge(s.judge)
    numbers: dict[str, float] = {"real_content": right(a, factors, sees, "shape", "colour")}
    images = {"input": a[:12], "target": b[:12]}
    for kind, weight in KINDS.items():
        training = {"steps": s.steps, "batch": s.batch, "schedule": "constant-linear"}
        model = trained("cyclegan", DOMAINS, seed, training, cycle=weight, **asdict(s.network))
        made = translate(model, a)
        back = translate(model, made, "b2a")
        numbers |= {
            f"{kind}_back": error(back, a),
            f"{kind}_error": error(made, b),
            f"{kind}_content": right(translate(model, b, "b2a"), factors, sees, "shape", "colour"),
        }
        images[kind], images[f"{kind}_back"] = made[:12], back[:12]
    numbers |= {
        "back_ratio": numbers["on_back"] / max(numbers["off_back"], 1e-9),
        "error_ratio": numbers["on_error"] / max(numbers["off_error"], 1e-9),
        "content_gain": numbers["on_content"] - numbers["off_content"],
    }
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    seed, first = next(iter(measured.items()))
    titles = {
        "input": "filled, not seen in training",
        "on": "outlined, with the cycle loss",
        "on_back": "and back",
        "off": "outlined, without it",
        "off_back": "and back",
        "target": "the right outlines",
    }
    for kind in KINDS:
        wrong, back = first.numbers[f"{kind}_error"], first.numbers[f"{kind}_back"]
        titles[kind] += f", seed {seed}: L1 to the right one {wrong:.3f}"
        titles[f"{kind}_back"] += f": L1 to the input {back:.3f}"
    draw_rows(figure, first.images, titles)


CLAIM = Claim(
    name="cycle_consistency",
    title="The cycle loss keeps the content",
    paper="Zhu et al. 2017",
    setup="CycleGAN between filled and outlined shapes at 32 px, drawn without pairs, with the "
    "cycle and identity losses and without both. The judge of true pictures names shape and colour "
    "of outlines that were filled again; back is the mean absolute error of A to B to A.",
    criteria=(
        Criterion(
            "With the cycle loss A to B to A comes back",
            (Bound("on_back", at_most=0.03, unit="on [0,1]"), Bound("back_ratio", at_most=0.5)),
        ),
        Criterion(
            "With it the translation is nearer to the right one",
            (Bound("error_ratio", at_most=0.7, unit="of the error without"),),
        ),
        Criterion(
            "With it the judge finds shape and colour again more often",
            (Bound("content_gain", at_least=0.2),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        network=Network(width=2, blocks=1, disc_width=2), steps=2, batch=2, judge=3, test=20
    ),
    size=(9.0, 7.0),
)

if __name__ == "__main__":
    CLAIM.main()
