"""`flow-matching` with its defaults against the loop that one writes by hand, at equal time.

    python benchmarks/plain_flow.py DATA [--size 32] [--seconds 180] [--seeds 1] [--out DIR]
    python benchmarks/plain_flow.py DATA --size 32 --out DIR --score [--extractor NAME]

`plain-64` and `plain-32` are the program of a first lesson in flow matching, written afresh: a
U-Net of three maps with group norm, SiLU and a sinusoid of the time, 64 or 32 channels next to the
image; a straight line from noise to image, times uniform, the squared error of the velocity, Adam
at 1e-3, batches of 64, 32 bits, and samples by Euler's method in 20 steps. The sides must be
multiples of 4. `default` is `flow-matching` as it comes, samples too. More sides of the package are
named by `--side NAME=RECIPE:ARGUMENT=VALUE,...`; their training options go among the arguments.
`--score` trains nothing and scores the samples that are there. How sides compete: `_plain.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from _plain import CHUNK, Ours, compete
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.contract import to_uint8

BATCH, RATE, EVALUATIONS = 64, 1e-3, 20


class Block(nn.Module):
    """Two convolutions with a way around them: [B,few,h,w], the time's [B,time] -> [B,many,h,w]."""

    def __init__(self, few: int, many: int, time: int):
        super().__init__()
        self.first, self.second = nn.Conv2d(few, many, 3, 1, 1), nn.Conv2d(many, many, 3, 1, 1)
        self.norms = nn.ModuleList([nn.GroupNorm(8, many), nn.GroupNorm(8, many)])
        self.time = nn.Linear(time, many)
        self.around = nn.Conv2d(few, many, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = F.silu(self.norms[0](self.first(x))) + self.time(time)[:, :, None, None]
        return F.silu(self.norms[1](self.second(h))) + self.around(x)


class Network(nn.Module):
    """The velocity [B,C,H,W] at x [B,C,H,W] and t [B]."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        a, b, c, time = width, 2 * width, 4 * width, 4 * width
        self.width = width
        self.embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.down = nn.ModuleList([Block(channels, a, time), Block(a, b, time), Block(b, c, time)])
        self.up = nn.ModuleList([Block(c + b, b, time), Block(b + a, a, time)])
        self.out = nn.Conv2d(a, channels, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        rates = torch.exp(-math.log(1e4) * torch.arange(self.width // 2) / (self.width // 2))
        angles = 1000 * t[:, None] * rates
        time = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        fine = self.down[0](x, time)
        middle = self.down[1](F.avg_pool2d(fine, 2), time)
        h = self.down[2](F.avg_pool2d(middle, 2), time)
        h = self.up[0](torch.cat([F.interpolate(h, scale_factor=2), middle], 1), time)
        h = self.up[1](torch.cat([F.interpolate(h, scale_factor=2), fine], 1), time)
        return self.out(h)


class Plain:
    """The loop of a first lesson."""

    def __init__(self, images: Tensor, width: int, seed: int):
        torch.manual_seed(seed)
        self.images = images.float() / 127.5 - 1
        self.network = Network(images.shape[1], width)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE)
        self.steps = 0

    def step(self) -> None:
        x = self.images[torch.randint(len(self.images), (BATCH,))]
        noise, t = torch.randn_like(x), torch.rand(len(x))
        way = t[:, None, None, None]
        loss = (self.network((1 - way) * x + way * noise, t) - (noise - x)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1

    def plan(self, steps: int) -> None:
        """A constant rate needs no plan."""

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        noise = torch.randn(n, *self.images.shape[1:], generator=torch.Generator().manual_seed(0))
        parts = []
        for x in noise.split(CHUNK):
            for i in range(EVALUATIONS):
                t = torch.full((len(x),), 1 - i / EVALUATIONS)
                x = x - self.network(x, t) / EVALUATIONS
            parts.append(to_uint8(x.clamp(-1, 1)))
        return torch.cat(parts)


def sides(dataset: Any, seed: int) -> dict[str, Callable[[], Any]]:
    """What makes each side, by name."""
    images = dataset.train.images
    return {
        "plain-64": lambda: Plain(images, 64, seed),
        "plain-32": lambda: Plain(images, 32, seed),
        "default": lambda: Ours(dataset, "flow-matching", {}, seed),
    }


if __name__ == "__main__":
    compete(__doc__, sides, "plain_flow")
