"""Look-alikes: images that show the same picture, moved, noised, blurred or lit a little otherwise.

Pixel distance takes a digit moved by one pixel for another digit. Here two images are as far apart
as their best alignment leaves them, brightness and contrast set aside:

    d(a, b) = min over shifts s, |s| <= 2 pixels, of | unit(a') - unit(b'_s) | = sqrt(2 - 2 ρ)

with a' the image without a margin of 2 pixels, b'_s the part of b of that size moved by s,
unit(x) = (x - mean x) / |x - mean x| and ρ the largest correlation; 0 <= d <= 2. Images are
compared as thumbnails of at most 32 pixels a side.

Two searches propose the candidates that are measured so: by coarse pixels, which noise, blur and
light hardly change, and by the low frequencies of the Fourier magnitude, which a shift does not.

Shapes: N images of the pool · Q queries · K found · C channels · h, w of the thumbnails
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.diagnostics.thumbnails import Thumbs, thumbnails

SHIFT = 2  # pixels of a thumbnail
COARSE = 14  # pixels a side of the coarse search
CUTOFF = 6  # largest frequency of the other
PROPOSED = 8  # candidates by each
FLAT = 1e-3  # a thumbnail on [0, 1] whose deviations have no larger norm shows nothing
BLOCK = 64  # queries that are aligned at a time
SEARCHED = 1024  # queries that are searched for together
MEMORY = 192 << 20  # bytes of descriptors that are kept for further searches


@dataclass(frozen=True)
class Lookalikes:
    """The nearest of the pool for each query: distance [Q,K], ascending, and index [Q,K]."""

    distance: Tensor
    index: Tensor


class Pool:
    """Thumbnails to search among, at least 9 of them, a piece at a time.

    Memory is that of a piece and of the queries. From the second search on the descriptors are kept
    besides, at most 192 MiB of them.
    """

    def __init__(self, thumbs: Thumbs):
        self.thumbs = thumbs
        self._again = False
        self._described: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self.thumbs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the thumbnails."""
        return self.thumbs.shape

    def nearest(
        self, queries: Tensor, k: int = 5, *, proposed: int = PROPOSED, own: Tensor | None = None
    ) -> Lookalikes:
        """The k nearest look-alikes of each query, uint8 [Q,C,H,W].

        own: [Q] index of each query itself in the pool, which is then left out, -1 where it is not
        there. proposed: candidates of each search, at least k.
        """
        if not len(queries):
            return Lookalikes(torch.empty(0, k), torch.empty(0, k, dtype=torch.int64))
        queries = thumbnails(queries, self.shape)
        distance, index = [], []
        proposals = self._candidates(queries, proposed, own)
        for part, candidates in zip(queries.split(BLOCK), proposals.split(BLOCK)):
            distances = align(part, self.thumbs[candidates])
            distances, order = _once(distances, candidates).sort(dim=1, stable=True)
            distance.append(distances[:, :k])
            index.append(candidates.gather(1, order)[:, :k])
        return Lookalikes(torch.cat(distance), torch.cat(index))

    def _candidates(self, queries: Tensor, proposed: int, own: Tensor | None) -> Tensor:
        """What both searches propose, [Q, 2·proposed]."""
        mine = _descriptors(queries)
        best = [_Best(len(queries), proposed) for _ in mine]
        for start, described in self._pieces():
            for kind, (asked, theirs) in enumerate(zip(mine, described)):
                for begin in range(0, len(queries), SEARCHED):
                    rows = slice(begin, begin + SEARCHED)
                    likeness = asked[rows] @ theirs.T
                    if own is not None:
                        there = own[rows] - start
                        inside = (there >= 0) & (there < len(theirs))
                        likeness[inside, there[inside]] = -torch.inf
                    best[kind].take(rows, likeness, start)
        return torch.cat([one.index for one in best], dim=1)

    def _pieces(self) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
        """(number of the first, descriptors) of all thumbnails, in order."""
        start = 0
        for described in self._described:
            yield start, described
            start += len(described[0])
        size = sum(one.nbytes for described in self._described for one in described)
        for begin, part in self.thumbs.pieces(start):
            described = _descriptors(part)
            size += sum(one.nbytes for one in described)
            if self._again and size <= MEMORY:
                self._described.append(described)
            yield begin, described
        self._again = True


class _Best:
    """The largest of each row so far, of pieces of columns: index [Q,k], largest first."""

    def __init__(self, rows: int, k: int):
        self.value = torch.full((rows, k), -torch.inf)
        self.index = torch.zeros(rows, k, dtype=torch.int64)

    def take(self, rows: slice, values: Tensor, start: int) -> None:
        """Take in `values` [q,n] of columns from `start` on."""
        k = self.value.shape[1]
        best = values.topk(min(k, values.shape[1]), dim=1)
        both = torch.cat([self.value[rows], best.values], dim=1)
        index = torch.cat([self.index[rows], best.indices + start], dim=1)
        order = both.sort(dim=1, descending=True, stable=True).indices[:, :k]
        self.value[rows], self.index[rows] = both.gather(1, order), index.gather(1, order)


def align(queries: Tensor, candidates: Tensor) -> Tensor:
    """d of uint8 thumbnails [Q,C,h,w] and [Q,K,C,h,w], [Q,K] float32.

    Two flat images are equal (0), a flat one and another are strangers (√2).
    """
    height, width = queries.shape[-2:]
    inner = (height - 2 * SHIFT, width - 2 * SHIFT)
    area = queries.shape[1] * inner[0] * inner[1]
    q = queries[..., SHIFT:-SHIFT, SHIFT:-SHIFT].float() / 255
    q = q - q.mean(dim=(1, 2, 3), keepdim=True)
    q_norm = q.flatten(1).norm(dim=1)
    c = candidates.float() / 255
    # all shifts at once: the correlation is a product of the transforms, window sums are means
    product = torch.fft.rfft2(c) * torch.fft.rfft2(q, s=(height, width)).conj()[:, None]
    reach = 2 * SHIFT + 1
    inner_product = torch.fft.irfft2(product.sum(dim=2), s=(height, width))[..., :reach, :reach]
    total, squares = _windows(c.sum(dim=2), inner), _windows(c.square().sum(dim=2), inner)
    c_norm = (squares - total.square() / area).clamp(min=0).sqrt()
    norms = c_norm.clamp(min=FLAT) * q_norm.clamp(min=FLAT)[:, None, None, None]
    rho = (inner_product / norms).amax(dim=(2, 3)).clamp(max=1.0)
    q_flat = q_norm[:, None] <= FLAT
    c_flat = (c_norm <= FLAT).any(dim=3).any(dim=2)
    rho = torch.where(q_flat | c_flat, (q_flat & c_flat).float(), rho)
    return (2 - 2 * rho).sqrt()


def _windows(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Sums over all windows of a size, [...,h,w] -> [...,5,5]: products with bands of ones."""
    down, across = (
        (torch.ones(2 * SHIFT + 1, length).triu() - torch.ones(2 * SHIFT + 1, length).triu(window))
        for length, window in zip(x.shape[-2:], size)
    )
    return down @ x @ across.T


def _descriptors(thumbs: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors of both searches: coarse pixels, and magnitudes of low frequencies."""
    x = thumbs.float()
    side = [min(COARSE, side) for side in x.shape[-2:]]
    coarse = F.interpolate(x, side, mode="bilinear", align_corners=False, antialias=True)
    grey = x.mean(dim=1)
    grey = grey - grey.mean(dim=(1, 2), keepdim=True)
    # a margin, so that what a shift pushes out at one side does not come in at the other
    size = [length + 2 * 2 * SHIFT for length in grey.shape[-2:]]
    magnitude = torch.fft.rfft2(grey, s=size).abs()[:, :, : CUTOFF + 1]
    low = torch.cat([magnitude[:, : CUTOFF + 1], magnitude[:, -CUTOFF:]], dim=1)
    return _unit(coarse.flatten(1), centre=True), _unit(low.flatten(1))


def _unit(rows: Tensor, centre: bool = False) -> Tensor:
    if centre:
        rows = rows - rows.mean(dim=1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-6)


def _once(distances: Tensor, candidates: Tensor) -> Tensor:
    """Distances [Q,K] where candidates that both searches proposed count once (then infinite)."""
    half = candidates.shape[1] // 2
    again = (candidates[:, half:, None] == candidates[:, None, :half]).any(dim=2)
    return torch.cat(
        [distances[:, :half], distances[:, half:].masked_fill(again, torch.inf)], dim=1
    )
