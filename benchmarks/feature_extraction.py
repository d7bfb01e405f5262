"""Inception features: the extractor against the same module run plainly, side by side.

    python benchmarks/feature_extraction.py [--weights PATH] [--images 64] [--rounds 5] [--bf16]

plain       the module as its graph says: fp32, NCHW, batch normalisation apart, no gradients, and
            the allocator as it is
plain, kept the same, with glibc told to keep its memory, as the `genarium` command does
extractor   normalisation folded, 1x1 convolutions joined and moved before the average pools,
            channels last, inference mode; memory kept

All take the same uint8 images in the same batches, resize included. Each way has its own process,
as an allocator cannot be told twice, which first runs one batch untimed; the rounds alternate, and
a ratio is that of one round. Without --weights the weights are random, which changes no speed.

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
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genarium.data import DataOptions, load, pretrained
from genarium.evaluation.extractors.inception import Inception, prepare
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


def measure(args: argparse.Namespace) -> None:
    """One way in this process: writes features [N,2048] and the seconds that they took."""
    way = args.way
    if way != "plain":
        keep_memory()
    torch.set_num_threads(args.threads)
    images = load("digits", DataOptions(channels=3, size=32)).test.images[: args.images]
    plain = network(args.weights)
    folded = fold(plain)
    bf16 = torch.autocast("cpu", torch.bfloat16)

    def run(part: Tensor) -> Tensor:
        if way.startswith("plain"):
            with torch.no_grad():
                return plain(prepare(part).contiguous())[0]
        with torch.inference_mode(), bf16 if way.endswith("bf16") else contextlib.nullcontext():
            return folded(prepare(part))[0].float()

    run(images[: args.batch])
    start = time.perf_counter()
    pool = torch.cat([run(part) for part in images.split(args.batch)])
    seconds = torch.tensor(time.perf_counter() - start, dtype=torch.float64)
    save_file({"pool": pool, "seconds": seconds}, args.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
        f"{len(pools['plain'])} digits of 32x32x3 in batches of {args.batch}, "
        f"{args.threads} threads, medians of {args.rounds} rounds; difference: the largest of a "
        "feature, relative to the largest feature"
    )
    for way, times in seconds.items():
        off = (pools[way] - pools["plain"]).abs().max() / pools["plain"].abs().max()
        ratio = statistics.median(a / b for a, b in zip(seconds["plain"], times))
        rate = args.images / statistics.median(times)
        print(f"{way:16}{rate:8.2f} images/s {ratio:7.2f} times plain   difference {off:.1e}")
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
