"""The blind spot of the plain mask, by the Jacobian; gated and recurrent nets beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, load, make, train, trainer_of
from torch import Tensor

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("pixelcnn", {"net": "plain", "dilation": 1}),
    "gated": ("pixelcnn", {"net": "gated"}),
    "row": ("row-lstm", {}),
    "diagonal": ("diagonal-bilstm", {}),
}
TITLES = {
    "plain": "PixelCNN, plain mask",
    "gated": "gated PixelCNN",
    "row": "Row LSTM",
    "diagonal": "Diagonal BiLSTM",
}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment. row, column: the pixel whose prediction is looked at."""

    side: int = 16
    row: int = 10
    column: int = 4
    depth: int = 8
    width: int = 16
    batch: int = 32
    steps: int = 150
    images: int = 32


def seen(model: Any, images: Tensor, s: Settings) -> Tensor:
    """Mean |d logit / d x| of the prediction at (row, column), [H,W] float64.

    The logit is ln p(white)/p(black). Double precision, so that what is not seen is exactly 0.
    """
    network = model.network.double()
    x = (images.double() / 127.5 - 1).requires_grad_()
    logits = network(x, None, None)[:, :, s.row, s.column]
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
    model.network.float()
    return gradient[:, 0].abs().mean(0)


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits", s.side)
    past = torch.zeros(s.side, s.side, dtype=torch.bool)
    past[: s.row] = True
    past[s.row, : s.column] = True
    numbers, fields = {}, {}
    for name, (recipe, arguments) in NETS.items():
        depth = {"blocks" if recipe == "pixelcnn" else "layers": s.depth}
        sizes = {"levels": 2, "width": s.width, "head": s.width, "position": False}
        model = make(recipe, data.spec, seed, **arguments, **depth, **sizes)
        trainer = trainer_of(
            model, "digits", seed, size=s.side, steps=s.steps, batch=s.batch, clip=1.0
        )
        for _ in train(trainer):
            pass
        model.eval()
        field = seen(model, data.test.images[: s.images], s)
        numbers[f"{name}_unseen"] = float((field[past] == 0).sum())
        numbers[f"{name}_future"] = float((field[~past] > 0).sum())
        with evaluating(model):
            nats = model.log_prob(data.test.images[:500]).mean().item()
        numbers[f"{name}_nats"] = -nats
        fields[name] = field
    numbers["future"] = sum(numbers.pop(f"{name}_future") for name in NETS)
    curves = {name: (field / field.max()).tolist() for name, field in fields.items()}
    return Measured(numbers, curves)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    import matplotlib
    import numpy as np
    from matplotlib.colors import LogNorm

    colours = matplotlib.colormaps["viridis"].with_extremes(bad="0.85", under="#440154")
    panels = figure.subplots(1, len(NETS), sharey=True)
    (seed, measurement), *_ = measured.items()
    for axes, name in zip(panels, NETS):
        field = np.array(measurement.curves[name], dtype=float)
        future = np.ones_like(field, dtype=bool)
        future[: s.row] = False
        future[s.row, : s.column] = False
        shown = np.ma.masked_where(future, np.maximum(field, 1e-12))
        image = axes.imshow(shown, cmap=colours, norm=LogNorm(1e-5, 1))
        for r, c in zip(*np.nonzero(~future & (field == 0))):
            axes.plot(c, r, "x", color="red", ms=4, mew=1)
        axes.plot(s.column, s.row, "s", color="white", mec="black", ms=5)
        axes.set(
            title=f"{TITLES[name]}\n{measurement.numbers[f'{name}_unseen']:.0f} pixels unseen",
            xlabel="column",
        )
    panels[0].set_ylabel("row")
    figure.colorbar(image, ax=list(panels), label="|d logit / d pixel|, relative", shrink=0.8)
    figure.suptitle(
        f"what the prediction at the white square depends on (seed {seed}); red: past pixels that "
        "it cannot see; grey: not yet drawn"
    )


CLAIM = Claim(
    name="blind_spot",
    title="The plain mask has a blind spot, two stacks have none",
    paper="van den Oord et al. 2016, Conditional Image Generation with PixelCNN Decoders",
    setup="Binary digits of 16x16 pixels, nets of eight blocks, layers or LSTMs and 16 channels "
    "after 150 steps. unseen: past pixels of which the prediction at row 10, column 4 is "
    "independent (derivative exactly 0 in double precision, 32 test images). nats: held-out, an "
    "image. future: derivatives at or after a prediction that are not 0, all nets together.",
    criteria=(
        Criterion(
            "A plain PixelCNN does not see part of the past, whatever its depth allows.",
            (Bound("plain_unseen", at_least=10, unit="of 164 past pixels"),),
        ),
        Criterion(
            "With a vertical and a horizontal stack it sees all of it.",
            (Bound("gated_unseen", at_most=0, unit="of 164 past pixels"),),
        ),
        Criterion(
            "The Row LSTM sees a triangle, the Diagonal BiLSTM all but one pixel at most.",
            (
                Bound("row_unseen", at_least=10, unit="of 164 past pixels"),
                Bound("diagonal_unseen", at_most=1, unit="of 164 past pixels"),
            ),
        ),
        Criterion("None sees what is not yet drawn.", (Bound("future", at_most=0),)),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(steps=2, width=8, images=4),
    size=(11.0, 3.6),
)

if __name__ == "__main__":
    CLAIM.main()
