"""Images that a monitor looks at again and again, as batches that a model takes."""

from __future__ import annotations

import torch

from genarium.contract import Batch, Noise
from genarium.training.batches import TrainingData
from genarium.training.order import derive

MOST = 64
"""Images of a batch that is looked at."""


class Fixed:
    """Some images of a split, the same ones and the same noise at each look.

    data: the split. group: the batch is a multiple of this. further looks with another `number`
    are of other images. Raises ValueError for too few images for a group.
    """

    def __init__(self, data: TrainingData, seed: int, name: str, group: int = 1):
        self.data, self.seed, self.name = data, derive(seed, "monitor", name), name
        self.size = min(MOST, len(data)) // group * group
        if not self.size:
            raise ValueError(f"{len(data)} images are too few for groups of {group}")

    def rows(self, number: int = 0, count: int | None = None) -> torch.Tensor:
        """Rows of the split, drawn without replacement."""
        generator = torch.Generator().manual_seed(derive(self.seed, "rows", number))
        order = torch.randperm(len(self.data), generator=generator)
        return order[: self.size if count is None else count]

    def batch(self, device: torch.device, number: int = 0) -> Batch:
        """The images and all that goes with them, with noise of its own."""
        rows, data = self.rows(number), self.data
        noise = Noise(derive(self.seed, "noise", number), len(rows), device=device)
        extra = {name: values[rows].to(device) for name, values in data.extra.items()}
        extra |= {name: v[rows % len(v)].to(device) for name, v in data.unpaired.items()}
        labels = None if data.labels is None else data.labels[rows].to(device)
        return Batch(data.images[rows].to(device), labels, noise, extra, data.values)
