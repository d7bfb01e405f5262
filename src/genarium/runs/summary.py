"""What a run says of itself: in a terminal, as JSON, in a notebook."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.drawing.inline import of_png
from genarium.recipes import Recipe

if TYPE_CHECKING:
    from genarium.runs.folder import RunFolder


class Summary:
    """A run as report, dict and notebook view; `genarium.runs.trained.Trained` is one."""

    path: Path
    folder: RunFolder
    recipe: Recipe
    step: int
    capabilities: tuple[str, ...]

    def history(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        raise NotImplementedError

    @property
    def estimate(self) -> dict[str, Any] | None:
        """How long the training was said to take at its start; None where it was too short to say.

        See `genarium.training.pace.Estimate` for its entries; seconds is the whole.
        """
        return next((row for row in self.history() if row.get("event") == "estimate"), None)

    def to_dict(self) -> dict[str, Any]:
        """Where the run is and what it reached, ready for JSON."""
        return {
            "run": str(self.path),
            "recipe": self.recipe.name,
            "step": self.step,
            "capabilities": list(self.capabilities),
            "last": self._last(),
        }

    def facts(self) -> dict[str, Any]:
        """What `--json` prints."""
        return self.to_dict()

    def report(self) -> str:
        """Where the run is, what it reached, and what to type next."""
        steps = [f"genarium evaluate {self.path}"]
        for verb in ("sample", "reconstruct"):
            if verb in self.capabilities:
                steps.insert(0, f"genarium {verb} {self.path}")
                break
        return f"{self._state()}\nnext: " + "   ".join(steps)

    def _last(self) -> dict[str, Any]:
        return next((row for row in reversed(self.history()) if "losses" in row), {})

    def _state(self) -> str:
        losses = "  ".join(f"{k} {v:.4g}" for k, v in self._last().get("losses", {}).items())
        return f"{self.path}: {self.recipe.name} at step {self.step}{self._chosen()}  {losses}"

    def _chosen(self) -> str:
        """Of a run that keeps its best checkpoint: by what, and how far it was trained."""
        rows = self.history()
        score = next(
            (r for r in rows if r.get("event") == "score" and r["step"] == self.step), None
        )
        if score is None or score["best"] != self.step or score["value"] is None:
            return ""
        last = max(row["step"] for row in rows)
        return f" of {last}, the best by {score['name']} {score['value']:.4g} (validation)"

    def _repr_html_(self) -> str:
        can = ", ".join(self.capabilities)
        caption = f"{self._state()}; can {can}"
        grids = sorted(self.folder.samples.glob("*.png"))
        if not grids:
            return f"<p>{html.escape(caption)}</p>"
        return of_png(grids[-1].read_bytes(), caption)
