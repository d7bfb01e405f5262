"""What a network is lowered to, before its buffers have their places: see `program`."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from genarium.models.autoregressive.fast.program import ADD, POSITIVE, PRODUCT, RELU, TWICE


@dataclass(eq=False)
class Buffer:
    """Features of the group's images. rows: kept. columns: of the whole row, with `left` and
    `right` beyond its sides, or of the pixel at hand. start: (row, first column, values [.., C])
    that stand there before the first row. shared: one for all images."""

    channels: int
    rows: int = 1
    columns: bool = False
    left: int = 0
    right: int = 0
    start: list[tuple[int, int, Tensor]] = field(default_factory=list)
    shared: bool = False

    def see(self, above: int, left: int, right: int) -> None:
        """Keep what a kernel reads that reaches so far."""
        self.rows = max(self.rows, above + 1)
        self.columns = self.columns or max(above, left, right) > 0
        self.left, self.right = max(self.left, left), max(self.right, right)


@dataclass(frozen=True)
class Place:
    """Channels of a buffer from `channel` on, `above` (<= 0) rows and `beside` columns away."""

    buffer: Buffer
    channel: int = 0
    above: int = 0
    beside: int = 0


@dataclass
class Record:
    kind: int
    n: int
    out: Place
    x: Place
    init: Place
    more: Place
    twin: Place
    k: int = 0
    weight: int = 0
    flag: int = 0


Entry = tuple[int, int, Record]
"""What a record runs over, the first row in which it does, and the record."""


def fused(entries: list[Entry], everything: list[Entry]) -> list[Entry]:
    """The same in fewer records: what is added to a product, and max(0, x) of it, come with it."""
    readers: dict[Buffer, list[tuple[int, Place]]] = {}
    for _, _, record in everything:
        for place in {record.x, record.init, record.more} - {record.out}:
            readers.setdefault(place.buffer, []).append((record.kind, place))

    def alone(place: Place) -> bool:
        """Whether one record reads it, at its own pixel and of its own colour."""
        known = readers.get(place.buffer, [])
        at_pixel = all(kind != PRODUCT and not here.above for kind, here in known)
        return at_pixel and [here for _, here in known].count(place) == 1

    results: list[Entry] = []
    for entry in entries:
        last, record = results[-1] if results else None, entry[2]
        product = record if last is None or last[:2] != entry[:2] else last[2]
        if product.kind != PRODUCT or product.flag or product.n != record.n:
            results.append(entry)
            continue
        only = alone(product.out)
        if record.kind == RELU and record.x == product.out:
            product.flag = POSITIVE if only else TWICE
            if only:
                product.out = record.out
            else:
                product.twin = record.out
        elif record.kind == ADD and product.out in (record.x, record.init) and only:
            other = record.init if record.x == product.out else record.x
            if product.more.buffer.channels:
                results.append(entry)
            else:
                product.more, product.out = other, record.out
        else:
            results.append(entry)
    return results
