"""Where small pictures go in a plot, so that they do not lie on one another.

Shapes: N points
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COVERED = 0.2  # of the side: two thumbnails overlap by no more, across or upwards
REACH = 1.5  # sides that a thumbnail may be moved from its point


def spread(
    places: NDArray[np.float64],
    side: float,
    size: tuple[float, float],
    order: list[int] | None = None,
) -> dict[int, tuple[float, float]]:
    """Where the middle of each thumbnail goes, by the number of its point; pixels.

    places: [N,2] pixels. side: of the square thumbnails. size: width and height of the plot. Each
    is put at its point or at the nearest free place up to `REACH` sides away, in the given order
    (default: as they are); a point without a free place near by gets none.
    """
    least = side * (1 - COVERED)
    steps = _steps(side)
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}  # by cells as wide as `least`
    results: dict[int, tuple[float, float]] = {}
    for row in order if order is not None else range(len(places)):
        for x, y in places[row] + steps:
            if not (side / 2 <= x <= size[0] - side / 2 and side / 2 <= y <= size[1] - side / 2):
                continue
            i, j = int(x // least), int(y // least)
            near = (
                other
                for a in (i - 1, i, i + 1)
                for b in (j - 1, j, j + 1)
                for other in taken.get((a, b), ())
            )
            if all(abs(x - u) >= least or abs(y - v) >= least for u, v in near):
                taken.setdefault((i, j), []).append((x, y))
                results[row] = (float(x), float(y))
                break
    return results


def _steps(side: float) -> NDArray[np.float64]:
    """Moves to try, the shortest first: no move, then a grid of quarters of a side."""
    quarter = side / 4
    ends = int(REACH * 4)
    across = np.arange(-ends, ends + 1) * quarter
    moves = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2)
    length = np.hypot(*moves.T)
    order = np.argsort(length, kind="stable")
    return moves[order][length[order] <= REACH * side + 1e-9]
