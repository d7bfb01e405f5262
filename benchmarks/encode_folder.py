"""How fast `encode` turns a folder of images into a table, beside the bare forward pass.

    python benchmarks/encode_folder.py [--images 10000] [--recipe vae] [--size 28] [--colour]

Writes PNG files of random blobs into a temporary folder, with a cache folder of its own, and times

    bare      the encoder on the same images, in memory, batches of 256
    read      the folder the first time: every file is decoded, checked and cached
    again     the folder as every later time: from the cache, files checked by their times
    encode    read again, encode and build the table (what `genarium encode` prints and does)
    write     the table as .npz

The weights are random: they do not change the time. Ratios are of one run on one machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import genarium
from genarium import data
from genarium.runs.selection import dataset_for


def timed(function: Callable[[], object], rounds: int = 3) -> float:
    """Median seconds of a few calls."""
    results = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        results.append(time.perf_counter() - start)
    return statistics.median(results)


def write_images(folder: Path, count: int, size: int, colour: bool) -> None:
    draw = np.random.default_rng(0)
    for i in range(count):
        coarse = draw.integers(0, 256, (7, 7, 3) if colour else (7, 7), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        path = folder / f"{i % 10}" / f"{i:06d}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        image.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--recipe", default="vae")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--colour", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_images(place / "images", options.images, options.size, options.colour)
        folder = str(place / "images")
        cache = {"cache": str(place / "cache")}
        start = time.perf_counter()
        dataset = data.load(folder, data.DataOptions(**cache), progress=False)
        read = time.perf_counter() - start
        run = genarium.train(
            options.recipe, dataset, out=place / "run", steps=1, batch=16, device="cpu"
        )
        run.config["data"].update(cache)
        images = torch.cat([s.images for s in (dataset.train, dataset.validation, dataset.test)])

        def bare() -> None:
            with torch.no_grad():
                for part in images.split(256):
                    run.model.encode(part)

        bare()
        seconds = timed(bare)
        again = timed(lambda: dataset_for(run, folder))
        table = genarium.encode(run, folder)
        encode = timed(lambda: genarium.encode(run, folder))
        write = timed(lambda: table.save(place / "codes.npz"))
    n = options.images
    print(
        f"{options.recipe}, {n} images of {options.size} pixels, {torch.get_num_threads()} threads"
    )
    print(f"  bare forward pass {n / seconds:10,.0f} images/s")
    for label, spent in (("read, first time", read), ("read again", again)):
        print(f"  {label:<17} {n / spent:10,.0f} images/s")
    whole = encode + write
    print(f"  encode and write  {n / whole:10,.0f} images/s: {whole / seconds:.2f}x the bare pass")
    first = read + whole - again
    print(f"  the same, unread  {n / first:10,.0f} images/s: {first / seconds:.2f}x")


if __name__ == "__main__":
    main()
