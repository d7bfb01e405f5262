"""Exact ancestral sampling by the wavefront: the naive samples, at about the cost of one pass.

Pixel (r, c) sees in row r - 1 no further right than column c + reach. So with a lag of
reach + 1 columns a row, all pixels with c + lag·r = t are independent given those with a
smaller t, and are drawn in one step: W + lag·(H - 1) steps instead of H·W. Every feature of
every pixel is computed once, in the step at which it is first needed, and kept for as long as
later steps read it.

Layout. Features lie where a convolution needs no gather. What the pixel of row r has at step
s = c + lag·r is met by the tap (dr, dc) of row r - dr at step s - dc - lag·dr, whatever the row.
So each row keeps, by steps and side by side, what all its kernel rows will meet; the taps of all
pixels at the front are then one strided matrix, which goes into a matrix product as it lies.

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

from genarium.contract import Progress
from genarium.models.autoregressive.masked import MaskedConv2d

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
    """A layer with a state that it carries from pixel to pixel; see `lstm2d`.

    With a `Wavefront` it computes the pixels at the front and keeps their state in its `memory`.
    """

    def lag(self, width: int) -> int:
        """Columns by which a row of an image of this width must stay behind the row above."""
        raise NotImplementedError

    def remember(self, front: Wavefront) -> Any:
        """What keeps the states of one run; its `advance` takes the input's part of the gates."""
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
        self._pixels: tuple[int, Tensor] | None = None

    def rows_at(self, step: int) -> tuple[int, int]:
        """The rows low .. high-1 that have a pixel at `step`: those with 0 <= step - lag·r < W."""
        low = max(0, -((self.width - 1 - step) // self.lag))
        high = min(self.height, step // self.lag + 1)
        return min(low, self.height), max(high, 0)

    def pixels(self) -> Tensor:
        """[rows] int64: where in the image, r·W + c, the pixels at the front are."""
        if self._pixels is None or self._pixels[0] != self.step:
            low, high = self.rows_at(self.step)
            # Row r has its pixel of this step in column step - lag·r.
            rows = torch.arange(low, max(low, high), device=self.device)
            self._pixels = self.step, rows * (self.width - self.lag) + self.step
        return self._pixels[1]

    def convolve(self, conv: MaskedConv2d, x: Tensor) -> Tensor:
        """`conv` of the pixels at the front: [rows·B, in of the colour] -> [rows·B, out of it]."""
        return self._columns[conv](x)

    def add_table(self, x: Tensor, table: Tensor, colours: int, labels: Tensor | None) -> Tensor:
        """x [rows·B, C of the colour] + what a table [K,H·W,C] has for each pixel and label [B].

        labels: None where the table has one row, K = 1.
        """
        of_colour = table.chunk(colours, dim=2)[min(self.colour, colours - 1)]
        at_pixels = of_colour[:, self.pixels()]  # [K, rows, C of the colour]
        if labels is not None:
            return x + at_pixels[labels].transpose(0, 1).reshape(x.shape)
        _, rows, width = at_pixels.shape
        return (x.view(rows, self.batch, width) + at_pixels[0][:, None]).view_as(x)

    def advance(self, layer: Recurrent, gates: Tensor) -> Tensor:
        """`layer` at the front, given what its input says: [rows·B, gates] -> [rows·B, hidden]."""
        if layer not in self.memory:
            self.memory[layer] = layer.remember(self)
        done: Tensor = self.memory[layer].advance(gates)
        return done


class _Run(NamedTuple):
    """Places of one kept feature that lie equally far apart in memory."""

    start: int
    number: int
    stride: int


class _Columns:
    """One convolution at the front: its packed weights, and the past of its input.

    What the taps of all kernel rows see lies together, so that a step is one matrix product. A
    pixel (r, b) has a record of slots; slot p of it holds, for each kernel row dr, the input of row
    r + dr that the last tap of that row meets at step p. The taps of step t are then the slots up
    to t, whole ones, and the slots form a ring whose first ones stand a second time behind its
    end, so that no window of it is broken. A feature is written to one place a kernel row.
    """

    SLACK = 8
    """Slots beyond the least number. Few: the past stays in the cache. Many: few writes wrap."""

    def __init__(self, conv: MaskedConv2d, front: Wavefront):
        self.conv, self.front = conv, front
        self.run = conv.in_channels // conv.in_colours  # channels of one colour
        self.grouped = conv.out_colours > 1
        self.weight = [self._pack(colour) for colour in range(conv.out_colours)]
        bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self.bias = [bias[conv.out_groups == colour] for colour in range(conv.out_colours)]
        self.kept: Tensor | None = None  # the output, where it is the same for all colours

        above, self.reach = -conv.rows[0], conv.columns[-1]
        self.span = self.reach - conv.columns[0] + 1  # columns from the first tap to the last
        self.newest = 0 if conv.reads_image else conv.ahead[0]
        # A 1x1 convolution of the present needs no past.
        self.direct = (
            conv.in_colours == 1
            and not conv.reads_image
            and not above
            and self.span == 1
            and self.newest == conv.ahead[1]
        )
        if self.direct:
            return
        needed = self.newest - self.reach + front.lag * above - conv.ahead[1] + self.span
        self.ring = needed + self.SLACK
        self.slot = len(conv.rows) * conv.in_channels
        self.record = (self.ring + self.span - 1) * self.slot
        self.line = front.batch * self.record  # of a row of pixels
        self.past = conv.weight.new_zeros((front.height + above) * self.line)
        self.places = [self._places(step) for step in range(self.ring)]

    def _pack(self, colour: int) -> Tensor:
        """[taps, out of the colour]: the kernel as the past lies, hidden taps at its end cut."""
        conv = self.conv
        order = torch.argsort(conv.in_groups, stable=True)  # the channels, colour by colour
        weight = conv.masked_weight().detach()[conv.out_groups == colour][:, order]
        weight = weight.permute(3, 2, 1, 0).flatten(0, 2)  # column, row, channel
        seen = weight.any(1).nonzero()
        return weight[: int(seen[-1]) + 1 if len(seen) else 0].contiguous()

    def _places(self, step: int) -> list[_Run]:
        """Where in the past an input of row 0 and this step is written."""
        results = []
        for index, row in enumerate(self.conv.rows):
            slot = (step - self.front.lag * row - self.reach) % self.ring
            place = -row * self.line + slot * self.slot + index * self.conv.in_channels
            results.append(place)
            if slot < self.span - 1:  # stands behind the end of the ring too
                results.append(place + self.ring * self.slot)
        runs: list[_Run] = []
        for place in sorted(results):
            if runs:
                start, number, stride = runs[-1]
                if number == 1 or place == start + number * stride:
                    runs[-1] = _Run(start, number + 1, place - start if number == 1 else stride)
                    continue
            runs.append(_Run(place, 1, 0))
        return runs

    def __call__(self, x: Tensor) -> Tensor:
        conv, colour = self.conv, self.front.colour
        if not self.direct:
            if conv.reads_image:
                # x is what the sub-step before has drawn: the last colour of the step before ...
                if colour == 0:
                    self._write(x, self.front.step - 1, conv.in_colours - 1)
                else:  # ... or an earlier colour of this step's pixels
                    self._write(x, self.front.step, colour - 1)
            elif colour < conv.in_colours:
                self._write(x, self.front.step + self.newest, colour)
        if self.grouped or colour == 0:
            group = colour if self.grouped else 0
            seen = x if self.direct else self._window(len(self.weight[group]))
            self.kept = torch.addmm(self.bias[group], seen, self.weight[group])
        assert self.kept is not None
        return self.kept

    def _write(self, x: Tensor, step: int, colour: int) -> None:
        """Keep x [rows·B, run], one colour's channels of the pixels of `step`."""
        front, places = self.front, self.places[step % self.ring]
        low, high = front.rows_at(step)
        if colour == 0:
            # Rows that ended less than `reach` columns ago: beyond the border all is zero, and
            # the slots still hold what was there one turn of the ring before.
            ended = max(0, -((front.width + self.reach - 1 - step) // front.lag))
            beyond = (min(low, front.height) - ended) * front.batch
            if beyond > 0:
                for run in places:
                    self._at(run, ended, beyond, self.conv.in_channels).zero_()
        if high > low:
            for run in places:
                self._at(run, low, (high - low) * front.batch, self.run, colour).copy_(x)

    def _at(self, run: _Run, row: int, pixels: int, channels: int, colour: int = 0) -> Tensor:
        """[number, pixels, channels]: the places `run` of pixels from `row` on."""
        return self.past.as_strided(
            (run.number, pixels, channels),
            (run.stride, self.record, 1),
            run.start + row * self.line + colour * self.run,
        )

    def _window(self, taps: int) -> Tensor:
        """[rows·B, taps]: what the pixels at the front see."""
        conv, front = self.conv, self.front
        step = front.step + conv.ahead[1]
        low, high = front.rows_at(step)
        pixels = max(0, high - low) * front.batch
        first = (step + conv.columns[0] - self.reach) % self.ring
        offset = low * self.line + first * self.slot
        if conv.dilation == 1:
            return self.past.as_strided((pixels, taps), (self.record, 1), offset)
        size = (pixels, len(conv.columns), self.slot)
        stride = (self.record, conv.dilation * self.slot, 1)
        return self.past.as_strided(size, stride, offset).flatten(1)[:, :taps]


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
    progress: Progress | None = None,
) -> Tensor:
    """Ancestral samples of a causal `network`, the fast way.

    noise: [B,C,H,W] uniform on [0, 1), one number for each choice. given: pixels to keep.
    progress: called at each step of the front.
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
        if progress is not None:
            progress(step - front.first + 1, front.last - front.first + 1)
    return levels.view(colours, height, width, batch).permute(3, 0, 1, 2).contiguous()


@torch.inference_mode()
def sample_naive(
    network: nn.Module,
    noise: Tensor,
    choose: Choose,
    embed: Embed,
    given: Given | None = None,
    progress: Progress | None = None,
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
            if progress is not None:
                progress(row * width + column + 1, height * width)
    return levels
