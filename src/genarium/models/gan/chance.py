"""A discriminator that a penalty holds at chance, said while it trains.

R1 and the gradient penalty flatten the discriminator. Where it learns slowly too (no batch norm,
changed images, a high rate) the flat one, D = ½ everywhere, can be where training stays: every loss
is finite, and the generator learns from nothing.
"""

from __future__ import annotations

import warnings

from torch import Tensor

TURNS = 200
"""Of the discriminator, over which its outputs are averaged."""
GAP = 0.05
"""Less between D(real) and D(fake) is chance."""


class AtChance:
    """Warns once when the discriminator's outputs of real and of fake images are the same over
    `TURNS` turns. names: the flags that hold it there."""

    def __init__(self, names: str):
        self.names, self.turns, self.warned = names, 0, False
        self.total: Tensor | None = None

    def see(self, real: Tensor, fake: Tensor) -> None:
        """Count in a turn's mean outputs, [] each."""
        if self.warned:
            return
        gap = real - fake
        self.total = gap if self.total is None else self.total + gap
        self.turns += 1
        if self.turns < TURNS:
            return
        mean = self.total.item() / self.turns  # a GPU waits here only, once in `TURNS`
        self.turns, self.total = 0, None
        if abs(mean) < GAP:
            self.warned = True
            warnings.warn(
                f"--regularizers {self.names}: D(real) - D(fake) is {mean:.3f} over the last "
                f"{TURNS} turns: the discriminator is at chance and the generator learns nothing "
                "from it. If samples are poor, lower --lr, or weigh the penalty less (r1:0.1)",
                stacklevel=2,
            )
