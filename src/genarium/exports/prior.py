"""How the page draws codes: noise, and what a model is conditioned on, by seed and sample.

    noise      z_i = T·Φ⁻¹(l + (1 − 2l)·u_i)      T the temperature, l = Φ(−truncation), else 0
    category   value ⌊K·u⌋ of K                   u of the place behind the noise, one a part
    number     low + u·(high − low)
    rows       row ⌊M·u⌋ of M kept conditions, u of the place behind the noise
    table      code (sample mod n) of n codes: a model without a prior

u = `draws.uniform(seed, sample, place)`. static/page.js does the same.

D numbers of a code · S of them the condition · M rows
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genarium.exports import draws
from genarium.models.conditioning import Part, Rows
from genarium.models.text_to_image.captions import Captions
from genarium.runs.trained import Trained

SHOWN_ROWS = 256
CAPTIONS = 24
TABLE = 48
"""Codes of test images that stand for samples, where there is no prior."""

Array = NDArray[np.float32]


@dataclass
class PagePrior:
    """size: D. latent: D − S. parts: of the condition, see `Conditioning.parts`. rows: [M,S].
    texts: of the rows, where they are captions. table: [n,D]."""

    size: int
    latent: int
    parts: tuple[Part, ...] = ()
    rows: Array | None = None
    texts: tuple[str, ...] = ()
    table: Array | None = None
    temperature: float = 1.0
    outside: float = 0.0

    def draw(self, seed: int, first: int, count: int) -> Array:
        """The codes of the page's samples first, first + 1 ..., [count, D]."""
        samples = np.arange(first, first + count)
        if self.table is not None:
            result: Array = self.table[samples % len(self.table)]
            return result
        places = np.arange(self.latent, dtype=np.uint32)[None]
        u = draws.uniform(seed, samples.astype(np.uint32)[:, None], places)
        noise = self.temperature * draws.normal(self.outside + (1.0 - 2.0 * self.outside) * u)
        return np.concatenate([noise, self._conditions(seed, samples)], 1).astype(np.float32)

    def _conditions(self, seed: int, samples: Any) -> Any:
        numbers = samples.astype(np.uint32)
        if self.rows is not None:
            u = draws.uniform(seed, numbers, np.uint32(self.latent))
            return self.rows[(u * len(self.rows)).astype(int)]
        columns = [np.zeros((len(samples), 0))]
        for number, part in enumerate(self.parts):
            u = draws.uniform(seed, numbers, np.uint32(self.latent + number))
            if part.values:
                columns.append(np.eye(len(part.values))[(u * len(part.values)).astype(int)])
            else:
                columns.append((part.low + u * (part.high - part.low))[:, None])
        return np.concatenate(columns, 1)


@torch.no_grad()
def prior_of(trained: Trained) -> PagePrior:
    """How the page draws codes of a run. Of a model without a prior they are those of test images,
    so UserError where the run's data are not there."""
    model: Any = trained.model
    size = trained.code_size
    if "prior" not in trained.capabilities:
        from genarium.data.choice import fair_rows

        test = trained.dataset().test
        images = test.images[fair_rows(test, TABLE)]
        return PagePrior(size, size, table=trained.encode(images).numpy())
    latent = size if trained.noise is None else trained.noise
    conditioning = getattr(model, "conditioning", None)
    parts: tuple[Part, ...] = ()
    rows: Array | None = None
    texts: tuple[str, ...] = ()
    if conditioning is not None and conditioning.size:
        parts = conditioning.parts(trained.spec)
        if isinstance(conditioning, Captions):
            known = torch.unique(conditioning.known(), dim=0)[:CAPTIONS]
            rows = conditioning.encoded(known.to(trained.device)).cpu().numpy()
            texts = tuple(_text(row) for row in known)
        elif isinstance(conditioning, Rows):
            known = conditioning.known()[:SHOWN_ROWS]
            rows = conditioning.encoded(known).cpu().numpy()
    temperature = float(getattr(trained.settings, "temperature", 1.0))
    bound = getattr(trained.settings, "truncation", None)
    outside = 0.0 if bound is None else 0.5 * math.erfc(float(bound) / math.sqrt(2.0))
    return PagePrior(size, latent, parts, rows, texts, None, temperature, outside)


def _text(row: torch.Tensor) -> str:
    return bytes(row.to(torch.uint8).tolist()).rstrip(b"\0").decode(errors="replace") or "(none)"


def codes(trained: Trained, seed: int = 0, n: int = 24, first: int = 0) -> torch.Tensor:
    """The codes of the page's samples, [n,D]: `trained.decode` of them gives its pictures."""
    return torch.from_numpy(prior_of(trained).draw(seed, first, n))
