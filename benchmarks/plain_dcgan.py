"""`dcgan` with its defaults against the DCGAN loop that everybody writes, at equal processor time.

    python benchmarks/plain_dcgan.py DATA [--size 64] [--seconds 180] [--seeds 1] [--out DIR]
    python benchmarks/plain_dcgan.py DATA --size 64 --out DIR --score [--extractor NAME]

`plain-64` and `plain-16` are the loop of the tutorials, written afresh: transposed convolutions up
from 4×4, strided ones down, batch norm, weights from N(0, .02), binary cross-entropy, Adam 2e-4
with β1 .5, batches of 128, 32 bits; 64 channels next to the image as in the paper, and 16. The
sides must be a power of two. `paper` is `dcgan` with the paper's network, rate and batch under this
package's trainer, and `default` is `dcgan` as it comes. More sides of the package are named by
`--side NAME=RECIPE:ARGUMENT=VALUE,...`; their training options go among the arguments. `--score`
trains nothing and scores the samples that are there. How sides compete: `_plain.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from _plain import CHUNK, Ours, compete
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.contract import to_uint8

NOISE, BATCH = 100, 128
PAPER = {
    "architecture": "dcgan",
    "regularizers": (),
    "width": 64,
    "batch": 128,
    "lr": 2e-4,
    "ema": 0.0,
}


class Plain:
    """The loop of the tutorials."""

    def __init__(self, images: Tensor, width: int, seed: int):
        torch.manual_seed(seed)
        self.images = images.float() / 127.5 - 1
        channels, side = images.shape[1], images.shape[2]
        doublings = (side // 4).bit_length() - 1
        widths = [width * 2**i for i in range(doublings)]  # from the image in
        up: list[nn.Module] = [
            nn.ConvTranspose2d(NOISE, widths[-1], 4, 1, 0, bias=False),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(True),
        ]
        down: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for few, many in pairwise(widths):
            down += [
                nn.Conv2d(few, many, 4, 2, 1, bias=False),
                nn.BatchNorm2d(many),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        for few, many in reversed([*pairwise(widths)]):
            up += [
                nn.ConvTranspose2d(many, few, 4, 2, 1, bias=False),
                nn.BatchNorm2d(few),
                nn.ReLU(True),
            ]
        up += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
        down += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()]
        self.generator, self.discriminator = nn.Sequential(*up), nn.Sequential(*down)
        for net in (self.generator, self.discriminator):
            for module in net.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    nn.init.normal_(module.weight, 0.0, 0.02)
                elif isinstance(module, nn.BatchNorm2d):
                    nn.init.normal_(module.weight, 1.0, 0.02)
                    nn.init.zeros_(module.bias)
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for net in (self.discriminator, self.generator)
        ]
        self.steps = 0

    def step(self) -> None:
        real = self.images[torch.randint(len(self.images), (BATCH,))]
        fake = self.generator(torch.randn(BATCH, NOISE, 1, 1))
        ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
        critic, maker = self.optimizers
        critic.zero_grad()
        loss = F.binary_cross_entropy(self.discriminator(real).flatten(), ones)
        loss = loss + F.binary_cross_entropy(self.discriminator(fake.detach()).flatten(), zeros)
        loss.backward()
        critic.step()
        maker.zero_grad()
        F.binary_cross_entropy(self.discriminator(fake).flatten(), ones).backward()
        maker.step()
        self.steps += 1

    def plan(self, steps: int) -> None:
        """A constant rate needs no plan."""

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        self.generator.eval()
        noise = torch.randn(n, NOISE, 1, 1, generator=torch.Generator().manual_seed(0))
        return to_uint8(torch.cat([self.generator(z) for z in noise.split(CHUNK)]))


def sides(dataset: Any, seed: int) -> dict[str, Callable[[], Any]]:
    """What makes each side, by name."""
    images = dataset.train.images
    return {
        "plain-64": lambda: Plain(images, 64, seed),
        "plain-16": lambda: Plain(images, 16, seed),
        "paper": lambda: Ours(dataset, "dcgan", PAPER, seed),
        "default": lambda: Ours(dataset, "dcgan", {}, seed),
    }


if __name__ == "__main__":
    compete(__doc__, sides, "plain_dcgan")
