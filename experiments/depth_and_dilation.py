"""Depth and dilation of a PixelCNN against bits per dimension, at equal training time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, train, trainer_of

from genarium.evaluation.metrics.likelihood import bits_per_dim


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment.

    budget: of each net, in steps of a net without blocks. block: what a block adds to the cost of
    a step, in the same unit (measured once); so all nets train for about the same time, and how
    many steps that is does not depend on the machine.
    """

    depths: tuple[int, ...] = (1, 2, 4, 8, 16)
    dilations: tuple[int, ...] = (1, 8)
    width: int = 16
    levels: int = 4
    batch: int = 16
    budget: int = 1000
    block: float = 0.47
    images: int = 500


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits")
    heldout = data.test.images[: s.images]
    curves: dict[str, Any] = {"steps": []}
    times = []
    for dilation in s.dilations:
        bits = []
        for depth in s.depths:
            steps = max(2, round(s.budget / (1 + s.block * depth)))
            sizes = {"levels": s.levels, "width": s.width, "head": s.width}
            model = make("pixelcnn", data.spec, seed, blocks=depth, dilation=dilation, **sizes)
            trainer = trainer_of(
                model,
                "digits",
                seed,
                steps=steps,
                batch=s.batch,
                schedule="linear",
                clip=1.0,
                channels_last=False,
            )
            start = time.process_time()
            for _ in train(trainer):
                pass
            times.append(time.process_time() - start)
            with evaluating(model):
                nats = -sum(model.log_prob(part).sum().item() for part in heldout.split(100))
            bits.append(bits_per_dim(nats / len(heldout), data.spec.dims))
            if dilation == s.dilations[0]:
                curves["steps"].append(steps)
        curves[f"dilation {dilation}"] = bits
    plain, dilated = (curves[f"dilation {d}"] for d in (s.dilations[0], s.dilations[-1]))
    numbers = {
        "dilation_gain": plain[-2] / dilated[-2],
        "depth_gain": min(dilated[:2]) / min(dilated[2:]),
        "deepest_ratio": dilated[-1] / min(dilated),
        "time_ratio": max(times) / max(min(times), 1e-9),
    }
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    for dilation, colour, marker in zip(s.dilations, ("C3", "C0"), "so"):
        for number, result in enumerate(measured.values()):
            axes.plot(
                s.depths,
                result.curves[f"dilation {dilation}"],
                f"{colour}-{marker}",
                label=f"dilations up to {dilation}" if number == 0 else None,
                lw=1,
                ms=4,
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks(s.depths, [str(depth) for depth in s.depths])
    axes.set(
        xlabel="residual blocks; each net trains for the same time",
        ylabel=f"held-out bits per dimension, {s.levels} grey levels",
        title="one line a seed",
    )
    axes.legend()


CLAIM = Claim(
    name="depth_and_dilation",
    title="A wider context pays at equal training time, more depth only so far",
    paper="van den Oord et al. 2016, Pixel Recurrent Neural Networks; Yu & Koltun 2016",
    setup="Plain PixelCNN of width 16 on digits of 28x28 pixels in four grey levels; 1 to 16 "
    "residual blocks, dilations 1 or 1, 2, 4, 8 in turn, each net trained for the same time. "
    "dilation_gain: bits without dilation over bits with it, at 8 blocks. depth_gain: the best of "
    "1 and 2 blocks over the best of 4 and more (dilated). deepest_ratio: 16 blocks over the best "
    "depth (dilated). time_ratio: longest over shortest training, in processor seconds.",
    criteria=(
        Criterion(
            "At equal time and depth, dilation lowers the bits per dimension.",
            (Bound("dilation_gain", at_least=1.005, unit="times the bits"),),
        ),
        Criterion(
            "At equal time, four blocks or more beat one or two.",
            (Bound("depth_gain", at_least=1.005, unit="times the bits"),),
        ),
        Criterion(
            "The deepest net is not the best one: its steps are too few.",
            (Bound("deepest_ratio", at_least=1.005, unit="times the bits"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(depths=(1, 2, 4), width=4, budget=4, images=20),
    size=(6.5, 4.0),
)

if __name__ == "__main__":
    CLAIM.main()
