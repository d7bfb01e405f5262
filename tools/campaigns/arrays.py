"""Images that are no pictures of 8 bits, from files to values: the commands of docs/arrays.md.

    pip download --no-deps scikit-image==0.26.0
    python tools/campaigns/arrays.py scikit_image-0.26.0-*.whl OUT [--sets grey12 rgbd stains]

Three sets are made of the photographs in scikit-image's wheel, and each is trained on, sampled and
reconstructed, at 32 pixels:

    grey12    textures as 12 bits: a pixel is the sum of 4x4 grey values, 2 apart; 16-bit TIFFs
    rgbd      a stereo scene as four channels of 16 bits: red, green, blue, depth in mm; TIFFs
    stains    two stains in tissue as floats, optical densities by Beer-Lambert; one HDF5 file

Each command is printed with its processor seconds; OUT/SET holds the data, runs, pictures and
values, and OUT/SET/figures.json what came back. About a minute of one core a set. What is there
already is not made again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
GREY = ("brick", "grass", "gravel", "moon")

FOCAL, BASELINE, OFFSET = 994.978, 193.001, 31.086
"""Of the stereo scene, in pixels, mm and pixels: depth = FOCAL BASELINE / (disparity + OFFSET)."""

STAINS = np.array([[0.65, 0.70, 0.29], [0.27, 0.57, 0.78]])
"""How haematoxylin and DAB absorb red, green and blue, of length 1 (Ruifrok & Johnston 2001)."""


def read(wheel: zipfile.ZipFile, name: str) -> NDArray[Any]:
    data = io.BytesIO(wheel.read(f"skimage/data/{name}"))
    if name.endswith(".npz"):
        return np.asarray(np.load(data)["arr_0"])
    return np.asarray(Image.open(data))


def grey12(wheel: zipfile.ZipFile, out: Path) -> None:
    """Crops 16 apart, a folder a photograph; the right fifth of each is the test split."""
    for name in GREY:
        photo = read(wheel, f"{name}.png").astype(np.uint16)
        windows = np.lib.stride_tricks.sliding_window_view(photo, (4, 4))[::2, ::2]
        _crops(windows.sum((2, 3)).astype(np.uint16), out, name, step=16)


def rgbd(wheel: zipfile.ZipFile, out: Path) -> None:
    """Crops of half the resolution, 8 apart; unknown depths are those at their left."""
    disparity = read(wheel, "motorcycle_disp.npz")
    known = np.isfinite(disparity)
    last = np.maximum.accumulate(np.where(known, np.arange(disparity.shape[1]), 0), axis=1)
    disparity = np.take_along_axis(np.where(known, disparity, disparity[known].min()), last, 1)
    depth = FOCAL * BASELINE / (disparity + OFFSET)
    scene = np.dstack([read(wheel, "motorcycle_left.png"), depth])
    height, width = (n // 2 for n in scene.shape[:2])
    half = scene[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 4).mean((1, 3))
    _crops(half.round().astype(np.uint16), out, "", step=8)


def stains(wheel: zipfile.ZipFile, out: Path) -> None:
    """Crops that do not overlap: the amounts of both stains that explain the light which is left,
    -log10(I / 255) = amounts · STAINS, by least squares."""
    import h5py

    light = read(wheel, "ihc.png").astype(np.float64)
    density = -np.log10(np.maximum(light, 1.0) / 255.0)
    amounts = density @ np.linalg.pinv(STAINS)
    tiles = amounts.reshape(512 // SIDE, SIDE, 512 // SIDE, SIDE, 2).transpose(0, 2, 4, 1, 3)
    out.mkdir(parents=True)
    with h5py.File(out / "stains.h5", "w") as file:
        data = file.create_dataset("od", data=tiles.reshape(-1, 2, SIDE, SIDE).astype(np.float32))
        data.attrs["units"] = "OD"


def _crops(image: NDArray[np.uint16], out: Path, name: str, step: int) -> None:
    """Crops of an image as TIFFs in out/train and out/test, which share no pixel."""
    edge = image.shape[1] * 4 // 5
    for split, first, last in (("train", 0, edge), ("test", edge, image.shape[1])):
        folder = out / split / name
        folder.mkdir(parents=True)
        for y in range(0, image.shape[0] - SIDE + 1, step):
            for x in range(first, last - SIDE + 1, step):
                crop = np.ascontiguousarray(image[y : y + SIDE, x : x + SIDE])
                colours = crop.ndim == 3
                tifffile.imwrite(
                    folder / f"{y:03d}-{x:03d}.tif",
                    crop,
                    photometric="minisblack",
                    planarconfig="contig" if colours else None,
                    metadata=None,
                )


SETS = {"grey12": grey12, "rgbd": rgbd, "stains": stains}
READ: dict[str, list[str]] = {
    "grey12": [],
    "rgbd": ["--range", "data,per-channel"],
    "stains": ["--range", "percentile:0.1,99.9,per-channel"],
}
STEPS = {"grey12": 400, "rgbd": 200, "stains": 200}


def course(name: str, place: Path) -> list[tuple[list[str], Path]]:
    """The commands of a set, and what each leaves."""
    data, run = place / "data", place / "vae"
    source = str(data / "stains.h5") if name == "stains" else str(data)
    kept = place / ("samples.npz" if name == "stains" else "samples.tif")
    return [
        (
            ["data", "show", source, *READ[name], "--out", str(place / "data.png")],
            place / "data.png",
        ),
        (
            [
                *("train", "vae", "--data", source, *READ[name], "--show", SHOWN[name]),
                *("--steps", str(STEPS[name]), "--out", str(run)),
            ],
            run,
        ),
        (
            ["sample", str(run), "-n", "32", "--out", str(place / "samples.png")],
            place / "samples.png",
        ),
        (["sample", str(run), "-n", "32", "--out", str(kept)], kept),
        (
            ["reconstruct", str(run), "-n", "8", "--out", str(place / "reconstructions.png")],
            place / "reconstructions.png",
        ),
        (
            ["reconstruct", str(run), "-n", "8", "--out", str(place / "again.npz")],
            place / "again.npz",
        ),
    ]


SHOWN = {"grey12": "0", "rgbd": "each", "stains": "0,1"}


def values(name: str, place: Path) -> dict[str, Any]:
    """What came back: type, shape, ends of each channel."""
    file = place / ("samples.npz" if name == "stains" else "samples.tif")
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            images, about = (
                arrays["images"],
                {k: arrays[k].tolist() for k in arrays if k != "images"},
            )
    else:
        with tifffile.TiffFile(file) as opened:
            images, about = opened.asarray(), json.loads(opened.pages[0].description)
    channels = images[..., None] if images.ndim == 3 else images
    return {
        "file": file.name,
        "type": str(images.dtype),
        "shape": list(images.shape),
        "smallest": channels.min((0, 1, 2)).tolist(),
        "largest": channels.max((0, 1, 2)).tolist(),
        **about,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    for name in args.sets:
        place = args.out / name
        if not (place / "data").exists():
            with zipfile.ZipFile(args.wheel) as wheel:
                SETS[name](wheel, place / "data")
        seconds = {}
        for words, result in course(name, place):
            if result.exists():
                continue
            before = os.times()
            subprocess.run([sys.executable, "-m", "genarium", *words], check=True)
            after = os.times()
            cost = sum(after[2:4]) - sum(before[2:4])
            seconds[" ".join(words[: 1 + (words[0] == "data")]) + f" {result.name}"] = round(
                cost, 1
            )
            print(f"{cost:6.1f} s  genarium {' '.join(words)}", flush=True)
        figures = {"values": values(name, place), "seconds": seconds}
        (place / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(figures["values"]), flush=True)


if __name__ == "__main__":
    main()
