"""Checkerboards: power at the frequencies of a network's strides.

A layer that doubles the sides of a map with a kernel of its own for each of the four pixels that
come of one (a transposed convolution) leaves a pattern of period 2 wherever those kernels differ
(Odena, Dumoulin & Olah 2016, "Deconvolution and checkerboard artifacts"); the layer before leaves
one of period 4. In the spectrum these are lines, at 1/2 and 1/4 of a cycle a pixel.

N images · C channels · H, W pixels
"""

from __future__ import annotations

import torch
from torch import Tensor

PERIODS = (2, 4)
"""Pixels: of the last stride, and of the one before."""
BESIDE = 3
"""Lines from a stride's frequency to what it is compared with; the window spreads a line over 1."""


def spectrum(images: Tensor) -> Tensor:
    """The mean power by frequency, E|F(x)|² over images and channels, [H,W] float64.

    images: [N,C,H,W], uint8 or floats of any scale. Each is windowed (Hann), so that the jump from
    one rim to the other is not taken for high frequencies.
    """
    down, across = (torch.hann_window(side, dtype=torch.float64) for side in images.shape[2:])
    total = torch.zeros(images.shape[2:], dtype=torch.float64)
    for some in images.split(256):
        x = some.to("cpu", torch.float64)
        x = (x - x.mean((2, 3), keepdim=True)) * down[:, None] * across
        total += torch.fft.fft2(x).abs().square().mean(1).sum(0)
    return total / len(images)


def stride_power(images: Tensor) -> float:
    """How far the power stands out at the strides' frequencies; 1 or less where nothing does.

        mean over f = 1/2, 1/4 and both axes of   P(f) / √(P(f-δ)·P(f+δ))

    P(f): the power of the images' rows (columns) at f cycles a pixel, whatever their frequency
    along the other axis. δ: three lines of the spectrum. Real pictures give .7 to 1, since
    their spectrum falls smoothly. images: [N,C,H,W], 16 pixels a side or more.
    """
    power = spectrum(images)
    ratios = []
    for axis, side in enumerate(power.shape):
        sums = power.sum(1 - axis)
        for period in PERIODS:
            line = round(side / period)
            around = sums[line - BESIDE] * sums[(line + BESIDE) % side]
            ratios.append(sums[line] / around.sqrt().clamp_min(1e-300))
    return float(torch.stack(ratios).mean())
