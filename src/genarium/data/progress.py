"""Progress where somebody watches: a bar on a terminal's stderr, or in a notebook's output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from genarium import notebook

Tell = Callable[[str, float, float | None], None]
"""Called with what is done, how much of it, and of how much (None where nobody knows)."""


@contextmanager
def bar(
    label: str, total: int, enabled: bool, *, size: bool = False
) -> Iterator[Callable[[float], None]]:
    """Gives a function to call with the amount done since the last call.

    total: items, or bytes when `size` is true. Silent unless `enabled` and somebody watches.
    """
    with stages(enabled, size=size) as tell:
        amount = 0.0

        def advance(done: float) -> None:
            nonlocal amount
            amount += done
            tell(label, amount, total)

        tell(label, 0, total)
        yield advance


@contextmanager
def stages(enabled: bool, *, size: bool = False) -> Iterator[Tell]:
    """One bar for work of several parts; gives the function that says how far it is."""
    if enabled and notebook.running():
        yield from _in_notebook()
    elif enabled and sys.stderr is not None and sys.stderr.isatty():
        yield from _on_terminal(size)
    else:
        yield lambda what, done, total: None


def _in_notebook() -> Iterator[Tell]:
    shown = notebook.Bar("")

    def tell(what: str, done: float, total: float | None) -> None:
        if what != shown.name:
            shown.start(what)
        shown.update(done / total if total else None)

    try:
        yield tell
    finally:
        shown.close(keep=False)


def _on_terminal(size: bool) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if size else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str, done: float, total: float | None) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield tell
