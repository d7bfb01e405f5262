"""From a folder of pictures to scores, on three real sets: the commands of docs/pictures.md.

    python tools/picture_sets.py SETS --stamps FILE.deb --scikit-image FILE.whl
    python tools/campaigns/own_pictures.py SETS OUT [--sets stamps emoji grey] [--scale 1]

For each set, at 64 pixels: a contact sheet, a VAE and a FastGAN, reconstructions, samples, scores
of both, the page that compares them. Each command is printed with its processor seconds (of the
command alone); OUT/SET holds the pictures, runs, and `figures.json`. --scale multiplies the
numbers of steps. About seven minutes of one core a set. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VAE_STEPS, GAN_STEPS = 1500, 1500


def course(data: Path, place: Path, scale: float) -> list[tuple[str, list[str], Path]]:
    """Name, command and result of each step."""
    vae, gan = place / "vae", place / "fast-gan"
    several = [str(vae), str(gan)]
    return [
        ("show", ["show", str(data), "--out", str(place / "sheet.png")], place / "sheet.png"),
        (
            "vae",
            [
                *("train", "vae", "--data", str(data), "--size", "64", "--out", str(vae)),
                *("--steps", str(round(VAE_STEPS * scale)), "--keep-best"),
            ],
            vae,
        ),
        (
            "fast-gan",
            [
                *("train", "fast-gan", "--data", str(data), "--size", "64", "--out", str(gan)),
                *("--steps", str(round(GAN_STEPS * scale))),
            ],
            gan,
        ),
        (
            "reconstruct",
            ["reconstruct", str(vae), "--out", str(place / "reconstructions.png")],
            place / "reconstructions.png",
        ),
        *(
            (
                f"sample {run.name}",
                ["sample", str(run), "-n", "32", "--out", str(place / f"{run.name}.png")],
                place / f"{run.name}.png",
            )
            for run in (vae, gan)
        ),
        (
            "compare",
            [
                *("compare", *several, "--reference", "train+test"),
                *("--out", str(place / "compare.html")),
            ],
            place / "compare.html",
        ),
    ]


def run(words: list[str]) -> float:
    """Run one command; its processor seconds."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "genarium", *words], check=True)
    after = os.times()
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, help="what tools/picture_sets.py made")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", dest="names", nargs="+", default=["stamps", "emoji", "grey"])
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    for name in args.names:
        place = args.out / name
        place.mkdir(parents=True, exist_ok=True)
        record = place / "figures.json"
        figures: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
        for step, words, result in course(args.sets / name, place, args.scale):
            if result.exists():
                continue
            print(f"{time.strftime('%H:%M:%S')}  genarium {' '.join(words)}", flush=True)
            figures[step] = {"command": words, "seconds": round(run(words), 1)}
            record.write_text(json.dumps(figures, indent=1))
            print(f"{name}: {step}: {figures[step]['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
