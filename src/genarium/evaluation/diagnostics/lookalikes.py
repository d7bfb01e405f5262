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

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.metrics.grey import check_images, to_grey

SIDE = 32  # the longer side of a thumbnail, at most
LEAST = 8  # the shorter side of images that can be compared
SHIFT = 2  # pixels of a thumbnail
COARSE = 14  # pixels a side of the coarse search
CUTOFF = 6  # largest frequency of the other
PROPOSED = 8  # candidates by each
FLAT = 1e-3  # a thumbnail on [0, 1] whose deviations have no larger norm shows nothing
BLOCK = 256  # queries at a time


@dataclass(frozen=True)
class Lookalikes:
    """The nearest of the pool for each query: distance [Q,K], ascending, and index [Q,K]."""

    distance: Tensor
    index: Tensor


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """(h, w): no side longer than 32 and none shorter than 8, in proportion where that fits."""
    scale = min(1.0, SIDE / max(height, width))
    return max(LEAST, round(height * scale)), max(LEAST, round(width * scale))


def thumbnails(images: Tensor, like: tuple[int, int, int] | None = None) -> Tensor:
    """uint8 [N,C,H,W] -> uint8 [N,c,h,w]. like: the (c, h, w) wanted, c 1 or 3; own if None."""
    check_images(images)
    channels, height, width = like or (
        images.shape[1],
        *thumbnail_size(images.shape[2], images.shape[3]),
    )
    if tuple(images.shape[1:]) == (channels, height, width):
        return images
    parts = []
    for part in images.split(4096):
        x = part.float() / 255 if part.shape[1] == channels else to_grey(part)
        x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
        parts.append((255 * x).round_().clamp_(0, 255).to(torch.uint8))
    made = torch.cat(parts) if parts else images.new_empty(0, 1, height, width)
    return made.expand(-1, channels, -1, -1)


class Pool:
    """Images to search among, uint8 [N,C,H,W]; at least 9 of them."""

    def __init__(self, images: Tensor):
        self.thumbs = thumbnails(images)
        parts = [_descriptors(part) for part in self.thumbs.split(4096)]
        self._described = [torch.cat(kind) for kind in zip(*parts)]

    def __len__(self) -> int:
        return len(self.thumbs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the thumbnails."""
        channels, height, width = self.thumbs.shape[1:]
        return channels, height, width

    def nearest(
        self, queries: Tensor, k: int = 5, *, proposed: int = PROPOSED, own: Tensor | None = None
    ) -> Lookalikes:
        """The k nearest look-alikes of each query, uint8 [Q,C,H,W].

        own: [Q] index of each query itself in the pool, which is then left out. proposed:
        candidates of each search, at least k.
        """
        queries = thumbnails(queries, self.shape)
        distance, index = [], []
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            part = queries[rows]
            left_out = None if own is None else own[rows, None]
            candidates = self._candidates(part, proposed, left_out)
            distances = align(part, self.thumbs[candidates])
            distances, order = _once(distances, candidates).sort(dim=1, stable=True)
            distance.append(distances[:, :k])
            index.append(candidates.gather(1, order)[:, :k])
        if not distance:
            return Lookalikes(torch.empty(0, k), torch.empty(0, k, dtype=torch.int64))
        return Lookalikes(torch.cat(distance), torch.cat(index))

    def _candidates(self, queries: Tensor, proposed: int, left_out: Tensor | None) -> Tensor:
        proposals = []
        for mine, theirs in zip(_descriptors(queries), self._described):
            likeness = mine @ theirs.T
            if left_out is not None:
                likeness.scatter_(1, left_out, -torch.inf)
            proposals.append(likeness.topk(proposed, dim=1).indices)
        return torch.cat(proposals, dim=1)


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
