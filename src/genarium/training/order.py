"""Seeds and the order of the images: pure functions, so that resume is exact by construction."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derive(seed: int, *parts: object) -> int:
    """A 63-bit seed for one named use, from the run's seed: SHA-256 of (seed, parts)."""
    text = repr((seed, *parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


class Order:
    """Which images each batch holds: batch number k is rows [kB, (k+1)B) of an endless stream of
    epochs, each a fresh permutation of the n images. A pure function of (seed, k).
    """

    def __init__(self, n: int, batch: int, seed: int):
        self.n, self.batch, self.seed = n, batch, seed
        self._epochs: dict[int, Tensor] = {}

    def _epoch(self, number: int) -> Tensor:
        if number not in self._epochs:
            generator = torch.Generator().manual_seed(derive(self.seed, "order", number))
            # a batch straddles two epochs at most: keep those, drop the rest
            self._epochs = {k: v for k, v in self._epochs.items() if k >= number - 1}
            self._epochs[number] = torch.randperm(self.n, generator=generator)
        return self._epochs[number]

    def rows(self, number: int) -> Tensor:
        """Rows of the global batch `number`, [batch] int64."""
        start, parts, wanted = number * self.batch, [], self.batch
        while wanted:
            epoch, offset = divmod(start, self.n)
            part = self._epoch(epoch)[offset : offset + wanted]
            parts.append(part)
            start, wanted = start + len(part), wanted - len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)
