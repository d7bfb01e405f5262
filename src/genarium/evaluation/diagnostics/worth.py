"""What an extractor is worth on these pictures: does its distance grow when they are spoiled more?

Pictures that nobody trained on are halved. One half is spoiled in each of the ways of `corruptions`
that apply, by half and in full, and its Fréchet distance to the other half is taken. An extractor
orders a corruption if the distance grows from the pictures as they are to half the strength to all
of it. One that does not order the loss of colour cannot tell colour from grey, whatever it scores.

The answer is that of a few pictures and says so; `benchmarks/extractor_corruptions.py` asks with
more of them. It is kept in the cache, by the extractor's digest and that of the pictures.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from genarium.data import DataOptions, cache
from genarium.errors import unreadable
from genarium.evaluation.diagnostics.corruptions import applicable, corrupt
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.extractors.pixels import PIXELS
from genarium.evaluation.images import Drawn, Images, as_images
from genarium.evaluation.metrics.frechet import frechet_distance_of_features

FORMAT = 1
STRENGTHS = (0.5, 1.0)
MOST = 80  # pictures, both halves together
LEAST = 20
SMALLEST = 16  # pixels of a side, under which half a blur is none


@dataclass(frozen=True)
class Worth:
    """images: pictures in a half. orders: whether a corruption is ordered, by name."""

    images: int
    orders: dict[str, bool]

    def words(self) -> str:
        """ "orders 9 of 10 corruptions of 40 images by strength (not rotation)"."""
        missed = [name for name, ordered in self.orders.items() if not ordered]
        result = len(self.orders) - len(missed)
        words = (
            f"orders {result} of {len(self.orders)} corruptions of {self.images} images by strength"
        )
        return f"{words} (not {', '.join(missed)})" if missed else words


def assess(extractor: Extractor, images: Tensor, labels: Tensor | None = None) -> Worth | None:
    """Ask an extractor about uint8 [N,C,H,W]; None where its features are not finite.

    labels: their classes [N], where they are known.
    """
    half = len(images) // 2
    known = None if labels is None else labels[half : 2 * half]
    some = images[half : 2 * half]
    reference, plain = (extractor(each).pool for each in (images[:half], some))
    if not bool(reference.isfinite().all() and plain.isfinite().all()):
        return None
    orders = {}
    for name in applicable(some, known):
        results = [frechet_distance_of_features(plain, reference)]
        for strength in STRENGTHS:
            pool = extractor(corrupt(name, some, strength, known)).pool
            if not bool(pool.isfinite().all()):
                return None
            results.append(frechet_distance_of_features(pool, reference))
        orders[name] = all(a < b for a, b in pairwise(results))
    return Worth(half, orders)


def stated(
    extractor: Extractor,
    reference: Tensor | Images,
    labels: Tensor | None = None,
    n: int | None = None,
) -> Extractor:
    """The extractor, its caveat with what it is worth on the reference.

    labels: the classes of the reference. n: pictures to ask with, at most: no more than are scored.

    As it is where that is no question (a classifier of these classes, the pixels themselves), and
    where the pictures to ask with are too few, too small, of several sizes, or drawn by a function.
    """
    if extractor.classes or extractor.name == PIXELS:
        return extractor
    given = as_images(reference)
    if isinstance(given, Drawn):  # to ask for some would change which are drawn next
        return extractor
    # by class in the order of the files, the halves would hold other classes
    order = torch.randperm(len(given), generator=torch.Generator().manual_seed(0))
    order = order[: MOST if n is None else min(n, MOST)]
    rows, places = order.sort()
    parts = list(given.take(rows).batches(MOST))
    if not parts or len({part.shape[1:] for part in parts}) > 1:
        return extractor
    images = torch.cat(parts).cpu()
    if len(images) < LEAST or min(images.shape[2:]) < SMALLEST:
        return extractor
    known = None
    if len(images) == len(order):  # else some could not be read
        images = images[places.argsort()]
        known = labels[order].cpu() if labels is not None and len(labels) == len(given) else None
    result = _kept(extractor, images, known)
    if result is None or not result.orders:
        return extractor
    return replace(extractor, caveat=f"{extractor.caveat}; {result.words()}")


def _kept(extractor: Extractor, images: Tensor, labels: Tensor | None) -> Worth | None:
    """The answer from the cache, else asked and put there; None as of `assess`."""
    digest = hashlib.sha256(f"{FORMAT} {extractor.hash} {extractor.resize}".encode())
    digest.update(images.contiguous().numpy().data)
    digest.update(b"" if labels is None else labels.contiguous().numpy().data)
    path = cache.root(DataOptions()) / "worth" / f"{digest.hexdigest()[:24]}.json"
    with suppress(*unreadable()):
        saved = json.loads(path.read_bytes())
        return Worth(int(saved["images"]), {str(k): bool(v) for k, v in saved["orders"].items()})
    result = assess(extractor, images, labels)
    if result is not None:
        _keep(path, result)
    return result


def _keep(path: Path, result: Worth) -> None:
    """A cache that cannot be written makes the next call ask again, nothing else."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"images": result.images, "orders": result.orders}))
        temporary.replace(path)
