"""What the training doctor says of a run, where the library has one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from genarium import verbs
from genarium.errors import UserError

log = logging.getLogger("genarium.studio")

VERB = "diagnose"


class Diagnoses:
    """The notes on runs, made anew when their log has grown, in a thread of their own."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[float, dict[str, Any] | None]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> dict[str, Any] | None:
        """{"text", "facts"} of the newest notes; None where there are none (yet)."""
        if VERB not in verbs.catalogue():
            return None
        try:
            stamp = (path / "metrics.jsonl").stat().st_mtime
        except OSError:
            return None
        with self._lock:
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                self._known[path] = (stamp, known[1] if known else None)
                threading.Thread(target=self._make, args=(path, stamp), daemon=True).start()
            return self._known[path][1]

    def _make(self, path: Path, stamp: float) -> None:
        try:
            made = verbs.catalogue()[VERB].call()(path)
            notes: dict[str, Any] = {"text": made.text(), "facts": made.to_dict()}
        except UserError as error:
            notes = {"text": str(error), "facts": {}}
        with self._lock:
            self._known[path] = (stamp, notes)
