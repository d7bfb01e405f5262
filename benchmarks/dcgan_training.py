"""Images a second of DCGAN training against a plain loop of the same maths, in one run.

    python benchmarks/dcgan_training.py [--size 64] [--batch 128] [--steps 3] [--rounds 5]
        [--precision fp32]

The plain loop is DCGAN training as PyTorch tutorials teach it, written afresh: float images in
PyTorch's default layout, `nn.ConvTranspose2d` up, `nn.Conv2d` down, sigmoid and binary cross
entropy, one fake batch for both players, Adam without fusion. The other side is `dcgan` under the
trainer, with all that it does for a step (seeds, checks, means; neither side saves a checkpoint).
Both train 3 channels, width 64, 100 latent numbers. Each side has its process, and the rounds
alternate, one side at a time; the ratio is plain seconds / trainer seconds.

The floor is what the products of our step and the optimizer's reading and writing take at the
machine's rates (`_floor.py`): 12 passes of one network's forward work (G and D are equal: D real 3,
G 1, D fake 3; G 1, D for G 2, G back 2; the plain loop saves the second G and takes D's gradient
once more).
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from itertools import pairwise
from multiprocessing.connection import Connection

import torch
from _floor import step_floor
from torch import Tensor, nn

from genarium import recipes
from genarium.contract import Spec
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.engine import has_fast_bf16
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData


def plain_networks(size: int, width: int, latent: int) -> tuple[nn.Module, nn.Module]:
    """Generator [B,latent,1,1] -> [B,3,size,size] and discriminator -> [B,1,1,1] on (0, 1)."""
    doublings = (size // 4).bit_length() - 1
    maps = [width * 2**i for i in range(doublings)]
    up: list[nn.Module] = [nn.ConvTranspose2d(latent, maps[-1], 4, 1, 0, bias=False)]
    down: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for small, large in pairwise(maps):
        down += [
            nn.Conv2d(small, large, 4, 2, 1, bias=False),
            nn.BatchNorm2d(large),
            nn.LeakyReLU(0.2, True),
        ]
    for large, small in zip(maps[::-1], maps[-2::-1]):
        up += [
            nn.BatchNorm2d(large),
            nn.ReLU(True),
            nn.ConvTranspose2d(large, small, 4, 2, 1, bias=False),
        ]
    up += [
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    ]
    down += [nn.Conv2d(maps[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()]
    for module in (*up, *down):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return nn.Sequential(*up), nn.Sequential(*down)


class Plain:
    """The plain loop."""

    floor = 0.0

    def __init__(self, images: Tensor, batch: int, size: int, width: int, latent: int, _: str):
        self.images = images.float() / 127.5 - 1
        self.batch, self.latent = batch, latent
        self.generator, self.discriminator = plain_networks(size, width, latent)
        self.optimizers = [
            torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for n in (self.discriminator, self.generator)
        ]

    def run(self, steps: int) -> float:
        loss = nn.BCELoss()
        ones, zeros = torch.ones(self.batch), torch.zeros(self.batch)
        start = time.perf_counter()
        for _ in range(steps):
            real = self.images[torch.randint(len(self.images), (self.batch,))]
            self.discriminator.zero_grad()
            loss(self.discriminator(real).view(-1), ones).backward()
            fake = self.generator(torch.randn(self.batch, self.latent, 1, 1))
            loss(self.discriminator(fake.detach()).view(-1), zeros).backward()
            self.optimizers[0].step()
            self.generator.zero_grad()
            loss(self.discriminator(fake).view(-1), ones).backward()
            self.optimizers[1].step()
        return time.perf_counter() - start


class Ours:
    """The recipe under the trainer, with the memory kept as the command keeps it."""

    def __init__(
        self, images: Tensor, batch: int, size: int, width: int, latent: int, precision: str
    ):
        allocator.keep_memory()
        arguments = {"architecture": "dcgan", "regularizers": (), "latent": latent, "width": width}
        model = build(recipes.get("dcgan"), Spec(3, size, size), arguments, 0)
        self.generator = model.generator
        options = TrainOptions(
            steps=10_000,
            batch=batch,
            device="cpu",
            precision=precision,  # type: ignore[arg-type]
        )
        self.trainer = Trainer(model, TrainingData(images), options)
        model.train()
        self.floor, words = step_floor(self.trainer)
        print(words, flush=True)

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self.trainer.one_step()
        return time.perf_counter() - start


def serve(side: type, pipe: Connection, batch: int, size: int, width: int, precision: str) -> None:
    """A process of its own: asked for a number of steps, it answers with the seconds."""
    generator = torch.Generator().manual_seed(0)
    shape = (4 * batch, 3, size, size)
    images = torch.randint(0, 256, shape, generator=generator).to(torch.uint8)
    contestant = side(images, batch, size, width, 100, precision)
    pipe.send((sum(p.numel() for p in contestant.generator.parameters()), contestant.floor))
    while steps := pipe.recv():
        pipe.send(contestant.run(steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, choices=(16, 32, 64, 128))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    floor = 0.0
    for name, side in (("plain", Plain), ("trainer", Ours)):
        pipes[name], theirs = context.Pipe()
        arguments = (side, theirs, args.batch, args.size, args.width, args.precision)
        context.Process(target=serve, args=arguments, daemon=True).start()
        # one after the other: the floor is measured in peace
        count, floor = pipes[name].recv()
        print(f"{name}: {count:,} parameters in the generator")

    def run(name: str, steps: int) -> float:
        pipes[name].send(steps)
        seconds: float = pipes[name].recv()
        return seconds

    for name in pipes:
        run(name, 1)
    ratios, floors = [], []
    for number in range(args.rounds):
        order = list(pipes)[:: 1 if number % 2 else -1]
        seconds = {name: run(name, args.steps) for name in order}
        ratios.append(seconds["plain"] / seconds["trainer"])
        floors.append(seconds["trainer"] / (args.steps * floor))
        rates = {k: args.steps * args.batch / s for k, s in seconds.items()}
        print(
            f"plain {rates['plain']:7.1f} images/s   trainer {rates['trainer']:7.1f}   "
            f"ratio {ratios[-1]:.2f}",
            flush=True,
        )
    for pipe in pipes.values():
        pipe.send(0)
    print(
        f"{args.size} px, batch {args.batch}, {torch.get_num_threads()} threads, "
        f"bf16 units {has_fast_bf16(torch.device('cpu'))}, --precision {args.precision}: "
        f"median ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, "
        f"max {max(ratios):.2f}), ours {statistics.median(floors):.2f} of the floor"
    )


if __name__ == "__main__":
    main()
