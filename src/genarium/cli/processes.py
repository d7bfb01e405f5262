"""`--processes N`: the command starts itself N times, and all of them end together.

`accelerate launch` (1.15) starts one process where there are not several GPUs, whatever it was
asked for, and leaves its processes behind when it is killed; hence this one. Processes that another
launcher started (`torchrun`) are taken as they are.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Annotated

from annotated_types import Ge

from genarium import extras
from genarium.cli.streams import say
from genarium.errors import PeerGone, RunError, UserError
from genarium.signatures import Field, check
from genarium.training import world

if TYPE_CHECKING:
    import subprocess

PROCESSES = Field("verb", "processes", Annotated[int, Ge(1)], None)
GRACE = 20.0  # seconds in which the others may end by themselves after one has failed
LIFELINE = "GENARIUM_LIFELINE"  # the file descriptor that ends when the starting process does
GENARIUM = (sys.executable, "-m", "genarium")
LOST = {-signal.SIGABRT: 1, PeerGone.status: 2}
"""How a process ends that lost another, so that it is named as the cause after all others: with one
line, or aborted by a thread of gloo that met the closed connection before Python did. Either may be
over before the lost one is.
"""
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser, command: Sequence[str]) -> None:
    """The flag; command: the arguments that start this verb again."""
    parser.add_argument(
        PROCESSES.flag,
        metavar="N",
        type=lambda text: check(PROCESSES, text),
        help="train with N processes on this machine, each with a GPU of its own or on the CPU",
    )
    parser.set_defaults(command=[*command])


def is_first() -> bool:
    """Whether this is the process that prints for all."""
    return world.rank() == 0


def several(asked: int | None, command: Sequence[str]) -> int | None:
    """The exit status of a training in several processes; None where this one shall train.

    Called when the command line was found to be good, so that its mistakes are reported once.
    Raises UserError for a launch that is not what was asked for.
    """
    there = world.size()
    if there == 1:
        if asked is None or asked == 1:
            return None
        extras.expect("processes", f"--processes {asked}")
        return launch(asked, command)
    if asked not in (None, there):
        raise UserError(
            f"--processes {asked}: a launcher started {there}: leave --processes out, or start "
            "the command without the launcher"
        )
    _watch()
    return None


def launch(count: int, command: Sequence[str], program: Sequence[str] = GENARIUM) -> int:
    """Run `genarium COMMAND` in `count` processes; the exit status of the first to fail, or 0."""
    import socket  # here, so that help does without
    import subprocess
    import tempfile

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    common = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count)),
        **os.environ,
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    reader, writer = os.pipe()
    workers: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder, _forwarding(workers):
        texts: list[IO[bytes] | None] = [None]
        texts += [open(os.path.join(folder, str(n)), "w+b") for n in range(1, count)]  # noqa: PTH118, PTH123, SIM115
        try:
            for number, text in enumerate(texts):
                workers.append(
                    subprocess.Popen(
                        [*program, *command],
                        env={
                            **common,
                            "RANK": str(number),
                            "LOCAL_RANK": str(number),
                            LIFELINE: str(reader),
                        },
                        pass_fds=(reader,),
                        # signals of the terminal come through this process alone, once
                        process_group=0,
                        stdin=subprocess.DEVNULL,
                        # the others say what the first says
                        stdout=None if number == 0 else subprocess.DEVNULL,
                        stderr=text,
                    )
                )
            failed = _wait(workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
            os.close(reader)
            os.close(writer)
        if not failed:
            return 0
        cause = min(failed, key=lambda number: LOST.get(workers[number].returncode, 0))
        return _explain(cause, workers, texts[cause])


def _wait(workers: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Until all have ended; the numbers of those that failed by themselves, the first first.

    Of several that failed between two looks none is known to be the first, so their order does
    not tell the cause alone.
    """
    failed: list[int] = []
    deadline = float("inf")
    while True:
        statuses = [worker.poll() for worker in workers]
        failed += [n for n, status in enumerate(statuses) if status and n not in failed]
        if None not in statuses or time.monotonic() > deadline:
            return failed  # what is left is killed
        if failed:
            deadline = min(deadline, time.monotonic() + GRACE)
        time.sleep(0.05)


def _explain(
    failed: int, workers: Sequence[subprocess.Popen[bytes]], text: IO[bytes] | None
) -> int:
    """Say why a process failed that could not say it itself; gives its status."""
    status, first = workers[failed].returncode, workers[0].returncode
    name = f"process {failed + 1} of {len(workers)}"
    if status < 0:
        cause = signal.Signals(-status).name
        again = f"`genarium resume RUN{world.flag(len(workers))}`"
        say(
            f"genarium: stopped: {name} was killed by {cause}: go on with {again}; where there is "
            "no RUN yet, give the same command again"
        )
        return 128 - status
    # a mistake or a signal that all have met is reported by the first
    if text is not None and not (status == first and status != 1):
        text.seek(0)
        for line in text.read().decode(errors="replace").splitlines():
            say(f"{name}: {line}")
    return RunError.status if status == PeerGone.status else status


@contextmanager
def _forwarding(workers: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Signals to this process go to each of `workers`, which save and end."""

    def forward(number: int, _frame: object) -> None:
        for worker in workers:
            worker.send_signal(number)

    before = {number: signal.getsignal(number) for number in FORWARDED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch() -> None:
    """End this process when the one that started it is gone: none is left behind."""
    descriptor = os.environ.pop(LIFELINE, None)
    if descriptor is None:
        return

    import threading

    def watch() -> None:
        os.read(int(descriptor), 1)
        os.kill(os.getpid(), signal.SIGTERM)  # saves first
        time.sleep(GRACE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
