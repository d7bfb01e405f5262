"""Masked convolutions: the part of a pixel's past, and of its colours, that a layer may see.

Pixels are ordered row by row, from left to right, and within a pixel R → G → B. A network of
these layers gives the conditional p(x_i | x_<i) of every pixel and channel in one pass
(van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sections 3.4 and 3.6).

Channels of a layer with `colours` = 3 fall into three equal runs, in the order R, G, B; with
`parts` = P the channels are P equal segments (the two halves of a gate, say) and each segment is
split so. Past pixels are seen in all colours; at the pixel itself colour group g sees groups
< g (mask A, on the image) or ≤ g (mask B, on features).

Only taps that may be non-zero are stored: a k×k kernel keeps its k//2 + 1 upper rows.

The same layer works on whole maps [B,C,H,W] and, when handed a `Wavefront`, on the columns of
the few pixels that are drawn in one step, [rows·B, C of one colour group] (see `wavefront`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from genarium.models.autoregressive.wavefront import Wavefront

Mask = Literal["A", "B", "VA", "VB"]
"""A: the image, without the pixel itself. B: features, with it. VA: the image, rows above only.
VB: features that see rows above only, so that their own row may be read to its end."""


def colour_groups(channels: int, colours: int, parts: int = 1) -> Tensor:
    """[channels] int64: the colour (0 .. colours-1) that each channel belongs to."""
    if channels % (colours * parts):
        raise ValueError(f"{channels} channels do not divide into {parts} x {colours} groups")
    run = channels // (colours * parts)
    return torch.arange(colours).repeat_interleave(run).repeat(parts)


class MaskedConv2d(nn.Module):
    """Causal convolution in the order of the pixels and of the colours.

    kernel_size: odd k, the width of the window; its height is k//2 rows above, and the own row.
    mask: what may be seen, see `Mask`. horizontal: the own row only (masks A and B).
    dilation: distance between taps (mask B).
    in_colours, out_colours: 3 where R → G → B are kept apart, else 1. Features that see rows
        above only need no groups. in_parts, out_parts: segments of the channels, see the module.
    ahead: (of the input, of the output) how many columns in advance of the drawn pixel a
        sampler may compute these features; 0 unless the input sees rows above only.
    Raises ValueError on a combination that would let a pixel see itself or its future.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        mask: Mask = "B",
        *,
        horizontal: bool = False,
        dilation: int = 1,
        in_colours: int = 1,
        out_colours: int = 1,
        in_parts: int = 1,
        out_parts: int = 1,
        ahead: tuple[int, int] = (0, 0),
        bias: bool = True,
    ):
        super().__init__()
        if kernel_size % 2 == 0 or kernel_size < 1:
            raise ValueError(f"kernel_size {kernel_size} is not odd")
        if mask not in ("A", "B", "VA", "VB"):
            raise ValueError(f"mask {mask!r} is not one of A, B, VA, VB")
        if mask in ("VA", "VB") and (horizontal or out_colours > 1):
            raise ValueError("features that see rows above only are neither horizontal nor grouped")
        if mask in ("A", "B") and in_colours > 1 and out_colours != in_colours:
            raise ValueError(
                f"{in_colours} colours cannot become {out_colours} at the pixel itself"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.mask_kind: Mask = mask
        self.dilation = dilation
        self.in_colours, self.out_colours = in_colours, out_colours
        self.in_groups = colour_groups(in_channels, in_colours, in_parts)
        self.out_groups = colour_groups(out_channels, out_colours, out_parts)
        self.ahead = ahead

        reach = kernel_size // 2
        above = 0 if horizontal else reach
        rows = range(-above, 0 if mask == "VA" else 1)
        right = reach if above else 0
        # Without colours nothing of the centre is left under mask A.
        columns = range(-reach, right + 1 if mask != "A" or in_colours > 1 or above else 0)
        if not rows or not columns:
            raise ValueError(f"a {kernel_size}-wide kernel with mask {mask} sees nothing")
        # Offsets of the taps from the pixel, in pixels.
        self.rows = tuple(row * dilation for row in rows)
        self.columns = tuple(column * dilation for column in columns)

        weight_mask = self._mask()
        self.register_buffer(
            "mask", None if bool(weight_mask.all()) else weight_mask, persistent=False
        )
        self.mask: Tensor | None
        # PyTorch's default for a convolution, with the fan-in of what is really seen.
        bound = 1.0 / math.sqrt(max(1.0, float(weight_mask.sum()) / out_channels))
        self.weight = nn.Parameter(torch.empty(weight_mask.shape).uniform_(-bound, bound))
        self.bias = (
            nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound)) if bias else None
        )

    @property
    def reads_image(self) -> bool:
        """Whether the input is the image itself (of which a pixel must not see itself)."""
        return self.mask_kind in ("A", "VA")

    def _mask(self) -> Tensor:
        """[out, in, rows, columns] float32 of zeros and ones."""
        mask = torch.ones(self.out_channels, self.in_channels, len(self.rows), len(self.columns))
        if self.mask_kind in ("A", "B") and self.rows[-1] == 0:
            seen, seer = self.in_groups[None, :], self.out_groups[:, None]
            centre = seen < seer if self.mask_kind == "A" else seen <= seer
            for index, column in enumerate(self.columns):
                if column == 0:
                    mask[:, :, -1, index] = centre.to(mask.dtype)
                elif column > 0:
                    mask[:, :, -1, index] = 0.0
        return mask

    def masked_weight(self) -> Tensor:
        """The kernel with its hidden taps at zero, [out, in, rows, columns]."""
        return self.weight if self.mask is None else self.weight * self.mask

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        """[B,in,H,W] -> [B,out,H,W]; with `front`, the columns of the pixels at the front."""
        if front is not None:
            return front.convolve(self, x)
        # Padding on one side only (negative values crop) keeps output and input aligned.
        pad = (-self.columns[0], self.columns[-1], -self.rows[0], self.rows[-1])
        if any(pad):
            x = F.pad(x, pad)
        return F.conv2d(x, self.masked_weight(), self.bias, dilation=self.dilation)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, "
            f"taps={len(self.rows)}x{len(self.columns)}, mask={self.mask_kind}"
            + (f", dilation={self.dilation}" if self.dilation > 1 else "")
            + (f", colours={self.out_colours}" if self.out_colours > 1 else "")
        )


class PixelBias(nn.Module):
    """x + b with a learned b for every channel and pixel, at first zero.

    What is usual at a place may depend on the place: p(x_i | x_<i) is free to know i. A network
    of convolutions alone learns it from the border only. channels, height, width: of b.
    """

    def __init__(self, channels: int, height: int, width: int, *, colours: int = 1):
        super().__init__()
        self.colours = colours
        self.bias = nn.Parameter(torch.zeros(channels, height, width))

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        """[B,C,H,W] -> the same; with `front`, [rows·B, C of one colour] -> the same."""
        if front is None:
            return x + self.bias
        return front.add_table(x, self.bias.flatten(1).t()[None], self.colours, None)


class ClassBias(nn.Module):
    """x + b[y]: a learned b for every class, channel and pixel, at first zero.

    The location-dependent conditioning of van den Oord et al. 2016 ("Conditional Image Generation
    with PixelCNN Decoders", section 2.3) for a one-hot code, where its map is a table.
    classes: K. channels, height, width: of b.
    """

    def __init__(self, classes: int, channels: int, height: int, width: int, *, colours: int = 1):
        super().__init__()
        self.colours = colours
        # Channels last, as the features lie in memory.
        self.bias = nn.Parameter(torch.zeros(classes, height, width, channels))

    def forward(self, x: Tensor, labels: Tensor, front: Wavefront | None = None) -> Tensor:
        """[B,C,H,W], labels [B] -> [B,C,H,W]; with `front`, [rows·B, C of one colour] alike."""
        if front is None:
            # A product with one-hot rows: its backward is one too, and no scatter.
            codes = nn.functional.one_hot(labels, len(self.bias)).to(x.dtype)
            mine = (codes @ self.bias.flatten(1)).unflatten(1, self.bias.shape[1:])
            return x + mine.permute(0, 3, 1, 2)
        return front.add_table(x, self.bias.flatten(1, 2), self.colours, labels)
