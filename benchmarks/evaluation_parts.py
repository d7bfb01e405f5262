"""Seconds and memory of `genarium evaluate IMAGES --against REFERENCE --train TRAIN`, part by part.

    OMP_NUM_THREADS=2 python benchmarks/evaluation_parts.py FOLDER... [--count 10000] [--side 64]
        [--home DIR]

Three sets of as many colour pictures, samples, reference and training images, are cut from those in
the folders: random squares of a third to the whole of their shorter side, brought to one size, half
of them mirrored, grey ones tinted; DIR keeps them for the next time. Then they are scored as the
command does it. A part's seconds are its own, without those of parts within it: an interval asks
the distance again, and that counts as the interval's.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import genarium
from genarium.data import stream
from genarium.data.scan import scan
from genarium.evaluation import evaluate as evaluation
from genarium.evaluation.diagnostics import watch
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.scores import features
from genarium.evaluation.scores.measured import Measured
from genarium.training.allocator import keep_memory

SETS = ("samples", "reference", "train")
METRICS = ("fid", "kid", "precision", "recall", "density", "coverage", "sharpness")
SMALLEST = 1 / 3  # side of a square over the picture's shorter one
PARTS: dict[str, list[tuple[Any, str]]] = {
    "decoding": [(stream.Folder, "_read")],
    "extractor": [(Extractor, "__call__")],
    "digest": [(Measured, "read")],
    "Fréchet distance": [(features, "frechet_distance"), (Measured, "add_features")],
    "KID": [(features, "kid")],
    "precision, recall, density, coverage": [(features, "manifold")],
    "intervals": [
        (features, "frechet_influence"),
        (features, "influence"),
        (features, "_overlap_of_parts"),
    ],
    "copies and repeats": [
        (watch, "copying_finding"),
        (watch, "repeats_finding"),
        (watch, "thumbnails"),
        (watch, "Originals"),
    ],
    "other scores": [(evaluation, "score_all")],
}


class Clock:
    """Seconds of parts that call one another; each has what is spent in it and in no other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._within: list[str] = []
        self._since = time.perf_counter()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._within:
            part = self._within[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Count the calls of owner.name as the part, or as the interval that they are within."""
        call: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(call)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._within.append("intervals" if "intervals" in self._within else part)
            try:
                return call(*args, **kwargs)
            finally:
                self._turn()
                self._within.pop()

        setattr(owner, name, counted)


def squares(folders: list[Path], out: Path, count: int, side: int, seed: int) -> None:
    """Write `count` pictures of side x side, cut from those of the folders."""
    files = [file.path for folder in folders for file in scan(folder).files]
    if not files:
        raise SystemExit(f"{', '.join(map(str, folders))}: no pictures")
    draw = np.random.default_rng(seed)
    out.mkdir(parents=True)
    each = -(-count // len(files))
    number = 0
    for at in draw.permutation(len(files)):
        picture = Image.open(files[at]).convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
        for _ in range(min(each, count - number)):
            size = int(min(picture.size) * draw.uniform(SMALLEST, 1))
            left, top = (int(draw.integers(length - size + 1)) for length in picture.size)
            box = (left, top, left + size, top + size)
            square = picture.resize((side, side), Image.Resampling.BICUBIC, box=box)
            if draw.random() < 0.5:
                square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if not np.ptp(np.asarray(square), axis=2).any():
                square = Image.fromarray(
                    (np.asarray(square) * draw.uniform(0.5, 1, 3)).astype("u1")
                )
            square.save(out / f"{number:06d}.png", compress_level=1)
            number += 1


def make(args: argparse.Namespace, home: Path) -> None:
    """The sets, in a process of its own: its memory is not that of the evaluation."""
    for seed, name in enumerate(SETS):
        if not (home / name).exists():
            command = [sys.executable, __file__, *map(str, args.folders), "--home", str(home)]
            sizes = ["--count", str(args.count), "--side", str(args.side)]
            subprocess.run([*command, *sizes, "--make", f"{seed} {name}"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--metrics", default=",".join(METRICS), help="as of the command")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        seed, name = args.make.split()
        squares(args.folders, args.home / name, args.count, args.side, int(seed))
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch)
        make(args, home)
        keep_memory()
        clock = Clock()
        for part, places in PARTS.items():
            for owner, name in places:
                clock.watch(part, owner, name)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, processor = time.perf_counter(), time.process_time()
        result = genarium.evaluate(
            home / "samples",
            against=home / "reference",
            train=home / "train",
            metrics=args.metrics,
            device="cpu",
        )
        whole, processor = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(result)
    print(
        f"\n{args.count:,} against {args.count:,} pictures of {args.side} px, {args.count:,} for "
        f"training; {torch.get_num_threads()} threads, {os.cpu_count()} processors"
    )
    for part in PARTS:
        seconds = clock.seconds.get(part, 0.0)
        print(f"  {part:<38} {seconds:7.2f} s  {100 * seconds / whole:5.1f} %")
    rest = whole - sum(clock.seconds.values())
    print(f"  {'the rest':<38} {rest:7.2f} s  {100 * rest / whole:5.1f} %")
    print(f"  {'all':<38} {whole:7.2f} s, {processor:.1f} processor seconds")
    print(f"  memory: {peak / 1024:.0f} MiB, {before / 1024:.0f} before")


if __name__ == "__main__":
    main()
