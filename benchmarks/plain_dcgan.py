"""`dcgan` with its defaults against the DCGAN loop that everybody writes, at equal processor time.

    python benchmarks/plain_dcgan.py DATA [--size 64] [--seconds 180] [--seeds 1] [--out DIR]
    python benchmarks/plain_dcgan.py DATA --size 64 --out DIR --score [--extractor NAME]

`plain-64` and `plain-16` are the loop of the tutorials, written afresh: transposed convolutions up
from 4×4, strided ones down, batch norm, weights from N(0, .02), binary cross-entropy, Adam 2e-4
with β1 .5, batches of 128, 32 bits; 64 channels next to the image as in the paper, and 16. The
sides must be a power of two. `paper` is `dcgan` with the paper's network, rate and batch under this
package's trainer, and `default` is `dcgan` as it comes. More sides of the package are named by
`--side NAME=RECIPE:ARGUMENT=VALUE,...`; their training options go among the arguments. `--score`
trains nothing and scores the samples that are there.

Each side trains with one thread until it has used so many seconds of the processor. A schedule
needs to know its end, which is planned anew every 20 steps by the pace so far. Samples are saved
as DIR/SIDE-SIZE-SEED.npy, their grid as PNG. Scored: the Fréchet distance of the samples to all
real pictures in the features of an extractor (beside the same of the training pictures against
those held out), the power at the frequencies of strides over that of the real pictures (1: no
checkerboard), and the mean distance of two samples in pixels over that of two real pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _sides import side
from torch import Tensor, nn
from torch.nn import functional as F

from genarium import data, recipes
from genarium.contract import to_uint8
from genarium.data import DataOptions
from genarium.data.splits import SPLITS
from genarium.drawing.images import grid, save_png
from genarium.evaluation.extractors.by_name import default_for, extractor
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.evaluation.metrics.spectrum import stride_power
from genarium.runs import configuration
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

NOISE, BATCH, SAMPLES = 100, 128, 1000
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
        return to_uint8(torch.cat([self.generator(z) for z in noise.split(100)]))


class Ours:
    """A recipe under the trainer, as the command runs it."""

    def __init__(self, dataset: Any, name: str, given: dict[str, Any], seed: int):
        allocator.keep_memory()
        recipe = recipes.get(name)
        routed = configuration.route(recipe, {"seed": seed, "device": "cpu", **given})
        config = configuration.resolve(recipe, routed)
        self.training = {**config.training, "steps": 10**9, "epochs": None, "minutes": None}
        model = build(recipe, dataset.spec, config.arguments, seed)
        train = dataset.train
        self.trainer = Trainer(
            model, TrainingData(train.images, train.labels), TrainOptions(**self.training)
        )
        self.trainer.model.train()

    @property
    def steps(self) -> int:
        return self.trainer.step

    def step(self) -> None:
        self.trainer.one_step()

    def plan(self, steps: int) -> None:
        """Let the schedule end after so many steps in all."""
        self.trainer.options = TrainOptions(**{**self.training, "steps": steps})
        images = self.trainer.batch * self.trainer.batches.a_step
        self.trainer.budget = type(self.trainer.budget)(
            self.trainer.options, images, len(self.trainer.data)
        )

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        model: Any = self.trainer.model.eval()
        with self.trainer.sampling_weights():
            return to_uint8(model.sample(n, generator=torch.Generator().manual_seed(0)))


def trained(side: Any, seconds: float, every: int = 20) -> float:
    """Train for so many seconds of the processor; the seconds that it took."""
    start = time.process_time()
    while (used := time.process_time() - start) < seconds:
        if side.steps and side.steps % every == 0:  # a schedule's end, as the pace so far has it
            side.plan(max(side.steps + 1, round(side.steps * seconds / used)))
        side.step()
    return used


def spread(images: Tensor) -> float:
    """The mean distance of two pictures, root mean square over pixels, of 0 to 255."""
    half = len(images) // 2
    x = images.float()
    return float((x[:half] - x[half : 2 * half]).square().mean((1, 2, 3)).sqrt().mean())


def scored(samples: Tensor, dataset: Any, looks: Any) -> dict[str, float]:
    """The scores of samples, uint8 [N,C,H,W]."""

    def features(images: Tensor) -> Tensor:
        return looks(images).pool

    parts = [dataset.split(name).images for name in SPLITS]
    train, held, real = parts[0], torch.cat(parts[1:]), torch.cat(parts)
    shuffled = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    frechet = frechet_distance_of_features
    return {
        "frechet": frechet(features(samples), features(real)),
        "frechet_held_out": frechet(features(train), features(held)),
        "strides": stride_power(samples) / stride_power(real),
        "spread": spread(samples) / spread(shuffled),
    }


def sides_of(dataset: Any, seed: int, more: list[str]) -> dict[str, Any]:
    """What makes each side, by name."""
    images = dataset.train.images
    result: dict[str, Any] = {
        "plain-64": lambda: Plain(images, 64, seed),
        "plain-16": lambda: Plain(images, 16, seed),
        "paper": lambda: Ours(dataset, "dcgan", PAPER, seed),
        "default": lambda: Ours(dataset, "dcgan", {}, seed),
    }
    for text in more:
        name, recipe, given = side(text)
        result[name] = lambda recipe=recipe, given=given: Ours(dataset, recipe, given, seed)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--size", default="64")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("plain_dcgan"))
    parser.add_argument("--only", help="sides, separated by commas (default: all)")
    parser.add_argument("--side", action="append", default=[], metavar="NAME=RECIPE:A=V,...")
    parser.add_argument("--extractor", help="default: the one for such data")
    parser.add_argument("--score", action="store_true", help="score saved samples, train nothing")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    dataset = data.load(given.data, DataOptions(size=given.size))
    given.out.mkdir(parents=True, exist_ok=True)
    looks = extractor(given.extractor or default_for(dataset.name, dataset.spec))
    for seed in range(given.seeds):
        makers = sides_of(dataset, seed, given.side)
        for name in given.only.split(",") if given.only else makers:
            place = given.out / f"{name}-{given.size}-{seed}"
            row: dict[str, Any] = {"side": name, "size": given.size, "seed": seed}
            if not given.score:
                one = makers[name]()
                row |= {"seconds": round(trained(one, given.seconds), 1), "steps": one.steps}
                samples = one.sample(SAMPLES)
                np.save(place.with_suffix(".npy"), samples.numpy())
                save_png(place.with_suffix(".png"), grid(samples[:64]))
            elif not place.with_suffix(".npy").exists():
                continue
            samples = torch.from_numpy(np.load(place.with_suffix(".npy")))
            result = scored(samples, dataset, looks)
            row |= {key: round(value, 4) for key, value in result.items()}
            row["extractor"] = looks.name
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
