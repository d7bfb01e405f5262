"""What the experiments on image translation share: training, translating, and a known answer.

The data are `shape-masks` (a shape in the colour of its class -> in its own, which is left open)
and `shape-domains` (filled <-> outlined, whose only right translation is known).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from _factors import Judge, said
from _lab import evaluating, load, make, sheet, trainer_on
from torch import Tensor

from genarium.contract import to_uint8
from genarium.data.sources import shapes
from genarium.evaluation.metrics.sharpness import sharpness
from genarium.training.trainer import TrainingData

MASKS, DOMAINS, PAIRED = "shape-masks", "shape-domains", "shape-domains:paired=yes"
PAINTED = ("sharpness", "shape", "off_palette")


def trained(recipe: str, source: str, seed: int, training: dict[str, Any], **arguments: Any) -> Any:
    """A recipe trained on both domains of a data set; 32-bit, on the CPU, nothing on disk."""
    data = load(source)
    model, part = make(recipe, data.spec, seed, **arguments), data.train
    beside = {"b": part.extra["b"]} if data.spec.paired else {}
    unpaired = {} if data.spec.paired else {"b": part.domain("b")}
    known = TrainingData(part.images, None, beside, unpaired)
    trainer_on(model, known, seed, **training).fit()
    return model


def translate(model: Any, images: Tensor, direction: str = "a2b", seed: int = 0) -> Tensor:
    """uint8 [N,C,H,W] -> the translations, uint8; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    with evaluating(model):
        parts = [
            to_uint8(model.translate(some, direction=direction, generator=generator))
            for some in images.split(64)
        ]
    return torch.cat(parts)


def error(made: Tensor, target: Tensor) -> float:
    """Mean absolute error, pixels on [0, 1]."""
    return (made.float() - target.float()).abs().mean().item() / 255


def off_palette(made: Tensor, factors: Tensor) -> float:
    """How far a shape's colour is from the nearest of the eight that there are, on [0, 1].

    Over the pixels that only the true shape covers: the mean distance of their mean colour.
    """
    plain = factors.clone()
    plain[:, 6] = list(shapes.BACKGROUNDS).index("black")
    white = plain.clone()
    white[:, 6] = list(shapes.BACKGROUNDS).index("white")
    # where the background does not matter, the shape covers the whole pixel
    height, width = made.shape[2:]
    one, other = (shapes.render(f.numpy(), height, width) for f in (plain, white))
    inside = torch.from_numpy(one == other).all(1, keepdim=True).float()
    mean = (made.float() * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1)
    palette = torch.tensor(list(shapes.COLOURS.values()), dtype=torch.float32)
    return (torch.cdist(mean, palette).min(1).values / (255 * 3**0.5)).mean().item()


def right(images: Tensor, factors: Tensor, judge: Judge, *parts: str) -> float:
    """The share of pictures in which a judge sees all of `parts` ("shape", "colour" ...) right."""
    seen, wanted = judge.sees(images), said(factors)
    hits = [getattr(seen, part) == getattr(wanted, part) for part in parts]
    return torch.stack(hits).all(0).double().mean().item()


def painted(made: Tensor, real: Tensor, factors: Tensor, judge: Judge) -> dict[str, float]:
    """Of translations of `shape-masks`: sharpness as a share of that of the targets, how often the
    judge sees the shape, and `off_palette`."""
    return {
        "sharpness": sharpness(made).mean().item() / sharpness(real).mean().item(),
        "shape": right(made, factors, judge, "shape"),
        "off_palette": off_palette(made, factors),
    }


def in_words(result: Mapping[str, float]) -> str:
    """The numbers of `painted`, for a title."""
    return (
        f"sharpness {result['sharpness']:.2f} of real, shape right {result['shape']:.0%}, "
        f"{result['off_palette']:.2f} from the nearest colour"
    )


def draw_rows(figure: Any, images: Mapping[str, Tensor], titles: Mapping[str, str]) -> None:
    """A row of images uint8 [N,C,H,W] under each title, in the titles' order."""
    for axis, (kind, title) in zip(figure.subplots(len(titles), 1), titles.items()):
        axis.imshow(sheet(images[kind], len(images[kind])))
        axis.set_axis_off()
        axis.set_title(title)
