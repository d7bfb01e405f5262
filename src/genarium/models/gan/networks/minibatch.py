"""Minibatch discrimination (Salimans et al. 2016, 3.2): a score that sees how alike a batch is.

n images of this process · N of the global batch · A features of an image · B kernels · C size
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genarium.nn.norm import full_precision, gather_rows


class MinibatchScore(nn.Module):
    """Features [n,A] -> scores [n,1], by a linear map of the features and their closeness.

    M_i = f(x_i)·T with T [A, B·C];  o_b(i) = Σ_{j≠i} exp(-‖M_{i,b} - M_{j,b}‖₁);
    score = w·[f(x_i), o(i)] + w₀.

    The sum runs over the other images of the same call, of every process: a discriminator that
    sees real and fake images in two calls never mixes the two. kernels: B. size: C.
    """

    def __init__(self, inputs: int, kernels: int = 100, size: int = 5):
        super().__init__()
        self.kernels, self.size = kernels, size
        self.project = nn.Linear(inputs, kernels * size, bias=False)
        # Distances of order one, so that no kernel starts at exp(-large) without a gradient.
        nn.init.normal_(self.project.weight, std=1 / math.sqrt(inputs))
        self.score = nn.Linear(inputs + kernels, 1)
        nn.init.normal_(self.score.weight, 0.0, 0.02)
        nn.init.zeros_(self.score.bias)

    def closeness(self, features: Tensor) -> Tensor:
        """o(x_i), [n,B], of features [n,A]."""
        m = full_precision(self.project(features)).unflatten(1, (self.kernels, self.size))
        everyone = gather_rows(m)
        distance = (m[:, None] - everyone[None]).abs().sum(3)
        # One addend of the sum is the image itself, at distance 0: exp(0) = 1.
        return torch.exp(-distance).sum(1) - 1

    def forward(self, features: Tensor) -> Tensor:
        return self.score(torch.cat([features, self.closeness(features).to(features)], 1))
