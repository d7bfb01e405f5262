"""Random numbers that belong to an image, however the images are cut into batches."""

from __future__ import annotations

import torch
from torch import Tensor

from genarium.contract import Noise


class RowNoise(Noise):
    """Random numbers with a generator of its own for each image.

    An image's draws then depend on its place in the sequence of images that `generator` has
    seen, not on how the sequence was cut into batches.
    """

    def __init__(self, n: int, generator: torch.Generator | None, device: torch.device):
        source = generator.device if generator is not None else "cpu"
        seeds = torch.randint(2**62, (n,), generator=generator, device=source).tolist()
        super().__init__(0, n, device=device)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        return torch.stack([torch.randn(*shape, generator=g) for g in self.generators]).to(
            self.device
        )

    def uniform(self, *shape: int) -> Tensor:
        return torch.stack([torch.rand(*shape, generator=g) for g in self.generators]).to(
            self.device
        )

    def part(self, rows: slice) -> RowNoise:
        """The same generators, of these rows only."""
        result = RowNoise(0, None, self.device)
        result.generators = self.generators[rows]
        return result


class DeterministicNoise(Noise):
    """No chance at all: every uniform number is its middle, every normal one its mean.

    What a likelihood makes of an image without drawing: its likeliest bits, the centres of its
    grey levels.
    """

    def normal(self, *shape: int) -> Tensor:
        return torch.zeros(self.total, *shape, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.full((self.total, *shape), 0.5, device=self.device)
