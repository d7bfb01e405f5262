"""A verdict that an evaluation gives in words, with its evidence and the pictures that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Finding:
    """One verdict. name: copying, repeats, classes or modes. detected: whether there is a fault.
    text: the verdict. evidence: what it rests on. numbers: the same for programs.

    images, nearest: uint8 [P,C,h,w] thumbnails, samples and what each is to be seen beside, the
    worst first; distances: between them. The pictures are not saved.
    """

    name: str
    detected: bool
    text: str
    evidence: str
    numbers: Mapping[str, Any]
    images: Tensor | None = field(default=None, compare=False, repr=False)
    nearest: Tensor | None = field(default=None, compare=False, repr=False)
    distances: tuple[float, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; without the pictures."""
        names = ("name", "detected", "text", "evidence")
        return {**{key: getattr(self, key) for key in names}, "numbers": dict(self.numbers)}
