"""Kills in saves: SIGKILL at each file operation of a save and at random moments; is any run lost?

    python tools/campaigns/kills.py [--points N] [--random N] [--seed S]

A child saves checkpoints with `keep=1`, of one step again and again or of a new step each time,
and is killed; so is one that makes a run folder. What was saved last before the kill, or what was
being saved, must load; the next child goes on from what it finds. Prints the figures; exit status 1
if one was lost.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from genarium.errors import RunError, UserError
from genarium.runs.configuration import Config
from genarium.runs.folder import RunFolder
from genarium.training import checkpoint as checkpoints
from genarium.training.checkpoint import Checkpoint

OPERATIONS = ("open", "os.", "shutil.")
"""Audit events of what changes a disk (and of some that only read, which does no harm)."""


def make(step: int, value: int, size: int) -> Checkpoint:
    weights = {"w": torch.full((size,), float(value))}
    return Checkpoint(step, weights, dict(weights), {"a/w/m": weights["w"]}, {"step": step})


def child(work: Callable[[], None]) -> int:
    """`work` in a forked process: its id."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 -- whatever it is, the child must not go on
            traceback.print_exc()
        os._exit(status)
    return process


def kill_at(point: int) -> None:
    """From now on, kill this process at its file operation number `point`."""
    left = itertools.count()

    def kill(event: str, _: tuple[object, ...]) -> None:
        if event.startswith(OPERATIONS) and next(left) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)


def check(folder: Path, allowed: range, *, quiet: bool = True) -> str | None:
    """What is wrong with what a kill left, None if one of the `allowed` values loads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if quiet else "default")
            checkpoint = checkpoints.load(folder)
    except (UserError, RunError) as error:
        return f"lost: {error}"
    value = int(checkpoint.model["w"][0])
    whole = all(
        bool((t == value).all()) for t in (checkpoint.model["w"], (checkpoint.ema or {})["w"])
    )
    if not whole or value not in allowed:
        return f"{value} is not one of {[*allowed]}"
    return None


def at_points(places: Path, limit: int, repeated: bool) -> tuple[int, list[str]]:
    """Kill at file operation 0, 1, 2, ... of a second save, until one save ends unharmed."""
    lost = []
    for point in itertools.count():
        folder = places / f"point-{repeated}-{point}"
        checkpoints.save(folder, make(1, 1, 8), keep=1)

        def work(folder: Path = folder, point: int = point) -> None:
            kill_at(point)
            checkpoints.save(folder, make(1 if repeated else 2, 2, 8), keep=1)

        status = os.waitstatus_to_exitcode(os.waitpid(child(work), 0)[1])
        if status not in (0, -signal.SIGKILL):
            lost.append(f"operation {point}: the save failed")
        if wrong := check(folder, range(1, 3)):
            lost.append(f"operation {point}, {'same' if repeated else 'new'} step: {wrong}")
        # the next process mends what is there and goes on
        checkpoints.sweep(folder)
        if wrong := check(folder, range(1, 3), quiet=False):
            lost.append(f"operation {point}, after the sweep: {wrong}")
        checkpoints.save(folder, make(2, 3, 8), keep=1)
        names = sorted(p.name for p in folder.iterdir())
        if check(folder, range(3, 4)) or names != ["00000002"]:
            lost.append(f"operation {point}: {names} after the next save")
        shutil.rmtree(folder)
        if status == 0 or point + 1 == limit:
            return point + (status != 0), lost
    raise AssertionError


def at_start(places: Path, limit: int) -> tuple[int, list[str]]:
    """Kill at each file operation of a run's making and of a change of its configuration.

    The same `train --out` must be taken again, or the run be one that `resume` can start.
    """
    lost = []
    known = {"range": "auto"}  # as every run says since it can
    said = {"prior": "learned"}  # what a run that does not say it is taken to have
    old, new = (Config("vae", said, known, training={"steps": steps}) for steps in (1, 2))
    spec = {"height": 1, "width": 1, "channels": 1}
    about = {"name": "none", "manifest": "0" * 64, "spec": spec}
    for point in itertools.count():
        out = places / f"start-{point}"

        def work(out: Path = out, point: int = point) -> None:
            kill_at(point)
            run = RunFolder.create(out, "vae", "none")
            run.describe(old, about, ("yours",), "")
            run.configure(new)

        status = os.waitstatus_to_exitcode(os.waitpid(child(work), 0)[1])
        try:
            if (out / "run.json").exists():
                result = RunFolder.open(out)
                if result.config() not in (old, new) or result.about()["data"] != about:
                    lost.append(f"start, operation {point}: another configuration")
            with RunFolder.create(out, "vae", "none").locked():
                pass
        except UserError as error:
            lost.append(f"start, operation {point}: {error}")
        if status not in (0, -signal.SIGKILL):
            lost.append(f"start, operation {point}: it failed")
        if status == 0 or point + 1 == limit:
            return point + (status != 0), lost
    raise AssertionError


def at_random(places: Path, kills: int, repeated: bool, draw: random.Random) -> list[str]:
    """Kill a child that saves without a pause, after 0 to 60 ms of saving."""
    lost = []
    folder = places / f"random-{repeated}"
    value = 1
    checkpoints.save(folder, make(1, value, 1 << 18), keep=1)
    for kill in range(kills):
        reader, writer = os.pipe()

        def work(first: int = value + 1, writer: int = writer) -> None:
            for number in itertools.count(first):
                os.write(writer, b"s")  # started
                step = 1 if repeated else number
                checkpoints.save(folder, make(step, number, 1 << 18), keep=1)
                os.write(writer, b"d")  # done

        process = child(work)
        os.close(writer)
        received = os.read(reader, 1)
        time.sleep(draw.uniform(0, 0.06))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        while some := os.read(reader, 1 << 16):
            received += some
        os.close(reader)
        done, started = value + received.count(b"d"), value + received.count(b"s")
        if wrong := check(folder, range(done, started + 1)):
            lost.append(f"random kill {kill}, {'same' if repeated else 'new'} step: {wrong}")
            break
        value = int(checkpoints.load(folder).model["w"][0])
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=1000, help="operations at most, each way")
    parser.add_argument("--random", type=int, default=100, help="random kills, half each way")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads that sleep
    draw = random.Random(args.seed)
    kills, lost = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for repeated in (True, False):
            some, wrong = at_points(Path(folder), args.points, repeated)
            kills += some + args.random // 2
            lost += wrong + at_random(Path(folder), args.random // 2, repeated, draw)
        some, wrong = at_start(Path(folder), args.points)
        kills, lost = kills + some, lost + wrong
    print("\n".join([*lost, f"{kills} kills, {len(lost)} lost"]))
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
