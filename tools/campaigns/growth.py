"""Time and memory of verbs as the data grow: does anything grow faster than it must?

    python tools/campaigns/growth.py                                   # 1,000, 10,000, 100,000
    python tools/campaigns/growth.py --images 1000 10000 --picture growth.png

Pictures of 32 pixels in class folders are prepared, a small VAE is trained on them for the same
number of steps whatever their number, evaluated, and its codes clustered and mapped, all of them.
Each verb has a process of its own, measured as `memory.py` measures it. The table has processor
seconds and the largest memory that is no file's (MiB), and between two sizes the power of the
number of images with which the seconds grow, log(b/a) / log(n/m), what the verb takes to start
taken off both. 1 is the least that reading every picture costs; 0 is flat.

Exit status 1 if a power is above --most, where the longer took --least seconds or more.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from pathlib import Path

from memory import Peak, measured, pictures

SIDE = 32
START = {"prepare": 0.25}  # processor seconds of one that loads no torch
STARTS = 1.8  # and of all others


def verbs(count: int) -> dict[str, list[str]]:
    """The commands, by name; train and evaluate do the same work at every size."""
    train = ["train", "vae", "--data", "set", "--out", "run", "--steps", "100", "--batch", "64"]
    quiet = ["--device", "cpu"]
    return {
        "prepare": ["data", "prepare", "set"],
        "train": [*train, "--threads", "1", *quiet],
        "evaluate": ["evaluate", "run", "-n", "500", *quiet],
        "cluster": [
            "cluster",
            "run",
            "-n",
            str(count),
            "--groups",
            "10",
            "--out",
            "c.json",
            *quiet,
        ],
        "map": ["map", "run", "-n", str(count), "--method", "pca", "--out", "m.png", *quiet],
    }


def one_size(count: int, home: Path, wanted: list[str]) -> dict[str, Peak]:
    """Make a set, measure the verbs on it, remove it."""
    folder = Path(tempfile.mkdtemp(dir=home))
    try:
        pictures(folder / "set", count, SIDE)
        commands = verbs(count)
        return {name: measured(commands[name], folder) for name in commands if name in wanted}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def power(sizes: tuple[int, int], seconds: tuple[float, float], start: float) -> float:
    """The power of the number of images with which the seconds beyond the start grow."""
    few, many = (max(value - start, 0.1) for value in seconds)
    return math.log(many / few) / math.log(sizes[1] / sizes[0])


def draw(results: dict[int, dict[str, Peak]], path: Path) -> None:
    """Seconds and memory over the number of images, a line a verb."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for name in next(iter(results.values())):
        counts = [count for count in results if name in results[count]]
        seconds.plot(counts, [results[n][name].cpu for n in counts], "o-", label=name)
        memory.plot(counts, [results[n][name].own for n in counts], "o-", label=name)
    for axes, title in ((seconds, "processor seconds"), (memory, "memory, MiB")):
        axes.set(xscale="log", xlabel="images", title=title)
        axes.grid(alpha=0.3)
    seconds.set_yscale("log")
    memory.set_ylim(bottom=0)
    seconds.legend()
    figure.savefig(path, dpi=110)


def main() -> int:
    """The table, on stdout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--verbs", nargs="+", choices=list(verbs(0)), default=list(verbs(0)))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--picture", type=Path, help="a PNG of both")
    parser.add_argument("--most", type=float, default=1.15, help="power")
    parser.add_argument("--least", type=float, default=5.0, help="seconds")
    asked = parser.parse_args()
    results: dict[int, dict[str, Peak]] = {}
    bad = []
    print(f"{'images':>9} {'verb':9} {'cpu s':>8} {'own MiB':>8} {'power':>6}")
    for count in sorted(asked.images):
        before = max(results, default=0)
        results[count] = one_size(count, asked.folder, asked.verbs)
        for name, peak in results[count].items():
            grown = ""
            if before:
                seconds = (results[before][name].cpu, peak.cpu)
                found = power((before, count), seconds, START.get(name, STARTS))
                grown = f"{found:.2f}"
                if found > asked.most and peak.cpu >= asked.least:
                    bad.append(f"{name}: with the power {found:.2f} from {before:,} to {count:,}")
            print(f"{count:9,} {name:9} {peak.cpu:8.1f} {peak.own:8.0f} {grown:>6}", flush=True)
    if asked.picture:
        draw(results, asked.picture)
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
