"""Packing (Lin et al. 2018, PacGAN): the discriminator judges m images at once.

B batch · C image channels · m images of a group
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Packed(nn.Module):
    """A discriminator of groups of images (PacGAN): images [B,C,H,W] -> [B/m, m·C, H, W], B/m
    logits.

    A generator that drops modes makes groups that are too alike, which shows in one group where
    single images would all pass. group_size: m. make: gives the discriminator for (m·C, H, W).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        group_size: int,
        make: Callable[[tuple[int, int, int]], Any],
    ):
        super().__init__()
        self.group_size = group_size
        self.network = make((shape[0] * group_size, *shape[1:]))
        self.outputs: int = self.network.outputs

    def features(self, images: Tensor) -> Tensor:
        """Features of each group, [B/m, `outputs`]."""
        if len(images) % self.group_size:
            raise ValueError(
                f"{len(images)} images are no whole number of groups of {self.group_size}"
            )
        groups: Tensor = images.unflatten(0, (-1, self.group_size)).flatten(1, 2)
        result: Tensor = self.network.features(groups)
        return result

    def head(self, features: Tensor) -> Tensor:
        """Logits [B/m] of features [B/m, `outputs`]."""
        logits: Tensor = self.network.head(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
