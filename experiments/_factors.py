"""A judge of pictures of `shapes`: what a small network, trained on true factors, sees in them.

It is trained anew in each experiment that uses it, in under a minute of one core, and says how
often it is right about real test images: no model can be found to do better than that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from _lab import load
from torch import Tensor, nn
from torch.nn import functional

from genarium.data.sources import shapes

SOURCE = "shapes"
KINDS, HUES = len(shapes.SHAPES), len(shapes.COLOURS)
PARTS = ("shape", "colour", "size", "position")


class Seen(NamedTuple):
    """What a caption says of a picture, as numbers [N] each: of the shape, the colour, the size
    (small 0, medium 1, large 2) and the place (0 to 8, three rows of three)."""

    shape: Tensor
    colour: Tensor
    size: Tensor
    position: Tensor


def _thirds(x: Tensor, low: float, high: float) -> Tensor:
    return ((x - low) / (high - low) * 3).floor().clamp(0, 2).long()


def said(factors: Tensor) -> Seen:
    """The words of the captions of true factors [N,7], with the captions' own bounds."""
    shape, colour, size, x, y = factors[:, :5].unbind(1)
    place = 3 * _thirds(y, -1, 1) + _thirds(x, -1, 1)
    return Seen(shape.long(), colour.long(), _thirds(size, shapes.SMALLEST, shapes.LARGEST), place)


class Judge(nn.Module):
    """Images uint8 [N,3,S,S] -> logits of shape and colour, then size, x and y: [N,17].

    size: S, 16 or 32 pixels; the last map is 8×8.
    """

    def __init__(self, width: int = 32, size: int = 32):
        super().__init__()

        def layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
            return [
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]

        self.net = nn.Sequential(
            *layer(3, width, 1),
            nn.MaxPool2d(2),
            *layer(width, 2 * width, 1),
            nn.MaxPool2d(size // 16),
            *layer(2 * width, 2 * width, 1),
            nn.Flatten(),
            nn.Linear(2 * width * 64, 128),
            nn.ReLU(),
            nn.Linear(128, KINDS + HUES + 3),
        )

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.net(images.float() / 127.5 - 1)
        return result

    @torch.no_grad()
    def sees(self, images: Tensor) -> Seen:
        """What it sees, in the captions' terms."""
        kind, hue, rest = torch.cat([self(x) for x in images.split(500)]).split([KINDS, HUES, 3], 1)
        low, high = shapes.SMALLEST, shapes.LARGEST
        size = low + (high - low) * (rest[:, 0] + 1) / 2
        factors = torch.stack([kind.argmax(1), hue.argmax(1), size, rest[:, 1], rest[:, 2]], 1)
        return said(factors)


@lru_cache
def judge(steps: int, batch: int = 64, width: int = 24, size: int = 32) -> Judge:
    """The judge, trained on the training split at 16 or 32 px."""
    train = load(SOURCE, size).train
    factors = train.extra["factors"]
    low, high = shapes.SMALLEST, shapes.LARGEST
    numbers = torch.stack(
        [2 * (factors[:, 2] - low) / (high - low) - 1, factors[:, 3], factors[:, 4]], 1
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Judge(width, size)
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(train), (batch,))
            kind, hue, rest = model(train.images[rows]).split([KINDS, HUES, 3], 1)
            loss = (
                functional.cross_entropy(kind, factors[rows, 0].long())
                + functional.cross_entropy(hue, factors[rows, 1].long())
                + 10 * functional.mse_loss(rest, numbers[rows])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def agreement(images: Tensor, factors: Tensor, model: Judge) -> dict[str, float]:
    """The share of pictures uint8 [N,3,S,S] that show what the captions of `factors` say, by
    part and as "all" of it."""
    seen, wanted = model.sees(images), said(factors)
    right = {part: getattr(seen, part) == getattr(wanted, part) for part in PARTS}
    right["all"] = torch.stack(list(right.values())).all(0)
    return {part: hits.double().mean().item() for part, hits in right.items()}
