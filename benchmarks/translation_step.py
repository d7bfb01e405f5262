"""Steps a second of pix2pix and CycleGAN against a plain loop of the same networks, in one run.

    python benchmarks/translation_step.py                      # pix2pix 256 px, CycleGAN 128 px
    python benchmarks/translation_step.py --quick              # small networks, to see that it runs

One side is the recipe under the trainer, with all that it does for a run: channels-last memory,
bf16 where the processor has matrix units for it, fused optimizers, the allocator that keeps its
memory. The other is the step as it is commonly written, afresh: 32-bit, channels-first, one pass of
a network for each use of it, unfused Adam, losses read each step. Both have the paper's batch of 1
and the same networks with the same weights, and neither saves a checkpoint (a run does every 500
steps). Each side has its process and the rounds alternate, one side at a time; the ratio is
theirs / ours in seconds.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from genarium import recipes
from genarium.contract import Spec, from_uint8
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.engine import has_fast_bf16
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

SIZES = {"pix2pix": 256, "cyclegan": 128}
IMAGES = 8
SMALL = {"width": 8, "disc_width": 8}


def images_of(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 256, (2, IMAGES, 3, size, size), generator=generator)
    return a.to(torch.uint8), b.to(torch.uint8)


def model_of(name: str, size: int, quick: bool) -> Any:
    shape = (3, size, size)
    spec = Spec(*shape, second=shape, paired=True)
    return build(recipes.get(name), spec, SMALL if quick else {}, 0)


class Ours:
    """The recipe under the trainer."""

    def __init__(self, name: str, size: int, quick: bool):
        allocator.keep_memory()
        a, b = images_of(size)
        data = TrainingData(a, None, {"b": b})
        options = TrainOptions(steps=10_000, batch=1, device="cpu")
        self.trainer = Trainer(model_of(name, size, quick), data, options)
        self.trainer.model.train()

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self.trainer.one_step()
        return time.perf_counter() - start


def adam(*networks: nn.Module) -> torch.optim.Adam:
    weights = list(itertools.chain(*(network.parameters() for network in networks)))
    return torch.optim.Adam(weights, lr=2e-4, betas=(0.5, 0.999), foreach=False)


class PlainPix2Pix:
    """D on the real and the fake pair, then G, as the paper has it."""

    def __init__(self, size: int, quick: bool):
        model = model_of("pix2pix", size, quick)
        self.g, self.d = model.generator, model.discriminator
        self.of_g, self.of_d = adam(self.g), adam(self.d)
        self.a, self.b = (from_uint8(images) for images in images_of(size))

    def one(self, number: int) -> None:
        row = slice(number % IMAGES, number % IMAGES + 1)
        x, y = self.a[row], self.b[row]
        fake = self.g(x, lambda *shape: torch.rand(1, *shape))
        self.of_d.zero_grad()
        real_logits = self.d(torch.cat([x, y], 1))
        fake_logits = self.d(torch.cat([x, fake.detach()], 1))
        loss = 0.5 * (adversarial(real_logits, True) + adversarial(fake_logits, False))
        loss.backward()
        self.of_d.step()
        self.of_g.zero_grad()
        of_g = adversarial(self.d(torch.cat([x, fake], 1)), True) + 100 * (fake - y).abs().mean()
        of_g.backward()
        self.of_g.step()
        _ = loss.item() + of_g.item()


def adversarial(logits: Tensor, real: bool) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class PlainCycleGAN:
    """Both generators by all six losses, then both discriminators."""

    def __init__(self, size: int, quick: bool):
        model = model_of("cyclegan", size, quick)
        self.g, self.f = model.a2b, model.b2a
        self.d_a, self.d_b = model.discriminator_a, model.discriminator_b
        self.of_g, self.of_d = adam(self.g, self.f), adam(self.d_a, self.d_b)
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])
        self.a, self.b = (from_uint8(images) for images in images_of(size))

    def pooled(self, images: Tensor, pool: list[Tensor]) -> Tensor:
        if len(pool) < 50:
            pool.append(images)
            return images
        if torch.rand(()) < 0.5:
            return images
        place = int(torch.randint(50, ()))
        images, pool[place] = pool[place], images
        return images

    def one(self, number: int) -> None:
        row = slice(number % IMAGES, number % IMAGES + 1)
        a, b = self.a[row], self.b[row]
        self.of_g.zero_grad()
        for judge in (self.d_a, self.d_b):
            judge.requires_grad_(False)
        fake_b, fake_a = self.g(a), self.f(b)
        back_a, back_b = self.f(fake_b), self.g(fake_a)
        same_b, same_a = self.g(b), self.f(a)
        loss = (self.d_b(fake_b) - 1).square().mean() + (self.d_a(fake_a) - 1).square().mean()
        loss = loss + 10 * ((back_a - a).abs().mean() + (back_b - b).abs().mean())
        loss = loss + 5 * ((same_a - a).abs().mean() + (same_b - b).abs().mean())
        loss.backward()
        self.of_g.step()
        self.of_d.zero_grad()
        total = loss.item()
        for judge, real, fake, pool in (
            (self.d_a, a, fake_a, self.pools[0]),
            (self.d_b, b, fake_b, self.pools[1]),
        ):
            judge.requires_grad_(True)
            shown = self.pooled(fake.detach(), pool)
            of_d = 0.5 * ((judge(real) - 1).square().mean() + judge(shown).square().mean())
            of_d.backward()
            total += of_d.item()
        self.of_d.step()


class Plain:
    """A hand-written loop over one of the two."""

    def __init__(self, name: str, size: int, quick: bool):
        self.side = (PlainPix2Pix if name == "pix2pix" else PlainCycleGAN)(size, quick)
        self.number = 0

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self.side.one(self.number)
            self.number += 1
        return time.perf_counter() - start


SIDES = {"plain": Plain, "ours": Ours}


def serve(side: str, pipe: Connection, name: str, size: int, quick: bool) -> None:
    """A process of its own: asked for a number of steps, it answers with the seconds."""
    contestant: Any = SIDES[side](name, size, quick)
    while steps := pipe.recv():
        pipe.send(contestant.run(steps))


def compare(name: str, size: int, steps: int, rounds: int, quick: bool) -> None:
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for side in SIDES:
        pipes[side], theirs = context.Pipe()
        context.Process(target=serve, args=(side, theirs, name, size, quick), daemon=True).start()

    def run(side: str, count: int) -> float:
        pipes[side].send(count)
        seconds: float = pipes[side].recv()
        return seconds

    for side in SIDES:
        run(side, 1)
    ratios = []
    for number in range(rounds):
        seconds = {side: run(side, steps) for side in list(SIDES)[:: 1 if number % 2 else -1]}
        ratios.append(seconds["plain"] / seconds["ours"])
        rates = "   ".join(f"{side} {steps / spent:.2f} steps/s" for side, spent in seconds.items())
        print(f"{name} {size} px: {rates}   ratio {ratios[-1]:.2f}", flush=True)
    for pipe in pipes.values():
        pipe.send(0)
    print(
        f"{name} {size} px, batch 1, {torch.get_num_threads()} threads, bf16 "
        f"{has_fast_bf16(torch.device('cpu'))}: median ratio {statistics.median(ratios):.2f} "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(SIZES), help="one of the two")
    parser.add_argument("--steps", type=int, default=10, help="a round (default: 10)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="32 px, 8 channels, one round")
    args = parser.parse_args()
    for name in [args.only] if args.only else SIZES:
        size = 32 if args.quick else SIZES[name]
        steps, rounds = (2, 1) if args.quick else (args.steps, args.rounds)
        compare(name, size, steps, rounds, args.quick)


if __name__ == "__main__":
    main()
