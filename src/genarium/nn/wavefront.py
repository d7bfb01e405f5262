"""Exact ancestral sampling by the wavefront: the naive samples, at about the cost of one pass.

Pixel (r, c) sees in row r - 1 no further right than column c + reach. So with a lag of
reach + 1 columns a row, all pixels with c + lag·r = t are independent given those with a
smaller t, and are drawn in one step: W + lag·(H - 1) steps instead of H·W. Every feature of
every pixel is computed once, in the step at which it is first needed, and kept for as long as
later steps read it.

Layout. Features lie where a convolution needs no gather: what the pixel of row r has at step
s = c + lag·r is kept in slot s of that row, [row, B, slot, channel]. The tap (dr, dc) of all
pixels at the front is then slot t + dc + lag·dr of the rows shifted by dr, the taps of one
kernel row are neighbours in memory, and all of them are one strided matrix, which goes into a
matrix product as it lies. Slots form a ring, written twice so that no window of it is broken.

Features that see rows above only (a vertical stack) may be read to the right of the drawn pixel.
They run `ahead` of the front by as many columns as later layers reach; see `MaskedConv2d.ahead`.

Colours: a step has one sub-step for each of R, G, B. Sub-step g computes the channels of colour
group g in every layer, so that the three together cost one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genarium.nn.masked import MaskedConv2d

Network = Callable[..., Tensor]
"""network(x, front=None): a causal network whose only spatial layers are `MaskedConv2d`s and
`Recurrent` ones."""

Choose = Callable[[Tensor, Tensor], Tensor]
"""choose(outputs [M,O] of one colour, uniform noise [M]) -> grey levels [M] int64."""

Embed = Callable[[Tensor], Tensor]
"""embed(levels int64) -> the floats that the network reads, same shape."""


def required_lag(convolutions: list[MaskedConv2d]) -> int:
    """Columns by which a row must stay behind the row above, so that every tap finds its input.

    The tap (dr, dc) of a pixel at step t lies at step t + dc + lag·dr; that must not be later
    than the newest input: step t for features, t - 1 for the image, each plus what runs ahead.
    Raises ValueError if a layer reads its own row further to the right than there are features.
    """
    lag = 1
    for conv in convolutions:
        newest = -1 if conv.reads_image else conv.ahead[0]
        furthest = conv.columns[-1] + conv.ahead[1]
        for row in conv.rows:
            if row < 0:
                lag = max(lag, -((newest - furthest) // -row))
        if conv.mask_kind == "VB" and furthest > newest:
            raise ValueError("a vertical layer's output runs too far ahead of its input")
    return lag


class Recurrent(nn.Module):
    """A layer with a state that it carries from pixel to pixel; see `genarium.nn.lstm2d`.

    With a `Wavefront` it computes the pixels at the front and keeps their state in its `memory`.
    """

    def lag(self, width: int) -> int:
        """Columns by which a row of an image of this width must stay behind the row above."""
        raise NotImplementedError


class Wavefront:
    """The state of one run of the sampler: its clock, and the past of every convolution.

    network: holds the convolutions. batch: B. height, width: of the images.
    The packed weights are copies: a `Wavefront` serves one run, with the weights of its start.
    memory: what the `Recurrent` layers keep.
    """

    def __init__(self, network: nn.Module, batch: int, height: int, width: int):
        self.batch, self.height, self.width = batch, height, width
        convolutions = [m for m in network.modules() if isinstance(m, MaskedConv2d)]
        self.device = convolutions[0].weight.device
        recurrent = [m.lag(width) for m in network.modules() if isinstance(m, Recurrent)]
        self.lag = max([required_lag(convolutions), *recurrent])
        self.memory: dict[nn.Module, Any] = {}
        self.first = -max(max(conv.ahead) for conv in convolutions)
        self.last = width - 1 + self.lag * (height - 1)
        self.step, self.colour = self.first, 0
        self._columns = {conv: _Columns(conv, self) for conv in convolutions}

    def rows_at(self, step: int) -> tuple[int, int]:
        """The rows low .. high-1 that have a pixel at `step`: those with 0 <= step - lag·r < W."""
        low = max(0, -((self.width - 1 - step) // self.lag))
        high = min(self.height, step // self.lag + 1)
        return min(low, self.height), max(high, 0)

    def pixels(self) -> Tensor:
        """[rows] int64: where in the image, r·W + c, the pixels at the front are."""
        low, high = self.rows_at(self.step)
        # Row r has its pixel of this step in column step - lag·r.
        rows = torch.arange(low, max(low, high), device=self.device)
        return rows * (self.width - self.lag) + self.step

    def convolve(self, conv: MaskedConv2d, x: Tensor) -> Tensor:
        """`conv` of the pixels at the front: [rows·B, in of the colour] -> [rows·B, out of it]."""
        return self._columns[conv](x)


class _Row(NamedTuple):
    """One kernel row, packed for one colour."""

    row: int  # offset from the pixel's row
    taps: int
    weight: Tensor  # [taps·in, out of the colour]


class _Columns:
    """One convolution at the front: its packed weights, and the past of its input."""

    def __init__(self, conv: MaskedConv2d, front: Wavefront):
        self.conv, self.front = conv, front
        self.channels = conv.in_channels
        self.run = conv.in_channels // conv.in_colours  # channels of one colour
        self.rows = [self._pack(colour) for colour in range(conv.out_colours)]
        bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self.bias = [bias[conv.out_groups == colour] for colour in range(conv.out_colours)]
        self.kept: Tensor | None = None  # the output, where it is the same for all colours

        newest = 0 if conv.reads_image else conv.ahead[0]
        oldest = conv.ahead[1] + conv.columns[0] + front.lag * conv.rows[0]
        self.slots = newest - oldest + 1
        # A 1x1 convolution of the present needs no past.
        self.direct = conv.in_colours == 1 and self.slots == 1 and not conv.reads_image
        self.margin = -conv.rows[0]  # rows of zeros above the image
        self.past = conv.weight.new_zeros(
            (0,)
            if self.direct
            else (self.margin + front.height, front.batch, 2 * self.slots, self.channels)
        )

    def _pack(self, colour: int) -> list[_Row]:
        """The kernel rows of one colour, without what the masks hide."""
        conv = self.conv
        order = torch.argsort(conv.in_groups, stable=True)  # the channels, colour by colour
        weight = conv.masked_weight().detach()[conv.out_groups == colour][:, order]
        packed = []
        for index, row in enumerate(conv.rows):
            own = row == 0 and conv.mask_kind in ("A", "B")
            taps = [i for i, column in enumerate(conv.columns) if column <= 0 or not own]
            matrix = weight[:, :, index, taps].permute(2, 1, 0).flatten(0, 1)
            if own and 0 in conv.columns:  # the last tap is the pixel itself: no later colours
                seen = min(conv.in_colours, colour + (conv.mask_kind == "B"))
                matrix = matrix[: (len(taps) - 1) * self.channels + seen * self.run]
            if len(matrix):
                packed.append(_Row(row, len(taps), matrix.contiguous()))
        return packed

    def __call__(self, x: Tensor) -> Tensor:
        conv, front = self.conv, self.front
        again = conv.out_colours == 1 and front.colour > 0
        group = min(front.colour, conv.out_colours - 1)
        if self.direct:
            if not again:
                self.kept = torch.addmm(self.bias[group], x, self.rows[group][0].weight)
            assert self.kept is not None
            return self.kept
        self._remember(x)
        if not again:
            self.kept = self._product(group)
        assert self.kept is not None
        return self.kept

    def _remember(self, x: Tensor) -> None:
        conv, front = self.conv, self.front
        if conv.reads_image:
            # x is what the sub-step before has drawn: the last colour of the step before ...
            if front.colour == 0:
                self._push(x, front.step - 1, conv.in_colours - 1, new=conv.in_colours == 1)
            else:  # ... or an earlier colour of this step's pixels
                self._push(x, front.step, front.colour - 1, new=front.colour == 1)
        elif front.colour < conv.in_colours:
            self._push(x, front.step + conv.ahead[0], front.colour, new=front.colour == 0)

    def _push(self, x: Tensor, step: int, colour: int, new: bool) -> None:
        """Keep x [rows·B, run], one colour's channels of the pixels of `step`."""
        front, slots = self.front, self.slots
        low, high = front.rows_at(step)
        if new:
            # The slot still holds an older step. Pixels beyond the border must read as zero.
            old_low, old_high = front.rows_at(step - slots)
            stale = slice(self.margin + old_low, self.margin + min(old_high, low))
            if stale.start < stale.stop:
                self.past[stale, :, step % slots :: slots].zero_()
        per_pixel = 2 * slots * self.channels
        if high > low:
            self.past.as_strided(
                (high - low, front.batch, 2, self.run),
                (front.batch * per_pixel, per_pixel, slots * self.channels, 1),
                (self.margin + low) * front.batch * per_pixel
                + (step % slots) * self.channels
                + colour * self.run,
            ).copy_(x.view(high - low, front.batch, 1, self.run))

    def _product(self, colour: int) -> Tensor:
        """The convolution of the pixels at the front: one matrix product a kernel row."""
        conv, front = self.conv, self.front
        step = front.step + conv.ahead[1]
        low, high = front.rows_at(step)
        pixels = max(0, high - low) * front.batch
        per_pixel = 2 * self.slots * self.channels
        out = self.bias[colour].expand(pixels, -1)
        for index, (row, taps, weight) in enumerate(self.rows[colour]):
            slot = (step + conv.columns[0] + front.lag * row) % self.slots
            offset = (self.margin + low + row) * front.batch * per_pixel + slot * self.channels
            if conv.dilation == 1:
                window = self.past.as_strided((pixels, len(weight)), (per_pixel, 1), offset)
            else:
                window = self.past.as_strided(
                    (pixels, taps, self.channels),
                    (per_pixel, conv.dilation * self.channels, 1),
                    offset,
                ).flatten(1)[:, : len(weight)]
            out = torch.addmm(out, window, weight) if index == 0 else out.addmm_(window, weight)
        return out if self.rows[colour] else out.clone()


class Given(NamedTuple):
    """Pixels that are not drawn but kept: levels [B,C,H,W] int64 where keep (bool) is true."""

    levels: Tensor
    keep: Tensor


@torch.inference_mode()
def sample_wavefront(
    network: nn.Module,
    noise: Tensor,
    choose: Choose,
    embed: Embed,
    given: Given | None = None,
) -> Tensor:
    """Ancestral samples of a causal `network`, the fast way.

    noise: [B,C,H,W] uniform on [0, 1), one number for each choice. given: pixels to keep.
    Returns [B,C,H,W] int64 grey levels: those of `sample_naive` for the same noise, up to
    rounding (a level can flip where the noise is within rounding of a step of the distribution).
    """
    batch, colours, height, width = noise.shape
    front = Wavefront(network, batch, height, width)
    # [C, H·W, B]: the pixels of a step are then whole rows.
    noise = noise.permute(1, 2, 3, 0).reshape(colours, height * width, batch)
    levels = torch.zeros(noise.shape, dtype=torch.int64, device=noise.device)
    fixed = None
    if given is not None:
        fixed = Given(*(t.permute(1, 2, 3, 0).reshape(noise.shape) for t in given))
    drawn = noise.new_zeros(0, 1)
    for step in range(front.first, front.last + 1):
        front.step = step
        where = front.pixels()
        for colour in range(colours):
            front.colour = colour
            outputs = network(drawn, front)
            drawn = noise.new_zeros(0, 1)
            if len(where):
                value = choose(outputs, noise[colour, where].flatten())
                if fixed is not None:
                    keep = fixed.keep[colour, where].flatten()
                    value = torch.where(keep, fixed.levels[colour, where].flatten(), value)
                levels[colour, where] = value.view(-1, batch)
                drawn = embed(value)[:, None]
    return levels.view(colours, height, width, batch).permute(3, 0, 1, 2).contiguous()


@torch.inference_mode()
def sample_naive(
    network: nn.Module,
    noise: Tensor,
    choose: Choose,
    embed: Embed,
    given: Given | None = None,
) -> Tensor:
    """Ancestral samples by one full pass of `network` for each pixel and colour: the reference.

    Arguments and result as in `sample_wavefront`. The network's outputs are [B, C·O, H, W].
    """
    batch, colours, height, width = noise.shape
    levels = torch.zeros(noise.shape, dtype=torch.int64, device=noise.device)
    for row in range(height):
        for column in range(width):
            for colour in range(colours):
                at = (slice(None), colour, row, column)
                outputs = network(embed(levels))[:, :, row, column]
                value = choose(outputs.view(batch, colours, -1)[:, colour], noise[at])
                if given is not None:
                    value = torch.where(given.keep[at], given.levels[at], value)
                levels[at] = value
    return levels
