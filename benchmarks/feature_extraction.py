"""Features of pictures: an extractor against the same module run plainly, side by side.

    python benchmarks/feature_extraction.py [--network inception] [--weights PATH] [--images 64]
    python benchmarks/feature_extraction.py --network efficientnet --images 512 --batch 32

plain       the module as it is published: fp32, NCHW, batch normalisation apart, no gradients, and
            the allocator as it is
plain, kept the same, with glibc told to keep its memory, as the `genarium` command does
extractor   channels last, inference mode, memory kept. Of Inception: normalisation folded, 1x1
            convolutions joined and moved before the average pools. Of EfficientNet-Lite0, which
            ships folded: pictures and filters turned, so that nothing is padded by a copy, and
            its own batch

All take the same uint8 images, resize included. Each way has its own process, as an allocator
cannot be told twice, which first runs one batch untimed; the rounds alternate, and a ratio is that
of one round. Without --weights those of Inception are random, which changes no speed. The floor is
the arithmetic of the convolutions at the rate of matrix products here, and the bytes that the
layers of EfficientNet write and read again.

--bf16 adds the extractor under autocast, and what that does to a Fréchet distance between two
halves of the images. Meaningful with real weights only, and fast only on hardware with bf16
matrix units; no score uses it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from _floor import memory_rate, product_rate
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from genarium.data import DataOptions, load, pretrained
from genarium.evaluation.extractors import efficientnet, inception
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.efficientnet import EfficientNetLite0, Same
from genarium.evaluation.extractors.inception import Inception
from genarium.evaluation.extractors.inception_folded import fold
from genarium.evaluation.extractors.inception_weights import read
from genarium.evaluation.metrics.frechet import frechet_distance_of_features
from genarium.training.allocator import keep_memory

WAYS = ("plain", "plain, kept", "extractor", "extractor, bf16")


def network(weights: str | None) -> Inception:
    """The module with its weights, or with random ones that keep the activations near one."""
    torch.manual_seed(0)
    made = Inception().eval()
    if weights is not None:
        path = pretrained.locate(weights)
        pretrained.fit(made, read(path), path)
        return made
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return made


def pictures(count: int) -> Tensor:
    """uint8 [N,3,32,32] that are no noise."""
    return load("digits", DataOptions(channels=3, size=32)).test.images[:count]


def floor(args: argparse.Namespace) -> str:
    """The least seconds an image, in words."""
    sides = Way(args)
    x = sides.prepare(pictures(1))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sides.ours(x)
    numbers = 0

    def count(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal numbers
        numbers += output.numel()

    for module in sides.ours.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        sides.ours(x)
    torch.set_num_threads(args.threads)
    flops, rate, memory = counter.get_total_flops(), product_rate(torch.float32), memory_rate()
    return (
        f"floor: {flops / 1e6:.0f} MFLOP an image, {rate / flops:.0f} images/s at "
        f"{rate / 1e9:.0f} GFLOP/s; maps written once and read once, {8 * numbers / 1e6:.1f} MB, "
        f"{memory / (8 * numbers):.0f} images/s at {memory / 1e9:.0f} GB/s (less in the cache)"
    )


class Apart(nn.Module):
    """A convolution without a bias and its batch normalisation, which together are `conv`."""

    def __init__(self, conv: Same):
        super().__init__()
        assert conv.bias is not None
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)
        self.norm.bias.data.copy_(conv.bias)
        self.norm.running_var.fill_(1 - self.norm.eps)  # type: ignore[union-attr,operator]
        conv.bias = None

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.conv(x))
        return result


def lite() -> EfficientNetLite0:
    """EfficientNet-Lite0 with the shipped weights and its normalisation apart, as published."""
    made, turned = EfficientNetLite0(), extractor("efficientnet-lite0").network
    for name, module in list(made.named_modules()):
        if isinstance(module, Same):
            theirs = turned.get_submodule(name)
            module.weight.data.copy_(theirs.weight.flip(2, 3))  # type: ignore[operator,union-attr]
            module.bias.data.copy_(theirs.bias)  # type: ignore[union-attr,arg-type]
            made.set_submodule(name, Apart(module))
    return made.eval()


class Way:
    """What is measured: a plain module and the extractor's, and their preparation."""

    def __init__(self, args: argparse.Namespace):
        if args.network == "inception":
            self.plain: nn.Module = network(args.weights)
            assert isinstance(self.plain, Inception)
            self.ours: nn.Module = fold(self.plain)
            self.prepare, self.batch = inception.prepare, args.batch
        else:
            shipped = extractor("efficientnet-lite0")
            self.plain, self.ours = lite(), shipped.network
            self.prepare, self.batch = efficientnet.prepare, shipped.batch


def measure(args: argparse.Namespace) -> None:
    """One way in this process: writes features [N,D] and the seconds that they took."""
    way = args.way
    if way != "plain":
        keep_memory()
    torch.set_num_threads(args.threads)
    images = pictures(args.images)
    sides = Way(args)
    batch = args.batch if way.startswith("plain") else sides.batch
    bf16 = torch.autocast("cpu", torch.bfloat16)

    def run(part: Tensor) -> Tensor:
        if way.startswith("plain"):
            with torch.no_grad():
                pool: Tensor = sides.plain(sides.prepare(part).contiguous())[0]
                return pool
        with torch.inference_mode(), bf16 if way.endswith("bf16") else contextlib.nullcontext():
            pool = sides.ours(sides.prepare(part))[0]
            return pool.float()

    run(images[:batch])
    start = time.perf_counter()
    pool = torch.cat([run(part) for part in images.split(batch)])
    seconds = torch.tensor(time.perf_counter() - start, dtype=torch.float64)
    save_file({"pool": pool, "seconds": seconds}, args.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=("inception", "efficientnet"), default="inception")
    parser.add_argument("--weights")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args)
        return
    ways = WAYS if args.bf16 else WAYS[:3]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    pools: dict[str, Tensor] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "found.safetensors")
        for _ in range(args.rounds):
            for way in ways:
                again = [sys.executable, *sys.argv, "--way", way, "--out", out]
                subprocess.run(again, check=True)
                result = load_file(out)
                pools[way] = result["pool"].double()
                seconds[way].append(result["seconds"].item())
    print(
        f"{args.network}, {len(pools['plain'])} digits of 32x32x3 in batches of {args.batch}, "
        f"{args.threads} threads, medians of {args.rounds} rounds; difference: the largest of a "
        "feature, relative to the largest feature"
    )
    for way, times in seconds.items():
        off = (pools[way] - pools["plain"]).abs().max() / pools["plain"].abs().max()
        ratio = statistics.median(a / b for a, b in zip(seconds["plain"], times))
        rate = args.images / statistics.median(times)
        print(f"{way:16}{rate:8.2f} images/s {ratio:7.2f} times plain   difference {off:.1e}")
    print(floor(args))
    if args.bf16:
        exact, low = (
            frechet_distance_of_features(*pools[way].chunk(2))
            for way in ("extractor", "extractor, bf16")
        )
        print(
            f"Fréchet distance of the halves: {exact:.6g}, bf16 {low:.6g} ({low / exact - 1:+.2%})"
        )


if __name__ == "__main__":
    main()
