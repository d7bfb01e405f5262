"""Maps of codes: pictures or points in the plane, coloured and named by their class.

Shapes: N points · K classes · C channels · H, W height and width
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from genarium.data.choice import fair
from genarium.drawing.images import as_uint8
from genarium.drawing.placement import spread

SIDE = 5.0  # inches of a panel of points
WIDE = 7.5  # and of one of pictures
DPI = 110
SMALLEST, LARGEST = 24, 60  # pixels of a thumbnail's side
ROOM = 2.5  # thumbnails that would fit, for each that is there, where all get their own place
NAMED = 20  # classes whose names and colours can be told apart


@dataclass(frozen=True)
class Panel:
    """title; places [N,2]; axes: names of x and y, None where they mean nothing (t-SNE)."""

    title: str
    places: Tensor
    axes: tuple[str, str] | None = None


def png(
    panels: Sequence[Panel],
    labels: Tensor | None,
    classes: Sequence[str] = (),
    images: Tensor | None = None,
) -> bytes:
    """The panels side by side as a PNG file. labels: [N] int64 from 0, or None for one colour.

    images: uint8 [N,C,H,W], drawn small instead of the points, as many as find room: at their
    place or moved a little (a line then leads to the point), framed in the colour of the class;
    the others stay points. Without images the name of a class stands at the median of its points.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = SIDE if images is None else WIDE
    figure = Figure(figsize=(side * len(panels), side), layout="constrained", dpi=DPI)
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(every, panels):
        _frame(axes, panel)
        _points(axes, panel, labels, classes, images is None)
    if images is not None:
        _legend(figure, labels, classes)
        FigureCanvasAgg(figure).draw()  # where things are is known only now, and stays so
        figure.set_layout_engine("none")
        for axes, panel in zip(every, panels):
            _thumbnails(axes, panel, labels, classes, as_uint8(images))
    buffer = io.BytesIO()
    # without matplotlib's version, so that the same points give the same bytes
    figure.savefig(buffer, dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _count(labels: Tensor, classes: Sequence[str]) -> int:
    return max(len(classes), int(labels.max()) + 1, 1)


def _colour(k: int, count: int) -> Any:
    """Of class k of `count`; grey for an image whose class is not known."""
    import matplotlib

    if k < 0:
        return (0.5, 0.5, 0.5)
    name = "tab10" if count <= 10 else "tab20" if count <= NAMED else "hsv"
    colours = matplotlib.colormaps[name]
    return (colours.resampled(count) if count > NAMED else colours)(k)


def _name(k: int, classes: Sequence[str]) -> str:
    return classes[k] if 0 <= k < len(classes) else str(k)


def _points(
    axes: Any, panel: Panel, labels: Tensor | None, classes: Sequence[str], names: bool
) -> None:
    places = panel.places.numpy()
    size = float(np.clip(6000 / max(1, len(places)), 2, 20))
    if labels is None:
        axes.scatter(*places.T, s=size, alpha=0.6, linewidths=0)
        return
    truth, count = labels.numpy(), _count(labels, classes)
    for k in range(-1, count):
        own = places[truth == k]
        if not len(own):
            continue
        colour = _colour(k, count)
        axes.scatter(*own.T, s=size, alpha=0.7, linewidths=0, color=colour)
        if names and k >= 0 and count <= NAMED:
            axes.text(
                *np.median(own, axis=0),
                _name(k, classes),
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold",
                bbox={"boxstyle": "round,pad=.2", "fc": "white", "ec": colour, "alpha": 0.85},
            )


def _legend(figure: Any, labels: Tensor | None, classes: Sequence[str]) -> None:
    """The colours of the classes that are there, below the panels."""
    from matplotlib.patches import Patch

    if labels is None or _count(labels, classes) > NAMED:
        return
    count = _count(labels, classes)
    there = [k for k in sorted({*labels.tolist()}) if k >= 0]
    patches = [Patch(color=_colour(k, count), label=_name(k, classes)) for k in there]
    columns = min(len(patches), 4 * len(figure.axes))
    figure.legend(
        handles=patches, loc="outside lower center", ncols=columns, fontsize=9, frameon=False
    )


def _thumbnails(
    axes: Any, panel: Panel, labels: Tensor | None, classes: Sequence[str], images: Tensor
) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    axes.autoscale(False)
    box = axes.get_window_extent()
    corner = np.array([box.x0, box.y0])
    places = axes.transData.transform(panel.places.double().numpy()) - corner
    room = (box.width * box.height / (ROOM * max(1, len(images)))) ** 0.5
    side = float(np.clip(room, SMALLEST, LARGEST))
    # the classes in turn, so that where there is no room for all each has some
    order = fair(len(images), None, 0, labels).tolist()
    where = spread(places, side, (box.width, box.height), order)
    back = axes.transData.inverted()
    count = 1 if labels is None else _count(labels, classes)
    for row, place in where.items():
        colour = "0.4" if labels is None else _colour(int(labels[row]), count)
        middle = back.transform(np.array(place) + corner)
        if np.hypot(*(places[row] - place)) > side / 2:
            point = panel.places[row].numpy()
            axes.plot(*zip(point, middle), color=colour, linewidth=0.8, zorder=2)
        picture = images[row].permute(1, 2, 0).numpy()
        grey = picture.shape[2] == 1
        drawn = OffsetImage(
            picture[:, :, 0] if grey else picture,
            zoom=(side - 4) / max(picture.shape[:2]),
            dpi_cor=False,
            **({"cmap": "gray", "norm": _levels()} if grey else {}),
        )
        frame = AnnotationBbox(
            drawn,
            tuple(middle),
            pad=0,
            zorder=3,
            bboxprops={"edgecolor": colour, "linewidth": 1.2, "boxstyle": "square,pad=0"},
        )
        frame.set_in_layout(False)
        axes.add_artist(frame)


def _levels() -> Any:
    from matplotlib.colors import Normalize

    return Normalize(0, 255)


def _frame(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.axes is None:
        axes.set(xticks=[], yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
    else:
        axes.set(xlabel=panel.axes[0], ylabel=panel.axes[1])
