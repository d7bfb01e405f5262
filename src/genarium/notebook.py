"""Progress in a notebook: one line of HTML that is drawn again in its place, without any widget.

Jupyter, JupyterLab, VS Code and Colab show HTML that a kernel sends, and what comes later under
the same display id in its place. Nothing is imported: where a kernel runs, IPython is loaded.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

EVERY = 0.2
"""Seconds between two drawings."""


def running() -> bool:
    """Whether this is the kernel of a notebook."""
    return getattr(_shell(), "kernel", None) is not None


def _shell() -> Any:
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask() if ask is not None else None


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Bar:
    """A bar with a name, a text and the time that is left."""

    def __init__(self, name: str):
        self.notes: list[str] = []
        self._handle: Any = None
        self.start(name)

    def start(self, name: str) -> None:
        """Begin another part in the same place."""
        self.name = name
        self._begin = self._last = time.monotonic()
        self._first: float | None = None
        self._now: tuple[float | None, str] = (None, "")

    def update(self, share: float | None, text: str = "") -> None:
        """share: of the whole that is done, 0 to 1; None where nobody knows."""
        if self._first is None:
            self._first = share
        self._now = share, text
        now = time.monotonic()
        if self._handle is None or now - self._last >= EVERY:
            self._last = now
            self._draw()

    def note(self, text: str) -> None:
        """A line that stays, above the bar."""
        self.notes.append(text)
        self._draw()

    def close(self, keep: bool = True) -> None:
        """Draw it a last time; without `keep` only the notes stay."""
        if self._handle is not None:
            self._draw(bar=keep)

    def _draw(self, bar: bool = True) -> None:
        import html  # large, and help does without

        share, text = self._now
        lines = [html.escape(note) for note in self.notes]
        words = [self.name, "" if share is None else f"{100 * share:.0f} %", text, self._left()]
        said = "  ".join(filter(None, words))
        if bar:
            value = "" if share is None else f' max="1" value="{share:.4f}"'
            drawn = "" if share is None else f'<progress{value} style="width:16em"></progress> '
            lines.append(f'{drawn}<span style="white-space:pre-wrap">{html.escape(said)}</span>')
        shown = {
            "text/html": f"<div>{'<br>'.join(lines)}</div>" if lines else "",
            "text/plain": "\n".join([*self.notes, *([said] if bar else [])]),
        }
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def _left(self) -> str:
        share, _ = self._now
        gained = (share or 0.0) - (self._first or 0.0)
        spent = time.monotonic() - self._begin
        if share is None or gained <= 0 or share >= 1:
            return f"{clock(spent)}" if spent >= 1 else ""
        return f"{clock(spent * (1 - share) / gained)} left"
