"""The recipe `vae` against a plain convolutional VAE, at equal steps and equal processor seconds.

    python benchmarks/plain_vae.py DATA [DATA ...] [--size 32] [--steps 400] [--seeds 0,1,2]
        [--sides plain former default net=conv,layers=1] [--extractor NAME] [--out FOLDER]

The plain one is what one writes by hand in thirty lines: strided convolutions of width 16, one
linear layer each way, batch norm, cross-entropy on grey values, 16 latents, batches of 64, Adam at
2e-3. `default` is the recipe as it stands, its weights averaged as those of a run are; `former` has
the settings that were its defaults before there was a net for pictures, and NAME=VALUE,... is any
other setting of it. All see the same pictures.

The error is the mean squared one of rebuilt held-out pictures (validation and test) on [0, 1],
from the posterior's mean. Each side is judged after `--steps` steps, and once it has used the
processor seconds that the plain one took for them (time of this process, so other work on the
machine does not count). With `--extractor` samples are scored too (Fréchet distance of 1,000 to the
training pictures). FOLDER gets figures.json and a grid of rebuilt pictures and of samples: a row a
side, the first row pictures of the data; and 500 samples of each side as arrays (.npy).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium import data, recipes
from genarium.contract import Spec, to_uint8
from genarium.data import DataOptions, Dataset
from genarium.drawing.images import grid, save_png
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

FORMER = {"net": "conv", "decoder": "bernoulli", "layers": 4, "prior": "fixed"}
LATENT, WIDTH, BATCH, LR = 16, 16, 64, 2e-3
SAMPLES = 1000
SHOWN, KEPT = 10, 500


class Plain(nn.Module):
    """The VAE that one writes by hand; an image [B,C,H,W] on [0, 1] -> the loss of a step."""

    def __init__(self, spec: Spec):
        super().__init__()
        sizes = [(spec.height, spec.width)]
        while min(sizes[-1]) >= 8:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        maps = [spec.channels, *(WIDTH * min(2**i, 8) for i in range(len(sizes) - 1))]
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(maps):
            down += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.down = nn.Sequential(*down)
        self.smallest = (maps[-1], *sizes[-1])
        flat = maps[-1] * sizes[-1][0] * sizes[-1][1]
        self.code = nn.Linear(flat, 2 * LATENT)
        self.start = nn.Linear(LATENT, flat)
        up: list[nn.Module] = []
        for i in range(len(maps) - 1, 0, -1):
            odd = (sizes[i - 1][0] % 2, sizes[i - 1][1] % 2)
            up.append(nn.ConvTranspose2d(maps[i], maps[i - 1], 4, 2, 1, output_padding=odd))
            up += [nn.BatchNorm2d(maps[i - 1]), nn.ReLU()] if i > 1 else []
        self.up = nn.Sequential(*up)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,16] -> logits [B,C,H,W]."""
        logits: Tensor = self.up(F.relu(self.start(z)).unflatten(1, self.smallest))
        return logits

    def forward(self, x: Tensor, eps: Tensor) -> Tensor:
        mean, log_variance = self.code(self.down(x * 2 - 1).flatten(1)).chunk(2, 1)
        z = mean + torch.exp(0.5 * log_variance) * eps
        error = F.binary_cross_entropy_with_logits(self.decode(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (error + kl) / len(x)

    def reconstruct(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the same on [-1, 1] from the mean of its code."""
        x = images.float() / 127.5 - 1
        return torch.tanh(0.5 * self.decode(self.code(self.down(x).flatten(1)).chunk(2, 1)[0]))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n new images on [-1, 1]."""
        return torch.tanh(0.5 * self.decode(torch.randn(n, LATENT, generator=generator)))


@dataclass
class Side:
    """A VAE in training. step: goes one step. model: rebuilds and samples. taken: steps so far.
    sampling: a context in which the model has the weights that a run of it is used with."""

    model: Any
    step: Callable[[], object]
    sampling: Callable[[], AbstractContextManager[object]] = nullcontext
    seconds: float = 0.0
    taken: int = 0

    def go(self, until: Callable[[Side], bool]) -> None:
        """Train, by the time of this process."""
        self.model.train()
        while not until(self):
            begin = time.process_time()
            self.step()
            self.seconds += time.process_time() - begin
            self.taken += 1


def plain(dataset: Dataset, seed: int, steps: int) -> Side:
    """The plain one and its loop."""
    torch.manual_seed(seed)
    model = Plain(dataset.spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    images = dataset.train.images
    order: list[Tensor] = []

    def step() -> None:
        if not order:
            order.extend(torch.randperm(len(images)).split(BATCH))
            if len(order) > 1 and len(order[-1]) < BATCH:
                order.pop()
        x = images[order.pop()].float() / 255
        loss = model(x, torch.randn(len(x), LATENT))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Side(model, step)


def ours(dataset: Dataset, seed: int, steps: int, settings: dict[str, Any]) -> Side:
    """The recipe under its trainer, with `settings` in place of its defaults."""
    recipe = recipes.get("vae")
    model: Any = build(recipe, dataset.spec, settings, seed)
    defaults = {k: v for k, v in recipe.training.items() if k not in ("steps", "batch")}
    if settings is FORMER:
        defaults["ema"] = 0.0
    options = TrainOptions(steps=steps, batch=BATCH, device="cpu", seed=seed, **defaults)
    trainer = Trainer(model, TrainingData(dataset.train.images), options)
    return Side(model, trainer.one_step, trainer.sampling_weights)


def settings_of(text: str) -> dict[str, Any]:
    """`net=conv,layers=1` as settings of the recipe."""
    if text in ("default", "former"):
        return FORMER if text == "former" else {}
    results: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        kind = type(recipes.get("vae").defaults()[name])
        results[name] = kind(value)
    return results


@torch.no_grad()
def judged(side: Side, dataset: Dataset, extractor_name: str | None) -> dict[str, Any]:
    """Error of rebuilt held-out pictures by split, and the distance of samples."""
    side.model.eval()
    result: dict[str, Any] = {"steps": side.taken, "seconds": round(side.seconds, 2)}
    errors = []
    for name in ("validation", "test"):
        images = dataset.split(name).images
        rebuilt = torch.cat([side.model.reconstruct(part).float() for part in images.split(256)])
        errors.append(((rebuilt + 1) / 2 - images.float() / 255).square().mean((1, 2, 3)))
        result[name] = errors[-1].mean().item()
    result["mse"] = torch.cat(errors).mean().item()
    if extractor_name:
        samples = features(to_uint8(sampled(side, SAMPLES)), extractor_name)
        result["fid"] = frechet_distance_of_features(samples, known(dataset, extractor_name))
        result["extractor"] = extractor_name
    side.model.train()
    return result


def features(images: Tensor, extractor_name: str) -> Tensor:
    """[N,F] of uint8 images."""
    network = extractor(extractor_name)
    return torch.cat([network(part).pool for part in images.split(256)])


KNOWN: dict[int, tuple[Dataset, Tensor]] = {}


def known(dataset: Dataset, extractor_name: str) -> Tensor:
    """Features of the training pictures, which are the same for all sides and seeds."""
    if id(dataset) not in KNOWN:
        KNOWN.clear()
        KNOWN[id(dataset)] = dataset, features(dataset.train.images, extractor_name)
    return KNOWN[id(dataset)][1]


@torch.no_grad()
def sampled(side: Side, n: int) -> Tensor:
    """n samples on [-1, 1], the same draws whenever it is asked."""
    generator = torch.Generator().manual_seed(0)
    side.model.eval()
    result: Tensor = side.model.sample(n, generator=generator)
    side.model.train()
    return result


def contest(
    source: str,
    dataset: Dataset,
    names: list[str],
    seed: int,
    steps: int,
    extractor_name: str | None,
    out: Path | None,
) -> list[dict[str, Any]]:
    """Every side on one data set; the plain one first, whose seconds the others have."""
    rows = []
    images = dataset.validation.images
    shown = images[:: max(1, len(images) // SHOWN)][:SHOWN]
    pictures = [[shown], [dataset.train.images[:: len(dataset.train.images) // SHOWN][:SHOWN]]]
    allowed = 0.0
    for name in names:
        if name == "plain":
            side = plain(dataset, seed, steps)
        else:
            side = ours(dataset, seed, steps, settings_of(name))
        results: dict[str, Any] = {}
        for stage, until in stages(steps, allowed, side):
            side.go(until)
            with side.sampling():
                results[stage] = judged(side, dataset, extractor_name)
                if stage == "steps":
                    pictures[0].append(rebuilt_row(side, shown))
                    samples = sampled(side, KEPT)
                    pictures[1].append(samples[:SHOWN])
            if stage == "steps" and out is not None:
                stem = f"{Path(source).name}-{dataset.spec.height}-{seed}"
                np.save(out / f"{stem}-{name}.npy", to_uint8(samples).numpy())
        if name == "plain":
            allowed, results["seconds"] = side.seconds, results["steps"]
        sizes = sum(p.numel() for p in side.model.parameters())
        row = {
            "data": source,
            "size": list(dataset.spec.shape),
            "seed": seed,
            "side": name,
            "parameters": sizes,
            "equal_steps": results["steps"],
            "equal_seconds": results.get("seconds"),
        }
        rows.append(row)
        print(line(row), flush=True)
    if out is not None:
        stem = f"{Path(source).name}-{dataset.spec.height}-{seed}"
        for kind, rows_of in zip(("rebuilt", "samples"), pictures):
            save_png(out / f"{stem}-{kind}.png", grid(rows_of, SHOWN))
    return rows


def stages(steps: int, allowed: float, side: Side) -> Iterator[tuple[str, Callable[[Side], bool]]]:
    """Up to where a side is trained before it is judged, the nearer one first; allowed: seconds."""
    yield "seconds" if allowed else "steps", lambda s: s.taken >= steps or 0 < allowed <= s.seconds
    if allowed and side.taken < steps:
        yield "steps", lambda s: s.taken >= steps
    elif allowed:  # the steps were done first: on from there
        yield "steps", lambda s: True
        yield "seconds", lambda s: s.seconds >= allowed


@torch.no_grad()
def rebuilt_row(side: Side, images: Tensor) -> Tensor:
    side.model.eval()
    rebuilt: Tensor = side.model.reconstruct(images)
    side.model.train()
    return rebuilt


def line(row: dict[str, Any]) -> str:
    """A row for the eye."""

    def part(result: dict[str, Any] | None) -> str:
        if result is None:
            return ""
        fid = f" fid {result['fid']:7.3f}" if "fid" in result else ""
        return f"{result['mse']:.4f}{fid} ({result['steps']:5d} steps, {result['seconds']:6.1f} s)"

    where = f"{Path(row['data']).name} {row['size'][1]} px, seed {row['seed']}"
    steps, seconds = part(row["equal_steps"]), part(row["equal_seconds"])
    return f"{where:26} {row['side']:34} steps: {steps}   seconds: {seconds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="folders of pictures, or names of data sets")
    parser.add_argument("--size", default="32", help="one or several: 32,64")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--sides", nargs="+", default=["plain", "former", "default"])
    parser.add_argument("--extractor", help="score samples too")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    allocator.keep_memory()
    torch.set_num_threads(1)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for source in args.data:
        for size in args.size.split(","):
            dataset = data.load(source, DataOptions(size=size), progress=False)
            for seed in map(int, args.seeds.split(",")):
                each = contest(
                    source, dataset, args.sides, seed, args.steps, args.extractor, args.out
                )
                rows += [{**row, "data": Path(source).name} for row in each]
                if args.out is not None:
                    text = json.dumps(rows, indent=1)
                    (args.out / "figures.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
