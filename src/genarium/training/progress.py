"""Live progress of a run: a bar on a terminal or in a notebook, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from genarium import notebook
from genarium.notebook import clock


class Progress(Protocol):
    """Called at each step; `row` is given when one was just written to the log."""

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Says nothing."""

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Steady:
    """Another progress until its output fails (a closed terminal, a killed `tee`, a full disk).

    It is silent from then on: training never depends on who watches.
    """

    def __init__(self, progress: Progress):
        self._progress: Progress = progress

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None:
        with self._lasting():
            self._progress.update(step, budget_used, rate, row)

    def note(self, text: str) -> None:
        with self._lasting():
            self._progress.note(text)

    def close(self) -> None:
        with self._lasting():
            self._progress.close()

    @contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._progress = Silent()
        except ValueError:
            if sys.stderr is not None and not sys.stderr.closed:
                raise
            self._progress = Silent()


def describe(row: dict[str, Any]) -> str:
    """The losses of a row in short: `generator/loss 0.71`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in row.get("losses", {}).items())


class Lines:
    """A line every `every` seconds, for logs and pipes."""

    def __init__(self, name: str, every: float = 15.0):
        self.name, self.every = name, every
        self.start = time.monotonic()
        self.last = self.start
        self.first_used: float | None = None
        self.losses = ""

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None:
        if row:
            self.losses = describe(row)
        if self.first_used is None:
            self.first_used = budget_used
        now = time.monotonic()
        if now - self.last < self.every:
            return
        self.last = now
        gained = budget_used - self.first_used
        left = (now - self.start) * (1 - budget_used) / gained if gained > 0 else 0.0
        print(
            f"{self.name}  step {step}  {100 * budget_used:.0f} %  {rate:.0f} images/s  "
            f"{clock(left)} left  {self.losses}",
            file=sys.stderr,
            flush=True,
        )

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None: ...


class Bar:
    """A live bar for a terminal."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._bar.start()
        self._task = self._bar.add_task(name, total=1.0, text="")
        self._losses = ""

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None:
        if row:
            self._losses = describe(row)
        text = f"step {step}  {rate:.0f} images/s  {self._losses}"
        self._bar.update(self._task, completed=budget_used, text=text)

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False)

    def close(self) -> None:
        self._bar.stop()


class InNotebook:
    """A live bar in the output of a notebook's cell; it stays, with the last losses."""

    def __init__(self, name: str) -> None:
        self._bar = notebook.Bar(name)
        self._losses = ""

    def update(self, step: int, share: float, rate: float, row: dict[str, Any] | None) -> None:
        if row:
            self._losses = describe(row)
        speed = f"  {rate:.0f} images/s" if rate else ""  # the last call has none
        self._bar.update(share, f"step {step}{speed}  {self._losses}")

    def note(self, text: str) -> None:
        self._bar.note(text)

    def close(self) -> None:
        self._bar.close()


def live(name: str) -> Progress:
    """A bar in a notebook and on a terminal, else lines; nothing where there is no stderr."""
    if notebook.running():
        return InNotebook(name)
    if sys.stderr is None or sys.stderr.closed:
        return Silent()
    return Bar(name) if sys.stderr.isatty() else Lines(name)
