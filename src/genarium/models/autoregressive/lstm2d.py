"""LSTMs that scan an image: the layers of PixelRNN (van den Oord, Kalchbrenner, Kavukcuoglu 2016).

Both add, for every pixel, a masked convolution of the layer's input and a linear map of the hidden
states of pixels before it, and apply one LSTM cell to the sum:

    (o, f, i, g) = K_is * x + Σ_taps K_ss·h_tap + b
    c' = σ(f)·c + σ(i)·tanh(g),    h = σ(o)·tanh(c')

`RowLSTM` goes from row to row, all columns at once; its taps are the three nearest pixels of the
row above, so its context is a triangle. `DiagonalBiLSTM` goes from diagonal to diagonal, all
pixels of one at once, from either upper corner; its taps are the pixel above and the one beside,
so its context is the whole past.

The input's part is one convolution of the whole map, outside of the recurrence. The four gates are
kept apart by colour, like all features (see `masked`): the input's part has mask B, the taps are
past pixels and are seen in all colours.

Features lie as [H,W,B,C]: the pixels of a row or a diagonal are then lines of one matrix, and a
shift by a column is a view. With a `Wavefront` they are its columns, as in `masked`.

Shapes: B batch · h hidden channels · n pixels of one step
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.models.autoregressive.masked import MaskedConv2d, colour_groups
from genarium.models.autoregressive.wavefront import Recurrent, Wavefront


class MaskedLine(MaskedConv2d):
    """A masked convolution along the own row, mask B: [H,W,B,into] -> [H,W,B,out].

    colours: 3 where R → G → B are kept apart, else 1. parts: segments of the output's channels.
    One matrix product, for the taps of a pixel lie side by side.
    """

    def __init__(self, into: int, out: int, kernel_size: int = 1, *, colours: int, parts: int = 1):
        super().__init__(
            into,
            out,
            kernel_size,
            horizontal=True,
            in_colours=colours,
            out_colours=colours,
            out_parts=parts,
        )

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        if front is not None:
            return front.convolve(self, x)
        width = x.shape[1]
        shifted = [F.pad(x, (0, 0, 0, 0, -column, 0))[:, :width] for column in self.columns[:-1]]
        taps = torch.cat([*shifted, x], dim=3) if shifted else x
        return F.linear(taps, self.masked_weight().permute(0, 2, 3, 1).flatten(1), self.bias)


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Gates (o, f, i, g) [..,4h] and the cell before [..,h] -> hidden state and cell, [..,h]."""
    hidden = cell.shape[-1]
    switches, content = gates.split((3 * hidden, hidden), dim=-1)
    o, f, i = torch.sigmoid(switches).split(hidden, dim=-1)
    cell = f * cell + i * torch.tanh(content)
    return o * torch.tanh(cell), cell


def _recurrent_weight(*shape: int) -> nn.Parameter:
    """[.., taps, h, 4h], uniform as in PyTorch's layers."""
    bound = 1.0 / math.sqrt(shape[-3] * shape[-2])
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class RowLSTM(Recurrent):
    """A scan from the top row to the bottom one: [H,W,B,channels] -> [H,W,B,h].

    A row's gates see its own pixels (c - 1, c) and the hidden states of (c - 1, c, c + 1) in the
    row above, zero beyond the sides. The states above the first row are learned.
    channels: of the input. hidden: h. colours: 3 where R → G → B are kept apart, else 1.
    """

    def __init__(self, channels: int, hidden: int, *, colours: int = 1):
        super().__init__()
        self.hidden, self.colours = hidden, colours
        self.input = MaskedLine(channels, 4 * hidden, 3, colours=colours, parts=4)
        self.state = _recurrent_weight(3, hidden, 4 * hidden)
        self.start = nn.Parameter(torch.zeros(2, hidden))  # hidden state and cell

    def lag(self, width: int) -> int:
        return 2  # the pixel above on the right must be there

    def remember(self, front: Wavefront) -> _Triangle:
        return _Triangle(front, self)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        gates = self.input(x, front)
        if front is not None:
            return front.advance(self, gates)
        _, width, batch, _ = gates.shape
        rows = gates.flatten(1, 2)  # [H, W·B, 4h]: a column is B lines
        h, c = (start.expand(width * batch, -1) for start in self.start)
        results = []
        for row in rows.unbind():
            above = F.pad(h, (0, 0, batch, batch))
            for tap, weight in enumerate(self.state):
                seen = above[tap * batch : (tap + width) * batch]
                row = torch.addmm(row, seen, weight)
            h, c = lstm_cell(row, c)
            results.append(h)
        return torch.stack(results).unflatten(1, (width, batch))


class DiagonalBiLSTM(Recurrent):
    """Two scans along the diagonals, one from either side: [H,W,B,channels] -> [H,W,B,h].

    From the left, pixel (r, c) sees the hidden states of (r - 1, c) and (r, c - 1), and continues
    the cell of (r, c - 1); so all pixels with the same r + c are independent given those before.
    From the right it is the mirror image. That state has seen the pixels to the right, so it is
    moved down by one row before the two are added. The states outside of the image are learned.
    channels: of the input. hidden: h of each scan. colours: 3 where R → G → B are kept apart.
    """

    def __init__(self, channels: int, hidden: int, *, colours: int = 1):
        super().__init__()
        self.hidden, self.colours = hidden, colours
        self.input = MaskedLine(channels, 2 * 4 * hidden, colours=colours, parts=2 * 4)
        # From the left and from the right; the pixel above and the one beside.
        self.state = _recurrent_weight(2, 2, hidden, 4 * hidden)
        self.start = nn.Parameter(torch.zeros(2, 2, hidden))  # hidden state and cell of each

    def lag(self, width: int) -> int:
        return width  # the scan from the right needs whole rows

    def remember(self, front: Wavefront) -> _Scans:
        return _Scans(front, self)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        if front is not None:
            return front.advance(self, self.input(x, front))
        height, width, batch, channels = x.shape
        left, right = order = _diagonals(height, width, x.device)
        # Both scans in one recurrence, on the pixels diagonal by diagonal.
        lines = x.flatten(0, 1).index_select(0, order.flatten()).view(2, -1, channels)
        weight = self.input.masked_weight().view(2, -1, channels).transpose(1, 2)
        assert self.input.bias is not None
        gates = torch.baddbmm(self.input.bias.view(2, 1, -1), lines, weight)
        hidden = self._scan(gates.unflatten(1, (-1, batch)), height, width)
        from_left = hidden[0].index_select(0, left.argsort())
        from_right = hidden[1].index_select(0, right.argsort()[: (height - 1) * width])
        out = from_left + F.pad(from_right, (0, 0, 0, 0, width, 0))
        return out.unflatten(0, (height, width))

    def _scan(self, gates: Tensor, height: int, width: int) -> Tensor:
        """[2,H·W,B,4h] -> the hidden states [2,H·W,B,h], diagonal by diagonal."""
        batch = gates.shape[2]
        # [2,1,B,h]
        h_start, c_start = self.start[:, :, None, None].expand(-1, -1, 1, batch, -1).unbind(1)
        above, beside = self.state.unbind(1)
        rows = [_rows(step, height, width) for step in range(height + width - 1)]
        results: list[Tensor] = []
        h = c = h_start[:, :0]
        for (low, high), own in zip(rows, gates.split([b - a for a, b in rows], 1), strict=True):
            # The diagonal before, from row low - 1 to row high - 1. Its first row may have been
            # the last pixel of that row, and its last row may not have begun.
            new = high - low > c.shape[1] - (low > 0)
            h = torch.cat([h_start] * (low == 0) + [h] + [h_start] * new, dim=1)
            c = c[:, 1:] if low > 0 else c
            c = torch.cat([c, c_start], dim=1) if new else c
            sums = torch.baddbmm(own.flatten(1, 2), h[:, :-1].flatten(1, 2), above)
            sums = torch.baddbmm(sums, h[:, 1:].flatten(1, 2), beside)
            h, c = lstm_cell(sums.view_as(own), c)
            results.append(h)
        return torch.cat(results, dim=1)


def _rows(step: int, height: int, width: int) -> tuple[int, int]:
    """The rows low .. high-1 that have a pixel on the diagonal r + c = step."""
    return max(0, step - width + 1), min(height, step + 1)


def _diagonals(height: int, width: int, device: torch.device) -> Tensor:
    """[2,H·W] int64: the pixels r·W + c by r + c, then r; and their mirror images."""
    row = torch.arange(height, device=device)[:, None]
    column = torch.arange(width, device=device)
    left = ((row + column) * height + row).flatten().argsort()
    return torch.stack([left, left + (width - 1) - 2 * (left % width)])


# ------------------------------------------------------------------- the pixels of a wavefront


class _Triangle:
    """The states of a `RowLSTM` in a run of the sampler: each pixel's is computed once and kept."""

    def __init__(self, front: Wavefront, layer: RowLSTM):
        self.front, self.run = front, layer.hidden // layer.colours
        order = by_colour(4 * layer.hidden, layer.colours)
        self.weight = layer.state.detach().flatten(0, 1)[:, order]  # [3h, 4h]
        # Zero beyond the sides: a margin of a column at either one, and a row above.
        self.line = front.width + 2
        states = layer.start.new_zeros(2, front.height + 1, self.line, front.batch, layer.hidden)
        states[:, 0, 1:-1] = layer.start.detach()[:, None, None]
        self.hidden, self.cell = states.flatten(1, 2)  # [pixels, B, h]
        self.taps = torch.arange(-1, 2, device=front.device) - self.line
        self.pushed = self.before = self.weight.new_zeros(0)

    def advance(self, gates: Tensor) -> Tensor:
        """What the input says, [n·B,4h of the colour] -> hidden states, [n·B,h of the colour]."""
        front, run = self.front, self.run
        low, high = front.rows_at(front.step)
        rows = torch.arange(low, max(low, high), device=front.device)
        at = (rows + 1) * self.line + front.step - front.lag * rows + 1
        if front.colour == 0:  # the past is complete in all colours
            seen = self.hidden[at[:, None] + self.taps]  # [n, 3, B, h]
            self.pushed = seen.transpose(1, 2).flatten(2).flatten(0, 1) @ self.weight
            self.before = self.cell[at - self.line].flatten(0, 1)
        mine = slice(front.colour * run, (front.colour + 1) * run)
        sums = gates + self.pushed[:, 4 * mine.start : 4 * mine.stop]
        hidden, cell = lstm_cell(sums, self.before[:, mine])
        self.hidden[at, :, mine] = hidden.view(len(at), front.batch, run)
        self.cell[at, :, mine] = cell.view(len(at), front.batch, run)
        return hidden


class _Scans:
    """Both scans of a `DiagonalBiLSTM` in a run of the sampler, one pixel a step.

    The scan from the right follows by whole rows, when the row above a new one is complete.
    """

    def __init__(self, front: Wavefront, layer: DiagonalBiLSTM):
        self.front, self.run = front, layer.hidden // layer.colours
        order = by_colour(4 * layer.hidden, layer.colours)
        self.restore = order.argsort()
        state, self.start = layer.state.detach(), layer.start.detach()
        self.above, self.beside = state[0][..., order]
        self.right_above, self.right_beside = state[1]
        shape = (front.width, front.batch, layer.hidden)
        self.left = self.start[0, 0].repeat(*shape[:2], 1)  # of the row above, then of this one
        self.right = self.start[1, 0].expand(shape)  # of the row above
        self.moved = self.start.new_zeros(shape)  # the same, but zero above the first row
        self.gates = self.start.new_zeros(*shape[:2], 4 * layer.hidden)  # from the right, this row
        self.cell = self.before = self.pushed = self.start.new_zeros(0)
        self.up = self.pushed

    def advance(self, gates: Tensor) -> Tensor:
        """What the input says, [B,8h of the colour] -> hidden states, [B,h of the colour]."""
        front, run = self.front, self.run
        low, high = front.rows_at(front.step)
        if low >= high:
            return gates[:, :run]
        column = front.step - front.lag * low
        if front.colour == 0:
            if column == 0:
                if low > 0:
                    self._scan_from_right()
                self.up = self.left @ self.above
                beside, self.cell = (start.expand(front.batch, -1) for start in self.start[0])
            else:
                beside = self.left[column - 1]
            self.pushed = torch.addmm(self.up[column], beside, self.beside)
            self.before, self.cell = self.cell, torch.empty_like(self.left[0])
        mine = slice(front.colour * run, (front.colour + 1) * run)
        of_gates = slice(4 * mine.start, 4 * mine.stop)
        from_left, self.gates[column, :, of_gates] = gates.chunk(2, dim=1)
        hidden, self.cell[:, mine] = lstm_cell(
            from_left + self.pushed[:, of_gates], self.before[:, mine]
        )
        self.left[column, :, mine] = hidden
        return hidden + self.moved[column, :, mine]

    def _scan_from_right(self) -> None:
        """The states of the row that has just been completed, from the right end to the left."""
        sums = self.gates[..., self.restore] + self.right @ self.right_above
        h, c = (start.expand(self.front.batch, -1) for start in self.start[1])
        results = []
        for own in reversed(sums.unbind()):
            h, c = lstm_cell(torch.addmm(own, h, self.right_beside), c)
            results.append(h)
        self.right = self.moved = torch.stack(results[::-1])


def by_colour(gates: int, colours: int) -> Tensor:
    """The order that turns four segments of C colours into C segments of four gates."""
    return colour_groups(gates, colours, 4).argsort(stable=True)
