"""Dense networks between images and codes: one pair for autoencoders and VAEs alike.

Shapes: B batch · C channels · H, W pixels
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def dense(widths: Sequence[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers from widths[0] to widths[-1] with `activation` between them, none after.

    He's initialisation before a rectifier, Glorot's elsewhere.
    """
    parts: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        linear = nn.Linear(inputs, outputs)
        if activation in ("relu", "silu") and number < len(widths) - 2:
            nn.init.normal_(linear.weight, std=math.sqrt(2.0 / inputs))
        else:
            nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        parts += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*parts[:-1])


def joined(x: Tensor, beside: Tensor | None) -> Tensor:
    """[B,N] and [B,M] (or nothing) -> [B,N+M]."""
    return x if beside is None else torch.cat([x, beside.to(x.dtype)], 1)


class DenseEncoder(nn.Module):
    """Images [B,C,H,W] -> `features` numbers each, [B, features], through fully connected layers.

    shape: (C, H, W). hidden: units of the layers in between, first to last; none makes it linear.
    beside: further numbers [B, beside] of each image (its label) that the first layer sees too.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        hidden: Sequence[int] = (512, 512),
        activation: str = "relu",
        beside: int = 0,
    ):
        super().__init__()
        self.layers = dense((math.prod(shape) + beside, *hidden, features), activation)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        return self.layers(joined(x.flatten(1), beside))


class DenseDecoder(nn.Module):
    """Codes [B, latent] -> [B,C,H,W] through fully connected layers; no output non-linearity.

    shape: (C, H, W) of what comes out. hidden: units of the layers in between, first to last.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        hidden: Sequence[int] = (512, 512),
        activation: str = "relu",
    ):
        super().__init__()
        self.shape = shape
        self.layers = dense((latent, *hidden, math.prod(shape)), activation)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape)

    @torch.no_grad()
    def begin_at(self, output: Tensor) -> None:
        """Let what comes out begin about `output` [C,H,W]: it becomes the last bias."""
        bias = self.layers[-1].bias
        assert isinstance(bias, Tensor)
        bias.copy_(output.flatten())
