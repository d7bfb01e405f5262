"""Fully connected generator and discriminator (Goodfellow et al. 2014), for images of any size.

The generator's hidden units rectify, the discriminator's are maxout units (Goodfellow et al. 2013),
which a generator cannot silence. Start values are He's; the paper's uniform ones depend on its
learning rate. Outputs are tanh on (-1, 1) where the paper has a logistic on (0, 1).

    B batch · C image channels · D inputs of the generator · U hidden units · P pieces of a maxout
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(gain / inputs))
    # Biases stay as torch draws them, on ±1/√inputs: at 0 all units would bend at the origin,
    # and a network of few inputs (points in the plane) could separate little elsewhere.
    return layer


class Maxout(nn.Module):
    """U linear maps of P pieces each, the largest piece counts: [B,D] -> [B,U]."""

    def __init__(self, inputs: int, units: int, pieces: int = 5):
        super().__init__()
        self.pieces = pieces
        self.linear = _linear(inputs, units * pieces, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class DenseGenerator(nn.Module):
    """Codes [B,D] -> images [B,C,H,W] on (-1, 1) through `layers` hidden layers of `width` units.

    inputs: D. shape: (C, H, W).
    """

    def __init__(
        self, inputs: int, shape: tuple[int, int, int], width: int = 1200, layers: int = 2
    ):
        super().__init__()
        self.inputs, self.shape = inputs, shape
        widths = [inputs, *[width] * layers]
        parts: list[nn.Module] = []
        for before, after in pairwise(widths):
            parts += [_linear(before, after, 2.0), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*parts, _linear(widths[-1], math.prod(shape), 1.0))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layers(z)).unflatten(1, self.shape)


class DenseDiscriminator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> logits [B]; `head(features(x))`.

    shape: (C, H, W), with whatever channels a condition adds. width: maxout units of each of the
    `layers` hidden layers. pieces: of each unit. `outputs`: features of an image.
    """

    def __init__(
        self, shape: tuple[int, int, int], width: int = 240, layers: int = 2, pieces: int = 5
    ):
        super().__init__()
        widths = [math.prod(shape), *[width] * layers]
        self.hidden = nn.Sequential(*(Maxout(a, b, pieces) for a, b in pairwise(widths)))
        self.outputs = width
        self.score: nn.Module = _linear(width, 1, 1.0)

    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer: [B, `outputs`]."""
        return self.hidden(images.flatten(1))

    def head(self, features: Tensor) -> Tensor:
        """Logits [B] of features [B, `outputs`]."""
        return self.score(features).squeeze(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
