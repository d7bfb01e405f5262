"""The sliders of a page, in the order in which they move the picture (`latent.effect`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from genarium.exports.prior import PagePrior
from genarium.latent import REACH, effect
from genarium.runs.trained import Trained

END = 3.0
"""A slider goes from -END to END standard deviations."""
DECODED = 1500
"""Pictures that are decoded for it, at most, about."""


class Slider(NamedTuple):
    """column: of the code. effect: in grey levels. low, high: its ends; middle: where it rests."""

    column: int
    effect: float
    low: float
    high: float
    middle: float


def sliders(trained: Trained, prior: PagePrior) -> list[Slider]:
    """One for each continuous number of a code, the strongest first.

    None where a code is as long as an image and no part of it is named to be walked along: each
    number is the noise of one pixel then.
    """
    model: Any = trained.model
    named = getattr(model, "continuous_columns", range(prior.size))
    columns = [column for column in named if column < prior.latent]
    if prior.size >= trained.spec.dims and len(columns) == prior.latent and model.gaussian_codes:
        return []
    middle, unit = np.zeros(prior.size), np.full(prior.size, 1.0)
    if prior.table is not None:
        middle, unit = prior.table.mean(0), prior.table.std(0)
    bases, steps = (3, 5) if len(columns) * 15 <= DECODED else (1, 3)
    codes = prior.draw(0, 0, bases)
    results = []
    for column in columns:
        low, high = (float(middle[column] + at * unit[column]) for at in (-END, END))
        values = middle[column] + unit[column] * np.linspace(-REACH, REACH, steps)
        moves = _effect(trained, codes, column, values)
        results.append(Slider(column, moves, low, high, float(middle[column])))
    return sorted(results, key=lambda slider: -slider.effect)


def _effect(trained: Trained, codes: NDArray[Any], column: int, values: NDArray[Any]) -> float:
    moved = np.repeat(codes[:, None], len(values), 1)
    moved[:, :, column] = values
    images = trained.decode(torch.from_numpy(moved.reshape(-1, codes.shape[1])))
    images = images.unflatten(0, moved.shape[:2])
    return effect((images / 2).var(1, correction=0))
