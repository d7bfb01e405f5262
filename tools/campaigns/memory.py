"""Does memory stay flat, however large the data are?

    python tools/campaigns/memory.py                          # 100,000 pictures, 8 GiB: an hour
    python tools/campaigns/memory.py --images 10000 --gib 1   # minutes
    python tools/campaigns/memory.py --only array             # files or array
    python tools/campaigns/memory.py --side 32 --verbs train evaluate    # of what the cache holds

Two sets are made in a temporary folder (--folder): pictures of 64 pixels in class folders, and one
.npy of 12 bits in 16, [N,1,128,128], written a block at a time. Each is prepared, trained on for a
few steps and evaluated, every verb in a process of its own, and also at a quarter of the size. The
table has, of each process, in MiB:

    peak     largest resident set: `ru_maxrss` of the finished child
    own      of that, the largest amount that is no file's: RssAnon, looked at 20 times a second.
             Pages of a mapped file count as resident as long as nobody else needs the memory
    cpu      seconds

Exit status 1 if `own` grows by more than --allowed bytes an image from the first of --shares to the
last, less --slack MiB, which two runs of the same differ by.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

PICTURE, ARRAY = 64, 128  # sides; the networks see 32
TOP = 4096
BLOCK = 1 << 24  # bytes that are written together
PERIOD = 0.05  # seconds
MEBI = 1 << 20
VERBS = ("prepare", "train", "evaluate")


class Peak(NamedTuple):
    """Of one process, MiB and seconds."""

    peak: float
    own: float
    cpu: float


def pictures(folder: Path, count: int, side: int = PICTURE) -> None:
    """Grey pictures of smooth shapes, no two alike, in ten class folders."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[0:side, 0:side] / side
    for number in range(count):
        home = folder / f"class{number % 10}"
        if number < 10:
            home.mkdir(parents=True)
        a, b, c, d = draw.random(4)
        image = 127.5 + 127.5 * np.sin(9 * a * x + 9 * b * y + 6 * c) * np.cos(7 * d * x * y)
        Image.fromarray(image.astype(np.uint8)).save(home / f"{number}.png", compress_level=1)


def array(path: Path, size: int, side: int = ARRAY) -> int:
    """A .npy of about `size` bytes; gives the number of its images."""
    each = 2 * side * side
    count = size // each
    draw = np.random.default_rng(1)
    ramp = np.linspace(0, 1, side * side, dtype=np.float32).reshape(side, side)
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(
            out,
            {"descr": "<u2", "fortran_order": False, "shape": (count, 1, side, side)},
        )
        step = BLOCK // each
        for start in range(0, count, step):
            n = min(step, count - start)
            slope = draw.random((n, 1, 1), np.float32)
            out.write(((ramp * slope + draw.random((n, 1, 1), np.float32)) % 1 * TOP).astype("<u2"))
    return count


def measured(command: list[str], folder: Path) -> Peak:
    """Run a command of genarium; SystemExit with its words where it fails."""
    environment = {
        **os.environ,
        "GENARIUM_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
    }
    with (folder / "log.txt").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "genarium", *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        own = pid = 0
        while not pid:
            own = max(own, anonymous(child.pid))
            time.sleep(PERIOD)
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        words = (folder / "log.txt").read_text()[-800:]
        raise SystemExit(f"genarium {' '.join(command)} ended with {child.returncode}: {words}")
    return Peak(used.ru_maxrss * 1024 / MEBI, own / MEBI, used.ru_utime + used.ru_stime)


def anonymous(process: int) -> int:
    """Bytes of a process that are no file's; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)


def verbs(source: str, out: str) -> dict[str, list[str]]:
    """The commands that are measured, by name."""
    train = ["train", "vae", "--data", source, "--out", out, "--steps", "20", "--batch", "64"]
    return {
        "prepare": ["data", "prepare", source],
        "train": [*train, "--size", "32", "--threads", "1", "--device", "cpu"],
        "evaluate": ["evaluate", out, "-n", "500", "--extractor", "pixels", "--device", "cpu"],
    }


def run(
    kind: str, count: int, size: int, home: Path, side: int, wanted: list[str]
) -> tuple[int, dict[str, Peak]]:
    """Make one set, measure the verbs on it, remove it; (images, peaks)."""
    folder = Path(tempfile.mkdtemp(dir=home))
    try:
        if kind == "files":
            pictures(folder / "set", count)
            source = "set"
        else:
            count = array(folder / "set.npy", size, side)
            source = "set.npy"
        return count, {
            name: measured(command, folder)
            for name, command in verbs(source, "run").items()
            if name in wanted
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """The table, on stdout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--gib", type=float, default=8.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--only", choices=("files", "array"))
    parser.add_argument("--side", type=int, default=ARRAY, help="of the array's images")
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=VERBS, metavar="VERB")
    parser.add_argument("--allowed", type=float, default=2500, help="bytes an image")
    parser.add_argument("--slack", type=float, default=60, help="MiB")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 1.0], help="of the size")
    asked = parser.parse_args()
    bad = []
    print(f"{'set':32} {'verb':9} {'peak':>7} {'own':>7} {'cpu':>7}")
    for kind in ("files", "array") if asked.only is None else (asked.only,):
        results = []
        for share in asked.shares:
            size = int(asked.gib * share * (1 << 30))
            count, peaks = run(
                kind, int(asked.images * share), size, asked.folder, asked.side, asked.verbs
            )
            results.append((count, peaks))
            of = f", {size / (1 << 30):.2g} GiB" if kind == "array" else ""
            for name, peak in peaks.items():
                label = f"{kind}: {count:,} images{of}"
                print(f"{label:32} {name:9} {peak.peak:7.0f} {peak.own:7.0f} {peak.cpu:7.1f}")
                sys.stdout.flush()
        (fewer, small), (more, large) = results[0], results[-1]
        for name in small if more > fewer else ():
            grown = (large[name].own - small[name].own - asked.slack) * MEBI / (more - fewer)
            if grown > asked.allowed:
                bad.append(f"{kind} {name}: {grown:.0f} bytes an image more")
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
