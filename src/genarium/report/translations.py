"""Images of one domain, what a model makes of them, and what that is to be held against.

Beside the translation stands the target where the data have pairs, else the way back to the first
domain where the model knows it; a model of one direction without pairs has neither.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Spec
from genarium.data.choice import fair_rows
from genarium.drawing.images import for_the_eye, grid, promote
from genarium.report.records import Pairs
from genarium.runs.parts import translate_in_parts

ACROSS = 12  # cells in a row of a sheet


def translated(
    model: Any,
    spec: Spec,
    given: Tensor,
    direction: str,
    seed: int = 0,
    target: Tensor | None = None,
) -> Pairs:
    """Images [N,C,H,W] as stored, for the eye, beside their translations by a model in evaluation
    mode.

    target: what they should become, [N,C',H,W] as stored, where it is known.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = translate_in_parts(model, given, direction, generator)
    shown = for_the_eye(given, spec, direction[0], stored=True)
    made = for_the_eye(drawn, spec, direction[2])
    if target is not None:
        third = for_the_eye(target, spec, direction[2], stored=True)
        return Pairs(shown, made, third, "target", direction)
    back = direction[::-1]
    if back not in model.directions:
        return Pairs(shown, made, direction=direction)
    kept = spec.values_of(direction[2]).stored(drawn.nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0))
    again = for_the_eye(translate_in_parts(model, kept, back, generator), spec, direction[0])
    return Pairs(shown, made, again, "cycle", direction)


def of_split(
    model: Any, spec: Spec, split: Any, n: int, seed: int = 0, choice: int = 0
) -> tuple[Pairs, ...]:
    """Images of a data set's split in every direction that the model knows, as pictures.

    spec: of the data. n: images of either domain, at most. seed: of what is left to chance. choice:
    of which images (see `genarium.data.choice`).
    """
    results = []
    for direction in model.directions:
        images = split.images if direction[0] == "a" else split.domain("b")
        here = fair_rows(split, n, choice, direction[0])
        if not len(here):
            continue
        target = None
        if "b" in getattr(split, "extra", {}):
            target = split.domain(direction[2])[here]
        results.append(translated(model, spec, images[here], direction, seed, target))
    return tuple(results)


def sheet(rows: Sequence[Pairs]) -> Tensor:
    """One picture: input | output (| target or cycle) of image after image, uint8 [C,H',W']."""
    cells = []
    for pairs in rows:
        kinds = [pairs.originals, pairs.made]
        kinds += [] if pairs.third is None else [pairs.third]
        cells.append(torch.stack(promote(*kinds), 1))
    most = max(cell.shape[1] for cell in cells)
    columns = max(1, ACROSS // most) * most
    columns = min(columns, max(cell.shape[0] * cell.shape[1] for cell in cells))
    return grid([cell.flatten(0, 1) for cell in cells], columns=columns)
