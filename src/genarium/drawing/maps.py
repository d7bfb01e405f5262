"""Maps of codes: points in the plane, coloured and named by their class.

Shapes: N points · K classes
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

SIDE = 5.0  # inches of a panel


@dataclass(frozen=True)
class Panel:
    """title; places [N,2]; axes: names of x and y, None where they mean nothing (t-SNE)."""

    title: str
    places: Tensor
    axes: tuple[str, str] | None = None


def png(panels: Sequence[Panel], labels: Tensor | None, classes: Sequence[str] = ()) -> bytes:
    """The panels side by side as a PNG file. labels: [N] int64 from 0, or None for one colour.

    The name of a class stands at the median of its points.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIDE * len(panels), SIDE), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        _draw(axes, panel, labels, classes)
    buffer = io.BytesIO()
    # without matplotlib's version, so that the same points give the same bytes
    figure.savefig(buffer, dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Any, panel: Panel, labels: Tensor | None, classes: Sequence[str]) -> None:
    import matplotlib

    places = panel.places.numpy()
    size = float(np.clip(6000 / max(1, len(places)), 2, 20))
    if labels is None:
        axes.scatter(*places.T, s=size, alpha=0.6, linewidths=0)
    else:
        truth = labels.numpy()
        count = max(len(classes), int(truth.max()) + 1)
        name = "tab10" if count <= 10 else "tab20" if count <= 20 else "hsv"
        colours = matplotlib.colormaps[name].resampled(count) if count > 20 else None
        for k in range(count):
            own = places[truth == k]
            if not len(own):
                continue
            colour = colours(k) if colours else matplotlib.colormaps[name](k)
            axes.scatter(*own.T, s=size, alpha=0.7, linewidths=0, color=colour)
            if count <= 20:
                words = classes[k] if k < len(classes) else str(k)
                axes.text(
                    *np.median(own, axis=0),
                    words,
                    ha="center",
                    va="center",
                    fontsize=9,
                    fontweight="bold",
                    bbox={"boxstyle": "round,pad=.2", "fc": "white", "ec": colour, "alpha": 0.85},
                )
    axes.set_title(panel.title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.axes is None:
        axes.set(xticks=[], yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
    else:
        axes.set(xlabel=panel.axes[0], ylabel=panel.axes[1])
