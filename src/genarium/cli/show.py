"""What verbs print: texts for people, JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genarium.runs.trained import Trained


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=1, default=str))


def trained(found: Trained, *, as_json: bool) -> None:
    """Where the run is, what it reached, and what to type next."""
    rows = [row for row in found.history() if "losses" in row]
    last = rows[-1] if rows else {}
    if as_json:
        summary = {
            "run": str(found.path),
            "recipe": found.recipe.name,
            "step": found.step,
            "capabilities": list(found.capabilities),
            "last": last,
        }
        print(json.dumps(summary, indent=1))
        return
    losses = "  ".join(f"{k} {v:.4g}" for k, v in last.get("losses", {}).items())
    print(f"{found.path}: {found.recipe.name} at step {found.step}  {losses}")
    steps = []
    if "sample" in found.capabilities:
        steps.append(f"genarium sample {found.path}")
    elif "reconstruct" in found.capabilities:
        steps.append(f"genarium reconstruct {found.path}")
    steps.append(f"genarium evaluate {found.path}")
    print("next: " + "   ".join(steps))


def facts(found: dict[str, Any], indent: str = "") -> None:
    """A JSON-able dict as aligned lines; long values are cut."""
    width = max((len(str(key)) for key in found), default=0)
    for key, value in found.items():
        if isinstance(value, dict) and value:
            print(f"{indent}{key}")
            facts(value, indent + "  ")
            continue
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        if value in ({}, [], ()):
            text = "none"
        print(f"{indent}{key:<{width}}  {text if len(text) <= 300 else text[:297] + '...'}")
