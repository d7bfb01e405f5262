"""Training of flow matching and sampling from it, against plain loops over the same network.

    python benchmarks/diffusion_training.py [--size 28] [--channels 1] [--width 32] [--batch 64]
        [--steps 10] [--rounds 3]

The plain loop is what one writes by hand: float32, channels-first, a DataLoader over images as
floats, noise and times drawn on the host for each step, Adam, and an average of the weights kept by
hand. The trainer is `flow-matching` as it stands (channels-last; bf16 where the hardware has matrix
units). Both see the same pictures and train the same network. Rounds alternate in one process, and
the ratio is that of the medians; other work on the machine slows both. The processor seconds of
each side are shown beside the seconds that passed.

Sampling is Euler's method of `--steps` evaluations: by hand in float32, channels-first, and by
`model.sample` in float32 and with the setting `precision` at bf16.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from genarium import recipes
from genarium.contract import Spec, from_uint8
from genarium.models.diffusion.continuous import FlowMatching
from genarium.models.diffusion.denoiser import Precision
from genarium.models.diffusion.sampling import FlowSampler
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

IMAGES = 2048


def endless(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[Tensor]:
    while True:
        for (images,) in loader:
            yield images


def channels_first(network: nn.Module) -> nn.Module:
    """A copy whose weights lie as PyTorch has them by default."""
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def plain(images: Tensor, spec: Spec, width: int, batch: int) -> Callable[[], None]:
    """A step of the loop by hand."""
    model = build(recipes.get("flow-matching"), spec, {"width": width}, seed=0)
    network = channels_first(model.network)
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    data = TensorDataset(from_uint8(images))
    batches = endless(DataLoader(data, batch_size=batch, shuffle=True, drop_last=True))

    def step() -> None:
        x = next(batches)
        noise, t = torch.randn_like(x), torch.sigmoid(torch.randn(len(x)))
        at = t[:, None, None, None]
        output = network((1 - at) * x + at * noise, t[:, None])
        loss = (output - (noise - x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 0.001)

    return step


def ours(images: Tensor, spec: Spec, width: int, batch: int) -> Callable[[], None]:
    """A step of the trainer."""
    recipe = recipes.get("flow-matching")
    model = build(recipe, spec, {"width": width}, seed=0)
    options = TrainOptions(**{**recipe.training, "batch": batch, "device": "cpu"})
    trainer = Trainer(model, TrainingData(images, None, {}, {}), options)
    trainer.model.train()
    return trainer.one_step


def samplers(spec: Spec, width: int, batch: int, steps: int) -> dict[str, Callable[[], None]]:
    """What draws a batch of images, by hand and by the package."""
    model = build(recipes.get("flow-matching"), spec, {"width": width}, seed=0).eval()
    assert isinstance(model, FlowMatching)
    network = channels_first(model.network)

    @torch.no_grad()
    def by_hand() -> None:
        x = torch.randn(batch, *spec.shape)
        for step in range(steps, 0, -1):
            x = x - network(x, torch.full((batch, 1), step / steps)) / steps

    def by_package(precision: Precision) -> Callable[[], None]:
        settings = FlowSampler(steps=steps, solver="euler", precision=precision)

        def draw() -> None:
            model.sample(batch, settings=settings)

        return draw

    return {"plain": by_hand, "fp32": by_package("fp32"), "bf16": by_package("bf16")}


def compared(sides: dict[str, Callable[[], None]], calls: int, rounds: int, seen: int) -> None:
    """Print each side's images a second, `seen` a round of so many calls, and the ratios to the
    first side."""
    for call in sides.values():  # the first also allocates
        call()
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            begin, used = time.perf_counter(), time.process_time()
            for _ in range(calls):
                call()
            wall[name].append(time.perf_counter() - begin)
            cpu[name].append(time.process_time() - used)
    first, *others = sides
    for name in sides:
        seconds, processor = (statistics.median(spent[name]) for spent in (wall, cpu))
        print(
            f"{name:8s} {seen / seconds:8.1f} images/s   {seen / processor:8.1f} images a "
            "processor second"
        )
    for name in others:
        ratios = [
            statistics.median(spent[first]) / statistics.median(spent[name])
            for spent in (wall, cpu)
        ]
        print(
            f"{name} over {first}: {ratios[0]:.2f}x by the clock, {ratios[1]:.2f}x by the processor"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    allocator.keep_memory()
    generator = torch.Generator().manual_seed(0)
    shape = (given.channels, given.size, given.size)
    images = torch.randint(256, (IMAGES, *shape), dtype=torch.uint8, generator=generator)
    spec = Spec(*shape)
    sides = {
        "plain": plain(images, spec, given.width, given.batch),
        "trainer": ours(images, spec, given.width, given.batch),
    }
    print(f"training, batches of {given.batch}")
    compared(sides, given.steps, given.rounds, given.steps * given.batch)
    print(f"sampling, batches of {given.batch}, {given.steps} evaluations an image")
    drawn = samplers(spec, given.width, given.batch, given.steps)
    compared(drawn, 1, given.rounds, given.batch)


if __name__ == "__main__":
    main()
