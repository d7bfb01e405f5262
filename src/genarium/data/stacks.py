"""Many images of one shape, from a reader through the cache, at flat memory.

The images are read twice, a block at a time: once to know them (their digests, which cut the splits
and make the identity; values that are not finite), once to write them into the cache. What was
learnt is remembered by the file's size and time of change, so that later verbs start at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache, labels, resize
from genarium.data.collection import Collection, Ends, Part, eight_bits, fingerprint
from genarium.data.files.opening import sound
from genarium.data.files.reader import Reader, settled
from genarium.data.formats import Bad
from genarium.data.index import Memory
from genarium.data.names import shown
from genarium.data.progress import bar
from genarium.data.registry import Request
from genarium.data.sizes import chosen_size
from genarium.data.splits import SPLITS, digest, divide
from genarium.errors import UserError

FRACTION = 0.1  # of validation and of test
FIRST = 5  # examples in a message

Opened = Callable[[], AbstractContextManager[Reader]]


class Survey(NamedTuple):
    """What is remembered of a file's images. bad: how many hold values that are not finite, with
    the numbers of the first. duplicates: how many are copies of another."""

    identity: str
    shape: tuple[int, int, int, int]
    dtype: str
    full: Ends | None
    unit: str
    notes: list[str]
    bad: int
    first: list[int]
    duplicates: int
    counts: dict[str, int]


@dataclass
class _Rows:
    """What is known of each image while the cache is built: its split ("" for one left out), and
    the CRC-32 of all."""

    splits: NDArray[np.str_]
    total: int
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]


def read_stack(
    name: str,
    request: Request,
    opened: Opened,
    memory: Memory | None = None,
) -> Collection:
    """The images that `opened` gives, from the cache or into it.

    memory: where what is known of a file is kept; None: nothing can be known without reading.
    UserError: the file cannot be used, too many images hold values that are not finite, or the
    cache cannot be written.
    """
    where, options = f"--data {request.label}", request.options
    rows: list[_Rows] = []
    try:
        survey = _recalled(memory)
        if survey is None:
            with opened() as reader, sound():
                survey, known = _survey(reader, request)
                rows.append(known)
            if memory is not None:
                memory.save(survey._asdict())
    except Bad as reason:
        raise UserError(f"{where}: {reason}") from None
    total = survey.shape[0]
    if survey.bad and (survey.bad == total or survey.bad / total > options.max_bad):
        first = ", ".join(map(str, survey.first))
        raise UserError(
            f"{where}: {survey.bad} of {total} images hold values that are not finite (image "
            f"{first}): replace them, or allow more than {100 * options.max_bad:g} % with --max-bad"
        )
    dtype = "uint8" if options.eight_bit and survey.dtype == "uint16" else survey.dtype
    (height, width), size_is = chosen_size({survey.shape[2:]: total}, options)
    channels = options.channels or survey.shape[1]
    resize.check_channels(survey.shape[1], channels)

    def fill(writer: cache.Writer) -> Collection:
        with opened() as reader, sound():
            if not rows:
                again, known = _survey(reader, request)
                if again.identity != survey.identity:
                    raise Bad("it changes while it is read; try again")
                rows.append(known)
            return _fill(writer, reader, rows[0], survey, request, (channels, height, width))

    try:
        stored = cache.obtain(
            options, name, (channels, height, width), survey.identity, fill, dtype
        )
    except Bad as reason:
        raise UserError(f"{where}: {reason}") from None
    chosen = {
        "size_is": size_is,
        "channels_are": "as asked for" if options.channels else "those of the file",
    }
    stored.info = {"name": shown(name), **_facts(survey, stored, chosen)}
    return stored


def _recalled(memory: Memory | None) -> Survey | None:
    if memory is None:
        return None
    with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):
        known = memory.recall()
        if known is not None:
            full = known["full"]
            ends = None if full is None else (tuple(full[0]), tuple(full[1]))
            return Survey(**{**known, "full": ends, "shape": tuple(known["shape"])})
    return None


def _survey(reader: Reader, request: Request) -> tuple[Survey, _Rows]:
    """Everything but the images."""
    reader, dtype = settled(reader)
    total = len(reader)
    digests: list[str] = []
    finite = np.ones(total, bool)
    check = 0
    with bar("reading images", total, request.progress) as advance:
        for start, images in reader.blocks():
            digests += [digest(image) for image in images]
            check = zlib.crc32(images.data, check)
            if dtype == "float32":
                finite[start : start + len(images)] = np.isfinite(images).all(axis=(1, 2, 3))
            advance(len(images))
    numbers: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    said = reader.labels() if callable(reader.labels) else reader.labels
    if said is not None:
        if said.ndim < 1 or len(said) != total:
            raise Bad(f"labels of shape {list(said.shape)} for {total} images: give one each")
        numbers, classes = labels.classes_of(said)
    kept = np.flatnonzero(finite)
    used = [digests[row] for row in kept]
    splits = np.full(total, "", "U10")
    splits[kept] = divide(used, {"validation": FRACTION, "test": FRACTION})
    whole = hashlib.sha256()
    for each in digests:
        whole.update(each.encode())
    if numbers is not None:
        whole.update(numbers.tobytes())
    full = None if reader.full is None else [list(end) for end in reader.full]
    identity = fingerprint(
        ["stack", whole.hexdigest(), list(classes), dtype, full, reader.unit, int((~finite).sum())]
    )
    survey = Survey(
        identity,
        reader.shape,
        dtype,
        reader.full,
        reader.unit,
        list(reader.notes),
        total - len(kept),
        [int(row) for row in np.flatnonzero(~finite)[:FIRST]],
        len(used) - len(set(used)),
        {split: int((splits == split).sum()) for split in SPLITS},
    )
    return survey, _Rows(splits, check, numbers, classes)


def _fill(
    writer: cache.Writer,
    reader: Reader,
    rows: _Rows,
    survey: Survey,
    request: Request,
    shape: tuple[int, int, int],
) -> Collection:
    options = request.options
    reader, _ = settled(reader)
    check = 0
    with bar("writing images", len(reader), request.progress) as advance:
        for start, images in reader.blocks():
            check = zlib.crc32(images.data, check)
            some = eight_bits(images) if options.eight_bit else images
            fitted = resize.fit_array(
                some, shape[1], shape[2], shape[0], options.fit, options.colour
            )
            homes = rows.splits[start : start + len(images)]
            for split in SPLITS:
                writer.append(split, fitted[homes == split])
            advance(len(images))
    if check != rows.total:
        raise Bad(
            "an image differs from one reading to the next: let it come to rest, and leave random "
            "changes of images to the training"
        )
    parts = {}
    for split in SPLITS:
        own = None if rows.labels is None else rows.labels[rows.splits == split]
        nothing = np.empty((survey.counts[split], 0, 0, 0), np.uint8)
        parts[split] = Part(nothing, own)
    full = None if options.eight_bit else survey.full
    return Collection(parts, rows.classes, full=full, unit=survey.unit)


def _facts(survey: Survey, stored: Collection, chosen: dict[str, str]) -> dict[str, Any]:
    warnings = []
    if survey.bad:
        few = ", ".join(map(str, survey.first))
        warnings.append(
            f"left out {survey.bad} of {survey.shape[0]} images with values that are not finite "
            f"(image {few})"
        )
    empty = [split for split in SPLITS if not survey.counts[split]]
    if empty:
        warnings.append(
            f"no image is left for {' and '.join(empty)} ({sum(survey.counts.values())} images): "
            "what is chosen or scored there stays without; add different images"
        )
    height, width = survey.shape[2:]
    return {
        "classes": list(stored.classes),
        "policy": chosen,
        "splits": "80/10/10 by the images' content",
        "skipped": {
            "count": survey.bad,
            "fraction": round(survey.bad / survey.shape[0], 6),
            "reasons": {"values that are not finite": survey.bad} if survey.bad else {},
            "first": [[f"image {row}", "values that are not finite"] for row in survey.first],
        },
        "ignored": 0,
        "duplicates": survey.duplicates,
        "overlap": 0,
        "read_as": [*survey.notes],
        "sizes": {"different": 1, "most_common": {f"{width}x{height}": survey.shape[0]}},
        "warnings": warnings,
    }
