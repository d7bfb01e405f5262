"""Parquet files with images, single or in a folder, as the Hugging Face hub keeps data sets."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genarium.data import labels
from genarium.data.addresses import address
from genarium.data.collection import Collection, fingerprint
from genarium.data.files.parquet import Shards
from genarium.data.filesets import read_indexed
from genarium.data.formats import Bad
from genarium.data.index import Index
from genarium.data.names import shown
from genarium.data.registry import Request, source
from genarium.data.scan import PARQUET, Scan, ScannedFile
from genarium.data.text import clean
from genarium.errors import UserError


def _is_parquet(text: str) -> bool:
    named = address(text)
    with contextlib.suppress(OSError):
        return named is not None and named.path.suffix.lower() == PARQUET and named.path.is_file()
    return False


@source(
    "PARQUET",
    summary="a .parquet file with a column of images, or a folder of them, as on the HF hub",
    licence="yours",
    matches=_is_parquet,
    positional="image",
)
def parquet(request: Request, *, image: str = "", label: str = "") -> Collection:
    """A parquet file named by its path.

    image, label: the columns; default: those that the file says, or the only ones that may be.
    """
    named = address(request.source)
    assert named is not None
    return read(
        named.path.name, [ScannedFile(str(named.path), named.path.name)], request, image, label
    )


def read(
    name: str, tables: Sequence[ScannedFile], request: Request, image: str, label: str
) -> Collection:
    """The images of parquet files, from the cache or into it, with their labels and captions."""
    try:
        shards = Shards(tables, image, label)
        how = f"{shards.columns.image}"
        index = Index(Path(tables[0].file).parent / how, request.options, bytes=shards.content)
        collection = read_indexed(name, Scan(files=shards.rows), index, request)
        collection = _labelled(collection, shards)
        return _captioned(collection, shards)
    except Bad as reason:
        raise UserError(f"--data {request.label}: {reason}") from None


def _places(collection: Collection, shards: Shards) -> dict[str, list[int]]:
    """The row of each image, by split."""
    place = {row.name: number for number, row in enumerate(shards.rows)}
    return {
        split: [place[name] for name in part.names or ()]
        for split, part in collection.parts.items()
    }


def _labelled(collection: Collection, shards: Shards) -> Collection:
    column = shards.columns.label
    if not column:
        return collection
    known = shards.columns.names
    values = shards.values(column)
    rows = _places(collection, shards)
    used = [values[row] for each in rows.values() for row in each]
    missing = sum(value is None or value == -1 for value in used)
    if missing:
        words = f"column {shown(column)} has no label for {missing} images: none are used"
        info = {**collection.info, "warnings": [*collection.info.get("warnings", ()), words]}
        return replace(collection, info=info)
    numbers: Any
    if known:
        numbers, classes = np.array(used), tuple(map(shown, known))
        if (
            numbers.dtype.kind not in "iu"
            or numbers.min(initial=0) < 0
            or (numbers.max(initial=0) >= len(known))
        ):
            raise Bad(f"column {shown(column)} holds other labels than the {len(known)} it names")
    else:
        numbers, classes = labels.classes_of(np.array(used))
    parts, at = {}, 0
    for split, part in collection.parts.items():
        own = numbers[at : at + len(part)].astype(np.int64)
        at += len(part)
        parts[split] = replace(part, labels=own)
    info = {**collection.info, "classes": list(classes)}
    identity = fingerprint([collection.identity, list(classes), [int(n) for n in numbers]])
    return replace(collection, parts=parts, classes=classes, info=info, identity=identity)


def _captioned(collection: Collection, shards: Shards) -> Collection:
    column = shards.columns.caption
    if not column:
        return collection
    texts = [clean(value) if isinstance(value, str) else "" for value in shards.values(column)]
    rows = _places(collection, shards)
    parts = {
        split: replace(part, captions=[texts[row] for row in rows[split]])
        for split, part in collection.parts.items()
    }
    every = [caption for part in parts.values() for caption in part.captions or ()]
    without = sum(not caption for caption in every)
    facts = {"from": f"column {shown(column)}", "images": len(every) - without, "without": without}
    identity = fingerprint([collection.identity, [part.captions for part in parts.values()]])
    info = {**collection.info, "captions": facts}
    return replace(collection, parts=parts, info=info, identity=identity)
