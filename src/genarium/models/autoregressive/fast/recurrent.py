"""LSTM layers as records; see `lstm2d`, whose names these are.

What the states of the row above add to the gates is computed for all columns when a row begins, and
so is the whole scan from the right, which follows a row behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genarium.models.autoregressive.fast.program import (
    ADD,
    ALL_COLUMNS,
    CELL,
    COPY,
    FROM_RIGHT,
    PIXELS,
)
from genarium.models.autoregressive.fast.records import Place
from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM, RowLSTM, by_colour

if TYPE_CHECKING:
    from genarium.models.autoregressive.fast.lowering import Column, Recorder


def row_lstm(recorder: Recorder, layer: RowLSTM, gates: Column) -> Column:
    h, run = layer.hidden, layer.hidden // layer.colours
    result, sums = recorder.column(h, gates.grouped), recorder.column(4 * h, gates.grouped)
    above = recorder.column(4 * h, gates.grouped, early=True)
    hidden, cells = result.place.buffer, recorder.buffer(h, rows=2, columns=True)
    if not recorder.colour:  # then the past is complete in all colours
        for buffer, start in ((hidden, layer.start[0]), (cells, layer.start[1])):
            buffer.start.append((-1, 0, start.detach().expand(recorder.width, h)))
        hidden.see(1, 1, 1)
        weight = layer.state.detach().flatten(0, 1)[:, by_colour(4 * h, layer.colours)]
        recorder.product(
            ALL_COLUMNS, weight.t(), Place(above.place.buffer), Place(hidden, 0, -1, -1), None
        )
    mine = recorder.colour * run
    recorder.add(ADD, 4 * run, sums.place, gates.place, above.place)
    recorder.add(CELL, run, result.place, sums.place, Place(cells, mine, -1), Place(cells, mine))
    return result


def diagonal(recorder: Recorder, layer: DiagonalBiLSTM, gates: Column) -> Column:
    """The gates of a colour: those from the left, then those from the right."""
    h, run = layer.hidden, layer.hidden // layer.colours
    result, sums = recorder.column(h, gates.grouped), recorder.column(4 * h, gates.grouped)
    above = recorder.column(4 * h, gates.grouped, early=True)
    pushed = recorder.column(4 * h, gates.grouped)
    left = recorder.buffer(h, rows=2, columns=True, left=1)
    cells = recorder.buffer(h, columns=True, left=1)
    moved = recorder.buffer(h, columns=True)  # the states from the right, zero above the first row
    right, right_cells = (recorder.buffer(h, columns=True, right=1) for _ in range(2))
    right_sums = recorder.buffer(4 * h, columns=True)
    if not recorder.colour:
        width, start = recorder.width, layer.start.detach()
        gates.place.buffer.columns = True  # the scan from the right reads them at the row's end
        left.start.append((-1, -1, start[0, 0].expand(width + 1, h)))
        left.start.append((0, -1, start[0, 0][None]))
        cells.start.append((0, -1, start[0, 1][None]))
        right.start.append((0, 0, start[1, 0].expand(width + 1, h)))
        right_cells.start.append((0, width, start[1, 1][None]))

        order = by_colour(4 * h, layer.colours)
        weights = layer.state.detach()[..., order].transpose(2, 3)  # [2,2,4h,h]
        from_above = Place(above.place.buffer)
        recorder.product(ALL_COLUMNS, weights[0, 0], from_above, Place(left, 0, -1), None)
        everything = Place(pushed.place.buffer)
        recorder.product(PIXELS, weights[0, 1], everything, Place(left, 0, 0, -1), from_above)

        for at in range(0, 4 * h, 4 * run):
            said = Place(gates.place.buffer, 2 * at + 4 * run)
            own, out = weights[1, 0][at : at + 4 * run], Place(right_sums, at)
            recorder.product(ALL_COLUMNS, own, out, Place(right), said, since=1)
        sums_here = Place(right_sums)
        recorder.product(
            FROM_RIGHT, weights[1, 1], sums_here, Place(right, 0, 0, 1), sums_here, since=1
        )
        for at in range(0, h, run):
            before, now = Place(right_cells, at, 0, 1), Place(right_cells, at)
            here, there = Place(right_sums, 4 * at), Place(right, at)
            recorder.add(CELL, run, there, here, before, now, over=FROM_RIGHT, since=1)
        recorder.add(COPY, h, Place(moved), Place(right), over=ALL_COLUMNS, since=1)
    mine = recorder.colour * run
    recorder.add(ADD, 4 * run, sums.place, gates.place, pushed.place)
    now = Place(left, mine)
    recorder.add(CELL, run, now, sums.place, Place(cells, mine, 0, -1), Place(cells, mine))
    recorder.add(ADD, run, result.place, now, Place(moved, mine))
    return result


LAYERS: dict[type, Callable[[Recorder, Any, Column], Column]] = {
    RowLSTM: row_lstm,
    DiagonalBiLSTM: diagonal,
}
