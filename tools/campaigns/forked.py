"""Commands in forked children: torch is imported once, each command starts in milliseconds.

The child has the streams, limits and environment that a case names, and a session of its own; the
parent waits for it and reads what it wrote.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """How a command ended. status: negative for a signal. hung: it was killed for its time."""

    status: int
    out: str
    err: str
    seconds: float
    hung: bool

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.err


def warm() -> None:
    """Import what commands import, so that children need not."""
    import accelerate  # noqa: F401
    import pydantic  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch
    import yaml  # noqa: F401

    import genarium.api.resume
    import genarium.api.train
    import genarium.cli
    import genarium.drawing.images
    import genarium.study.create  # noqa: F401

    torch.set_num_threads(1)


def command(
    arguments: Sequence[str],
    *,
    folder: Path,
    scratch: Path,
    env: Mapping[str, str] | None = None,
    streams: Mapping[int, str | None] | None = None,
    memory: int = 0,
    limit: float = 60,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run `genarium ARGUMENTS` in `folder`; scratch: an empty place for the captured streams.

    streams: number -> a path to open instead, None: closed. memory: bytes of address space beyond
    what the parent has, 0: no limit. limit: seconds until it is killed.
    """
    from genarium.cli import main

    paths = {1: str(scratch / "stdout"), 2: str(scratch / "stderr")}
    for path in paths.values():
        Path(path).write_bytes(b"")
    wanted: dict[int, str | None] = {0: os.devnull, **paths, **(streams or {})}
    sys.stdout.flush()
    sys.stderr.flush()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setsid()
            os.chdir(folder)
            os.environ.update(env or {})
            for number, path in wanted.items():
                os.close(number)
                if path is not None:
                    opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY)
                    if opened != number:  # a lower one is free
                        os.dup2(opened, number)
                        os.close(opened)
            sys.stdin = open(0, closefd=False) if wanted[0] else None  # noqa: SIM115
            sys.stdout = open(1, "w", closefd=False) if wanted[1] else None  # noqa: SIM115
            sys.stderr = (
                open(2, "w", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
                if wanted[2]
                else None
            )
            if memory:
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
            if before is not None:
                before()
            status = main(list(arguments))
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
        except BaseException:  # noqa: BLE001 (what the interpreter would do)
            if sys.stderr is not None:
                traceback.print_exc()
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except OSError:  # what the interpreter does at its end
            status = 120
        os._exit(status)
    hung = False
    while True:
        done, state = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begun > limit:
            hung = True
            os.killpg(child, signal.SIGKILL)
            _, state = os.waitpid(child, 0)
            break
        time.sleep(0.002)
    out, err = (Path(paths[n]).read_text(encoding="utf-8", errors="replace") for n in (1, 2))
    return Ended(os.waitstatus_to_exitcode(state), out, err, time.monotonic() - begun, hung)
