"""What the training doctor says of a run, kept until its log has grown."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import genarium
from genarium.errors import UserError


class Diagnoses:
    """The notes on runs: what was noted in training at once, and what was measured when asked."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> dict[str, Any] | None:
        """What the training noted; what was measured since its log grew last stays. None where
        there is no log."""
        try:
            stamp = (path / "metrics.jsonl").stat().st_mtime
        except OSError:
            return None
        with self._lock:
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = (stamp, _said(path, measure=False))
            return known[1]

    def measured(self, path: Path, run: genarium.Trained) -> dict[str, Any]:
        """What a look at the model and its data says."""
        made = _said(run, measure=True)
        stamp = (path / "metrics.jsonl").stat().st_mtime
        with self._lock:
            self._known[path] = (stamp, made)
        return made


def _said(run: Path | genarium.Trained, *, measure: bool) -> dict[str, Any]:
    try:
        made = genarium.diagnose(run, measure=measure).to_dict()
    except UserError as error:
        if measure:
            raise
        return {"problem": str(error), "diagnoses": [], "passed": [], "measured": False}
    notes = {key: made[key] for key in ("diagnoses", "passed")}
    return {**notes, "problem": "", "readings": len(made["readings"]), "measured": measure}
