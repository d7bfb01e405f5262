"""Where the buffers of a recorded network lie: the last step to a `Program`."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import torch

from genarium.models.autoregressive.fast.lowering import Recorder
from genarium.models.autoregressive.fast.program import Program
from genarium.models.autoregressive.fast.records import Buffer, Place, Record

ALIGNED = 16
"""Buffers begin at whole lines of the cache."""


def laid_out(recorder: Recorder, images: int) -> Program:
    """The program for groups of so many images."""
    early, pixels = recorder.early, recorder.pixels
    records = [record for _, _, record in (*early, *pixels)]
    width = recorder.width
    at, total = _offsets(records, len(early), recorder, images)
    dtype = recorder.like.dtype
    nothing = total  # zeros, for what adds nothing; products read and write whole vectors
    most = max(record.n for record in records) + 4 * recorder.lanes
    past = torch.zeros(nothing + most, dtype=dtype)
    for buffer, base in at.items():
        _, row, image, column = _strides(buffer, width, images)
        for line, first, values in buffer.start:
            begin = base + (line % buffer.rows) * row + (buffer.left + first) * column
            for b in range(1 if buffer.shared else images):
                here = begin + b * image
                past[here : here + values.numel()] = values.reshape(-1).to(dtype)

    def numbers(place: Place) -> list[int]:
        buffer = place.buffer
        if not buffer.channels:
            return [nothing, 1, 0, 0, 0, 0]
        rows, row, image, column = _strides(buffer, width, images)
        assert buffer.columns or not place.beside
        base = at[buffer] + (buffer.left + place.beside) * column + place.channel
        return [base, rows, place.above, row, image, column]

    table = [
        [r.kind, r.n, r.k, r.weight, r.flag]
        + [number for place in places(r) for number in numbers(place)]
        for r in records
    ]
    blocks, begin = [], 0
    for (over, since), entries in groupby((*early, *pixels), key=lambda entry: entry[:2]):
        end = begin + len([*entries])
        blocks.append([over, begin, end, since])
        begin = end
    return Program(
        np.array(table, dtype=np.int64),
        np.array(blocks, dtype=np.int64),
        recorder.weights_together(),
        past.numpy(),
    )


def places(record: Record) -> tuple[Place, ...]:
    return record.out, record.x, record.init, record.more, record.twin


def _strides(buffer: Buffer, width: int, images: int) -> tuple[int, int, int, int]:
    """Rows, and what lies between rows, images and columns."""
    if buffer.shared:
        return 1, 0, 0, 0
    columns = buffer.left + width + buffer.right if buffer.columns else 1
    image = columns * buffer.channels
    return buffer.rows, images * image, image, buffer.channels if buffer.columns else 0


def _offsets(
    records: list[Record], early: int, recorder: Recorder, images: int
) -> tuple[dict[Buffer, int], int]:
    """Where each buffer begins, and where the last one ends.

    What is written and read within a row's beginning, or within a pixel, shares room with what
    comes after it.
    """
    used: dict[Buffer, list[int]] = {}
    for index, record in enumerate(records):
        for place in places(record):
            if place.buffer.channels:
                used.setdefault(place.buffer, []).append(index)
    at: dict[Buffer, int] = {}
    free: list[tuple[int, int]] = []  # room, where
    taken: list[tuple[int, int, int]] = []  # until which record, room, where
    total = 0
    for buffer, indices in used.items():
        rows, row, *_ = _strides(buffer, recorder.width, images)
        room = buffer.channels if buffer.shared else row * rows
        room += -room % ALIGNED
        beside = buffer.left + buffer.right or buffer.start or buffer is recorder.image
        both = buffer.columns and indices[-1] >= early
        if buffer.shared or buffer.rows > 1 or beside or both:
            at[buffer], total = total, total + room
            continue
        free += [(size, where) for until, size, where in taken if until < indices[0]]
        taken = [entry for entry in taken if entry[0] >= indices[0]]
        fits = sorted(entry for entry in free if entry[0] >= room)
        if fits:
            free.remove(fits[0])
            room, at[buffer] = fits[0]
        else:
            at[buffer], total = total, total + room
        taken.append((indices[-1], room, at[buffer]))
    return at, total
