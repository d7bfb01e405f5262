"""Text to image on OpenMoji: what names that were never seen bring out, as a picture.

    OMP_NUM_THREADS=2 python benchmarks/openmoji_text.py [--minutes 60] [--out DIR]
        [--encoder characters|minilm] [--weights DIR]

Trains `text-to-image` on the pictures of OpenMoji (extra `emoji`) and their Unicode names, and
draws 20 names at even steps through the test split, nothing chosen by hand: the picture that
belongs to a name, then four samples. DIR gets the run and `openmoji_text.png`. A run that is there
goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import torch

import genarium
from genarium.contract import to_uint8
from genarium.data.text import text_of
from genarium.runs.trained import Trained

NAMES, EACH = 20, 4
SETTINGS = {"latent": 64, "lr": 5e-4, "beta1": 0.0, "ema": 0.995, "batch": 64}


def trained(args: argparse.Namespace) -> Trained:
    """The run of `--out`, made or gone on with until it has had its minutes."""
    run = args.out / "run"
    if (run / "run.json").exists():
        return genarium.resume(run, minutes=args.minutes, progress=True)
    return genarium.train(
        "text-to-image",
        "openmoji",
        out=run,
        size=str(args.size),
        width=args.width,
        minutes=args.minutes,
        steps=None,
        encoder=args.encoder,
        weights=args.weights,
        interpolation=args.interpolation,
        progress=True,
        **SETTINGS,
    )


def draw(run: Trained, out: Path) -> None:
    """Names of the test split: the picture that each belongs to, then samples."""
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    test = run.dataset().test
    own = torch.linspace(0, len(test) - 1, NAMES).round().long()
    rows = test.extra["captions"][own, 0].repeat_interleave(EACH, 0)
    samples = to_uint8(run.sample(len(rows), condition=rows))
    names = [text_of(row) for row in rows[::EACH].tolist()]
    figure = Figure(figsize=(12, 11), layout="constrained")
    axes = figure.subplots(10, 2).ravel()
    for number, name in enumerate(names):
        shown = torch.cat([test.images[own[number]][None], samples[EACH * number :][:EACH]])
        strip = torch.cat([*shown.permute(0, 2, 3, 1)], 1)
        axes[number].imshow(strip.numpy())
        axes[number].set_title(name.lower(), fontsize=9)
    for place in axes:
        place.set_axis_off()
    figure.savefig(out, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--interpolation", type=float, default=0.25)
    parser.add_argument("--encoder", choices=("characters", "minilm"), default="characters")
    parser.add_argument("--weights", default="")
    parser.add_argument("--out", type=Path, default=Path("openmoji-text"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    run = trained(args)
    draw(run, args.out / "openmoji_text.png")
    data = run.dataset()
    print(f"{len(data.train)} pictures, {data.spec.caption_bytes} bytes a name; step {run.step}")
    print(f"wrote {args.out / 'openmoji_text.png'}")


if __name__ == "__main__":
    main()
