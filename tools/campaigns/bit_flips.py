"""One flipped bit in a run folder: loaded unchanged, reported or fallen back from, never silent.

    python tools/campaigns/bit_flips.py [--flips N] [--seed S]

Each flip goes into a fresh copy of a small run, file after file in turn, half of those in
safetensors into the header. The copy is loaded (samples, step, rows of the log) and resumed for two
steps (weights). Prints the figures; exit status 1 if a flip was silent or ended in a traceback.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

import genarium
from genarium.errors import RunError, UserError

SETTINGS = {
    **{"net": "dense", "hidden": 32, "latent": 4, "batch": 4, "steps": 6, "log_every": 2},
    **{"checkpoint_every": 2, "ema": 0.9, "precision": "fp32", "device": "cpu"},
}


def loaded(run: Path) -> object:
    """What a user of the run sees of it."""
    result = genarium.load(run)
    sample = hashlib.sha256(result.sample(4, seed=0).numpy().tobytes()).hexdigest()
    about = {k: v for k, v in result.about.items() if k != "versions"}
    return sample, result.step, result.history(), result.config, about


def resumed(run: Path) -> object:
    """The weights after two further steps."""
    result = genarium.resume(run, steps=SETTINGS["steps"] + 2)
    folder = result.path / "checkpoints" / f"{result.step:08d}"
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.s*s"))]


def outcome(use: Callable[[Path], object], run: Path, expected: object) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = use(run)
        except (UserError, RunError):
            return "reported"
        except BaseException:  # noqa: BLE001 -- that is what is looked for
            traceback.print_exc()
            return "TRACEBACK"
    if any("left out" in str(w.message) for w in said):
        return "fallen back from"
    return "unchanged" if result == expected else "SILENT"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--flips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("GENARIUM_CACHE", str(Path(folder, "cache")))
        run, copy = Path(folder, "run"), Path(folder, "copy")
        genarium.train("vae", "digits", out=run, **SETTINGS)
        files = sorted(p for p in run.rglob("*") if p.is_file() and p.stat().st_size)
        uses = {"load": loaded, "resume": resumed}
        expected = {}
        for name, use in uses.items():
            shutil.copytree(run, copy)
            expected[name] = use(copy)
            shutil.rmtree(copy)
        tally: collections.Counter[tuple[str, str]] = collections.Counter()
        wrong = []
        for number in range(asked.flips):
            file = files[number % len(files)]
            size = file.stat().st_size
            if file.suffix == ".safetensors" and draw.random() < 0.5:
                size = min(size, 1200)
            at, bit = draw.randrange(size), draw.randrange(8)
            for name, use in uses.items():
                shutil.copytree(run, copy)
                content = bytearray(file.read_bytes())
                content[at] ^= 1 << bit
                (copy / file.relative_to(run)).write_bytes(content)
                result = outcome(use, copy, expected[name])
                shutil.rmtree(copy)
                tally[name, result] += 1
                if result.isupper():
                    wrong.append(f"{name}: {file.relative_to(run)} byte {at} bit {bit}: {result}")
    for (name, result), count in sorted(tally.items()):
        print(f"{name:7} {result:17} {count}")
    print("\n".join([*wrong, f"{asked.flips} flips, {len(wrong)} silent or in a traceback"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
