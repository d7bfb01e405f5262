"""Lowers a causal network to a `Program`: its own forward pass is run once a colour, on paper.

The network is handed a `Recorder` where the PyTorch sampler hands it a `Wavefront`, and a `Column`
where that has the features of the pixels at the front. What it does with them is written down as
records. So there is one description of each architecture, and one that uses only what is known here
needs no line in this file; anything else raises `Unknown`.

What depends on rows above alone (a vertical stack, the upper rows of each kernel) is computed for
all columns when a row begins; the rest pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.models.autoregressive.fast import program as p
from genarium.models.autoregressive.fast.program import Floats
from genarium.models.autoregressive.fast.records import Buffer, Entry, Place, Record, fused
from genarium.models.autoregressive.fast.recurrent import LAYERS
from genarium.models.autoregressive.fast.vectors import VECTOR_BYTES
from genarium.models.autoregressive.masked import MaskedConv2d


class Unknown(Exception):
    """The network does what no record says."""


@dataclass(frozen=True)
class Column:
    """Features of the pixel at hand, in place of a Tensor [.., channels of the colour].

    n: channels of the colour. grouped: there is such a run for each colour. early: known for all
    columns when the row begins. how: what has been done to it that is not yet written down.
    """

    recorder: Recorder
    place: Place
    n: int
    grouped: bool
    early: bool = False
    how: str = ""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Column:
        x = args[0]
        if func is F.relu and not x.how:
            return x.recorder.elementwise(p.RELU, x)
        if func in (torch.tanh, torch.sigmoid) and x.how in ("first", "second"):
            return replace(x, how=f"{func.__name__} of the {x.how}")
        raise Unknown(str(func))

    def chunk(self, parts: int, dim: int) -> tuple[Column, Column]:
        if parts != 2 or dim != 1 or self.how:
            raise Unknown("chunk")
        return replace(self, how="first"), replace(self, how="second")

    def __mul__(self, other: Column) -> Column:
        if (self.how, other.how) != ("tanh of the first", "sigmoid of the second"):
            raise Unknown("a product")
        if self.place != other.place:
            raise Unknown("a gate of two")
        return self.recorder.elementwise(p.GATE, replace(self, how=""))

    def __add__(self, other: Column) -> Column:
        if self.how or other.how or self.n != other.n:
            raise Unknown("a sum")
        return self.recorder.elementwise(p.ADD, self, other)

    add_ = __add__

    def __getattr__(self, name: str) -> Any:
        raise Unknown(name)


class Recorder:
    """What a network's forward pass writes its records into; it stands where a `Wavefront` does."""

    def __init__(self, colours: int, height: int, width: int, outputs: int, like: Tensor):
        self.colours, self.height, self.width = colours, height, width
        self.outputs, self.like, self.colour = outputs, like, 0
        self.lanes = VECTOR_BYTES // like.element_size()
        self.early: list[Entry] = []  # when a row begins
        self.pixels: list[Entry] = []
        self.weights: list[Tensor] = []
        self.packed = 0
        self.image = Buffer(colours, columns=True)
        self.nothing = Place(Buffer(0))
        self._made: list[Any] = []
        self._next = 0

    @torch.inference_mode()
    def record(self, network: Callable[..., Any]) -> None:
        """Run the network's forward pass, once for each colour."""
        drawn = Column(self, Place(self.image), 1, self.colours > 1)
        for colour in range(self.colours):
            self.colour, self._next = colour, 0
            result = network(drawn, self)
            if not isinstance(result, Column) or result.how or result.n != self.outputs:
                raise Unknown("other outputs")
            self.add(p.DRAW, 1, Place(self.image, self.colour), result.place, flag=self.colour)
        whole = self.early + self.pixels
        self.early, self.pixels = (fused(part, whole) for part in (self.early, self.pixels))

    # -- what a layer of a network calls ----------------------------------------------------------

    def convolve(self, conv: MaskedConv2d, x: Column) -> Column:
        source = self.image if conv.reads_image else x.place.buffer
        grouped = conv.out_colours > 1
        early = conv.mask_kind == "VA" or (x.early and not conv.reads_image)
        if x.how or conv.in_channels != source.channels or (conv.mask_kind == "VB" and not x.early):
            raise Unknown("a convolution")
        if self.colours > 1 and not conv.reads_image and x.grouped != (conv.in_colours > 1):
            raise Unknown("colours that are kept apart no more")
        result = self.column(conv.out_channels, grouped, early)
        if self.colour and not grouped:
            return result
        weight, seen = conv.masked_weight(), conv.mask
        bias: Tensor | None = conv.bias
        if self.colours > 1:  # the channels lie colour by colour
            mine = conv.out_groups == (self.colour if grouped else 0)
            order = torch.argsort(conv.in_groups, stable=True)
            weight = weight[mine][:, order]
            bias = None if bias is None else bias[mine]
            seen = None if seen is None else seen[mine][:, order]
        pieces = _pieces(conv, seen)
        for piece in pieces:
            source.see(-piece.above, -piece.first, piece.last)
        before = self.constant(weight.new_zeros(len(weight)) if bias is None else bias)
        upper = [piece for piece in pieces if piece.above < 0 or early]
        own = [piece for piece in pieces if piece not in upper]
        if upper and not early:
            kept = self.column(conv.out_channels, grouped, True)
            before = self._products(p.ALL_COLUMNS, upper, weight, source, before, kept.place)
        over = p.ALL_COLUMNS if early else p.PIXELS
        self._products(over, own or (upper if early else []), weight, source, before, result.place)
        return result

    def add_table(self, x: Column, table: Tensor, colours: int, labels: Tensor | None) -> Column:
        """x + table [K,H·W,C] at this pixel, of the label or (labels None) its only row."""
        mine = table.detach().chunk(colours, dim=2)[min(self.colour, colours - 1)]
        if x.early or x.how or mine.shape[2] != x.n or (colours > 1) != x.grouped:
            raise Unknown("a table")
        result = self.column(table.shape[2], x.grouped, False)
        flag = int(labels is not None)
        self.add(p.TABLE, x.n, result.place, x.place, weight=self.keep(mine), flag=flag)
        return result

    def advance(self, layer: nn.Module, gates: Column) -> Column:
        """An LSTM layer whose input's part the gates are; see `recurrent`."""
        lower = LAYERS.get(type(layer))
        if lower is None:
            raise Unknown(type(layer).__name__)
        return lower(self, layer, gates)

    def elementwise(self, kind: int, x: Column, other: Column | None = None) -> Column:
        early = x.early and (other is None or other.early)
        if other is not None and self.colours > 1 and x.grouped != other.grouped:
            raise Unknown("colours of two kinds")
        n = x.n // 2 if kind == p.GATE else x.n
        result = self.column(n * (self.colours if x.grouped else 1), x.grouped, early)
        if not self.colour or x.grouped:
            init = self.nothing if other is None else other.place
            over = p.ALL_COLUMNS if early else p.PIXELS
            self.add(kind, n, result.place, x.place, init, over=over)
        return result

    # -- writing records --------------------------------------------------------------------------

    def buffer(self, channels: int, rows: int = 1, **what: Any) -> Buffer:
        """The buffer that is made here, the same one for each colour."""
        if self._next == len(self._made):
            self._made.append(Buffer(channels, rows, **what))
        self._next += 1
        made: Buffer = self._made[self._next - 1]
        return made

    def column(self, channels: int, grouped: bool, early: bool = False) -> Column:
        """What a layer gives, of this colour."""
        run = channels // self.colours if grouped else channels
        place = Place(self.buffer(channels, columns=early), run * self.colour if grouped else 0)
        return Column(self, place, run, grouped, early)

    def constant(self, values: Tensor) -> Place:
        return Place(Buffer(len(values), shared=True, start=[(0, 0, values.detach()[None])]))

    def keep(self, values: Tensor) -> int:
        """Where in the weights these now are."""
        self.weights.append(values.detach().reshape(-1))
        self.packed += values.numel()
        return self.packed - values.numel()

    def weights_together(self) -> Floats:
        if len(self.weights) > 1:
            self.weights = [torch.cat(self.weights).to(self.like.dtype)]
        together: Floats = self.weights[0].numpy()
        return together

    def add(
        self, kind: int, n: int, out: Place, x: Place, init: Place | None = None,
        more: Place | None = None, *, over: int | None = None, since: int = 0, **what: int,
    ) -> None:  # fmt: skip
        none = self.nothing
        record = Record(kind, n, out, x, init or none, more or none, none, **what)
        over = p.PIXELS if over is None else over
        (self.pixels if over == p.PIXELS else self.early).append((over, since, record))

    def product(
        self, over: int, weight: Tensor, out: Place, x: Place, init: Place | None, since: int = 0
    ) -> None:
        """out = init + weight [n,k] · x. Packed by vectors of outputs: [n/L,k,L], zero beyond n."""
        n, k = weight.shape
        lines = F.pad(weight, (0, 0, 0, -n % self.lanes)).view(-1, self.lanes, k)
        at = self.keep(lines.transpose(1, 2).contiguous())
        init = self.constant(weight.new_zeros(n)) if init is None else init
        self.add(p.PRODUCT, n, out, x, init, over=over, since=since, k=k, weight=at)

    def _products(
        self,
        over: int,
        pieces: list[_Piece],
        weight: Tensor,
        source: Buffer,
        before: Place,
        out: Place,
    ) -> Place:
        """out = before + the kernel's rows `pieces`; weight: [n, in, rows, columns]."""
        if not pieces:
            self.add(p.COPY, len(weight), out, before, over=over)
        for piece in pieces:
            taps = slice(piece.taps.start, piece.taps.stop)
            own = weight[:, :, piece.index, taps].transpose(1, 2).flatten(1)[:, : piece.k]
            self.product(over, own, out, Place(source, 0, piece.above, piece.first), before)
            before = out
        return out


@dataclass(frozen=True)
class _Piece:
    """A part of a kernel's row whose inputs lie side by side: `k` of them, from column `first`.

    index, taps: where in the kernel.
    """

    above: int
    index: int
    taps: range
    first: int
    last: int
    k: int


def _pieces(conv: MaskedConv2d, seen: Tensor | None) -> list[_Piece]:
    """seen: the mask, [out, in, rows, columns]; of the last column of a piece only the first
    channels are."""
    channels, results = conv.in_channels, []
    if seen is None:
        lengths = [[channels] * len(conv.columns) for _ in conv.rows]
    else:  # of each tap the last channel that any output sees
        numbers = torch.arange(1, channels + 1, dtype=seen.dtype)[:, None, None]
        lengths = (seen.amax(0) * numbers).amax(0).long().tolist()
    for index, above in enumerate(conv.rows):
        begin = 0
        for tap, k in enumerate(lengths[index]):
            more = tap + 1 < len(conv.columns) and lengths[index][tap + 1] > 0
            if conv.dilation == 1 and k == channels and more:
                continue  # goes on in the next column
            if k or begin < tap:
                taps = range(begin, tap + 1 if k else tap)
                first, last = conv.columns[taps[0]], conv.columns[taps[-1]]
                length = (tap - begin) * channels + k
                results.append(_Piece(above, index, taps, first, last, length))
            begin = tap + 1
    return results
