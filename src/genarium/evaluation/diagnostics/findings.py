"""Verdicts that no single score gives: does it copy, does it repeat itself, what does it leave out?

`Originals` holds the real images, for any number of samplers; `examine` gives the findings of one
set of samples; `watch` makes rows of an evaluation of them.

Shapes: N training images · M held-out images · n samples · K classes
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genarium.evaluation.diagnostics.copying import Copying, copying
from genarium.evaluation.diagnostics.dropping import Dropping, dropping
from genarium.evaluation.diagnostics.finding import Finding
from genarium.evaluation.diagnostics.lookalikes import PROPOSED, Lookalikes, Pool
from genarium.evaluation.diagnostics.repeats import Repeats, repeats, rounded
from genarium.evaluation.diagnostics.thumbnails import LEAST, Thumbs, thumbnails, thumbnails_of
from genarium.evaluation.images import Images, shape_of, thinned
from genarium.evaluation.scores.score import Undefined

REAL = 1000  # real images whose own look-alikes are searched
ALONE = 300  # the same among as many images as there are samples
MOST = 2000  # samples that are looked at
FEWEST = 20  # training images, or samples, that a look-alike can be searched among
LINKS = 4  # nearest samples that one is linked with if they are one picture
CLEAR = 0.9  # of the real images' share: samples of a clear class, for a verdict on classes
SHOWN = 8  # pairs kept for the picture


class Originals:
    """The real images that samples are compared with: train and heldout, pictures of one shape.

    heldout: of the same origin as the training images and not trained on; a test split that was
    collected otherwise would make every good sampler look like a copier. Equal images count once,
    and not at all if they are on both sides. seed: of the real images that serve as the measure.

    Nine bytes of each image are kept in memory, and some 90 for moments.

    Raises Undefined for fewer than 20 training images, no held-out ones, a side under 8 pixels, or
    no space for the thumbnails of large images.
    """

    def __init__(self, train: Tensor | Images, heldout: Tensor | Images, *, seed: int = 0):
        side = min((shape_of(train) or (0,))[-2:])
        if side < LEAST:
            raise Undefined(
                f"copying: images of {side} pixels a side are too small to distinguish copies"
            )
        small = thumbnails_of(train)
        shape = (small.shape[1], small.shape[2], small.shape[3])
        thumbs = Thumbs(small, thumbnails_of(heldout, shape))
        kept = distinct(thumbs, len(small))
        self.index = kept  # row of the pool -> row of train, then heldout
        self.trained = kept < len(small)
        self.seed = seed
        if int(self.trained.sum()) < FEWEST or bool(self.trained.all()):
            raise Undefined(
                f"copying: {int(self.trained.sum())} different training and "
                f"{int((~self.trained).sum())} held-out images: it needs {FEWEST} and 1"
            )
        self.pool = Pool(thumbs.take(kept))
        self._real: Lookalikes | None = None
        self._alone: dict[int, Tensor] = {}

    @property
    def real(self) -> Lookalikes:
        """What real images of the pool find in the rest of it."""
        if self._real is None:
            self._nearest(self.pool.thumbs[torch.empty(0, dtype=torch.int64)])
        assert self._real is not None
        return self._real

    @cached_property
    def _training(self) -> Pool:
        return Pool(self.pool.thumbs.take(self.trained.nonzero()[:, 0]))

    def nearest_trained(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The training image that each of uint8 samples [n,C,H,W] is most alike to: its row in the
        training split, [n] int64, and the distance, [n]."""
        nearest = self._training.nearest(samples, 1)
        return self.index[self.trained][nearest.index[:, 0]], nearest.distance[:, 0]

    def alone(self, n: int) -> Tensor:
        """Distance of real images to the nearest of n - 1 others."""
        n = min(n, len(self.pool))
        if n not in self._alone:
            rows = self._some(n, len(self.pool))
            among = Pool(self.pool.thumbs.take(rows))
            some = torch.arange(min(ALONE, n))
            neighbours = among.nearest(among.thumbs[some], 1, proposed=_proposed(n), own=some)
            self._alone[n] = neighbours.distance[:, 0]
        return self._alone[n]

    def copying(self, samples: Tensor) -> tuple[Copying, Lookalikes]:
        """Whether uint8 samples [n,C,H,W] are copies, and what each is like."""
        neighbours = self._nearest(thumbnails(samples, self.pool.shape))
        return copying(neighbours, self.real, self.trained, seed=self.seed), neighbours

    def _nearest(self, samples: Tensor) -> Lookalikes:
        """What the pool holds for samples, and in the same pass for `real` if nobody has asked."""
        if self._real is not None:
            return self.pool.nearest(samples)
        rows, count = self._some(REAL, len(self.pool)), len(samples)
        own = torch.cat([torch.full((count,), -1), rows])
        nearest = self.pool.nearest(torch.cat([samples, self.pool.thumbs[rows]]), own=own)
        self._real = Lookalikes(nearest.distance[count:], nearest.index[count:])
        return Lookalikes(nearest.distance[:count], nearest.index[:count])

    def repeats(self, samples: Tensor) -> Repeats:
        """Whether uint8 samples [n,C,H,W] repeat themselves; n at least 20."""
        samples = thumbnails(samples, self.pool.shape)
        among, own = Pool(Thumbs(samples)), torch.arange(len(samples))
        neighbours = among.nearest(samples, LINKS, proposed=LINKS, own=own)
        return repeats(neighbours, self.alone(len(among)))

    def _some(self, count: int, total: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(total, generator=generator)[:count]


def _proposed(n: int) -> int:
    return min(PROPOSED, n - 1)


def distinct(thumbs: Thumbs, trained: int) -> Tensor:
    """Indices of different images; those that are on both sides left out, of which the first
    `trained` images are one."""
    digests = np.empty(len(thumbs), np.uint64)
    for start, piece in thumbs.pieces():
        for i, image in enumerate(piece.numpy(), start):
            digests[i] = int.from_bytes(hashlib.blake2b(image.data, digest_size=8).digest())
    if not len(digests):
        return torch.empty(0, dtype=torch.int64)
    order = digests.argsort(kind="stable")  # equal images together, the first of them first
    digests = digests[order]
    first = np.ones(len(order), bool)
    np.not_equal(digests[1:], digests[:-1], out=first[1:])
    del digests
    side, last = order < trained, np.append(first[1:], True)  # the last has the highest number
    kept = order[first][side[first] == side[last]]
    kept.sort()
    return torch.from_numpy(kept)


def examine(
    samples: Tensor,
    originals: Originals,
    *,
    names: tuple[str, ...] = (),
    counts: Tensor | None = None,
    expected: Tensor | None = None,
    confusion: Tensor | None = None,
    clear: tuple[float, float] = (1.0, 1.0),
) -> list[Finding]:
    """The findings about uint8 samples [n,C,H,W].

    names, counts, expected, confusion: of classes, as `dropping` takes them, and `clear`, as
    `classes_finding` does; without `counts` nothing is said of classes.
    """
    findings = [copying_finding(samples, originals)]
    if len(samples) >= FEWEST:
        findings.append(repeats_finding(samples, originals))
    if counts is not None and expected is not None and confusion is not None:
        findings.append(classes_finding(dropping(counts, expected, confusion, names), clear))
    return findings


def _rows(n: int) -> Tensor:
    """The samples that are looked at: not the first, for a folder may be sorted by class."""
    rows = thinned(n, MOST)
    return torch.arange(n) if rows is None else rows


def copying_finding(samples: Tensor, originals: Originals) -> Finding:
    """Does it copy? With the samples most like a training image beside it."""
    rows = _rows(len(samples))
    samples = thumbnails(samples[rows], originals.pool.shape)
    result, neighbours = originals.copying(samples)
    worst = result.worst(SHOWN)
    count, held = int(originals.trained.sum()), int((~originals.trained).sum())
    beside = result.nearest[worst]
    equal = int(
        (samples == originals.pool.thumbs[result.nearest])
        .flatten(1)
        .all(dim=1)[result.trained]
        .sum()
    )
    evidence = (
        f"{len(samples):,} samples among {count:,} training and {held:,} held-out images; nearest "
        f"is a training image for {100 * result.trained.double().mean().item():.1f} %, by chance "
        f"{100 * count / (count + held):.1f} % (p = {_p(result.p_side)}); closer to one image than "
        f"real images are: p = {_p(result.p_close)}"
    )
    if equal:
        evidence += f"; {equal:,} equal to a training image, pixel by pixel"
    numbers = {
        "share": result.share if result.detected else 0.0,
        "interval": list(result.interval),
        "p_side": result.p_side,
        "p_close": result.p_close,
        "equal": equal,
        "samples": len(samples),
        "training images": count,
        "held-out images": held,
        "nearest": [[int(i), int(originals.index[j])] for i, j in zip(rows[worst], beside)],
    }
    return Finding(
        "copying",
        result.detected,
        result.text,
        evidence,
        numbers,
        samples[worst],
        originals.pool.thumbs[beside],
        tuple(neighbours.distance[worst, 0].tolist()),
    )


def repeats_finding(samples: Tensor, originals: Originals) -> Finding:
    """Does it repeat itself? With the pictures drawn most often, each beside another draw of it."""
    samples = thumbnails(samples[_rows(len(samples))], originals.pool.shape)
    result = originals.repeats(samples)
    low, high = result.interval
    total = f"at least {rounded(low)}" if high is None else f"{rounded(low)} to {rounded(high)}"
    evidence = (
        f"{result.different:,} different pictures among {result.count:,} samples, so {total} in "
        "all if they are equally likely (95 %)"
    )
    numbers = {
        "different": result.different,
        "samples": result.count,
        "support": result.support,
        "interval": [low, high],
        "p": result.p,
    }
    shown = result.largest(SHOWN)
    twins = [int((result.group == result.group[i]).nonzero()[1, 0]) for i in shown]
    return Finding(
        "repeats",
        result.detected,
        result.text,
        evidence,
        numbers,
        samples[shown] if len(shown) else None,
        samples[twins] if len(shown) else None,
    )


def classes_finding(result: Dropping, clear: tuple[float, float] = (1.0, 1.0)) -> Finding:
    """Are classes missing? clear: share of the samples, and of real images, of a clear class.

    Pictures that are no clear digit are named all the same, often alike: what a classifier says of
    them is no sign that anything is missing. So with too many of them nothing is said.
    """
    detected, text = result.detected, result.text
    if clear[0] < CLEAR * clear[1]:
        detected = False
        text = (
            f"cannot tell whether a class is missing: only {100 * clear[0]:.0f} % of the samples "
            f"are of a clear class, and {100 * clear[1]:.0f} % of real images"
        )
    low = sorted(range(len(result.names)), key=lambda k: _part(result, k))[:3]
    parts = ", ".join(f"{result.names[k]} {100 * _part(result, k):.0f} %" for k in low)
    evidence = f"{result.count:,} samples; fewest, of their share in the data: {parts}"
    numbers = {
        "missing": [result.names[k] for k in result.missing] if detected else [],
        "clear": clear[0],
        "undecided": [result.names[k] for k in result.undecided],
        "share": result.share.tolist(),
        "expected": result.expected.tolist(),
        "p": result.p.tolist(),
    }
    return Finding(
        "modes" if result.kind == "mode" else "classes", detected, text, evidence, numbers
    )


def _part(result: Dropping, k: int) -> float:
    """Share of a class among the samples, over that in the data."""
    expected = result.expected[k].item()
    return result.share[k].item() / expected if expected else math.inf


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
