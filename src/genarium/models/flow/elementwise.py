"""Increasing functions of one number, whose parameters a network gives: what couplings apply.

Each is a pair as a layer is, elementwise: (x, parameters [..., P]) -> z and ln dz/dx, and back. At
parameters 0 each is the identity, where training begins.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Elementwise(Protocol):
    """An increasing function of each number. outputs: P, parameters a number."""

    outputs: int

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """x [...], parameters [..., P] -> z and ln dz/dx, [...] each."""
        ...

    def inverse(self, z: Tensor, parameters: Tensor) -> Tensor:
        """z [...] -> x."""
        ...


class Affine:
    """z = (x − μ)·e^s, |s| < bound (Dinh et al. 2017).

    The scale is bounded by s = bound·tanh(r/bound): without a bound a chain of them can blow up an
    ordinary z beyond all numbers, and such samples come after long training. μ is in units of x, so
    that it need not grow with the scale.
    """

    outputs = 2

    def __init__(self, bound: float = 3.0):
        self.bound = bound

    def _of(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        raw, mean = parameters.unbind(-1)
        return self.bound * torch.tanh(raw / self.bound), mean

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, mean = self._of(parameters)
        return (x - mean) * s.exp(), s

    def inverse(self, z: Tensor, parameters: Tensor) -> Tensor:
        s, mean = self._of(parameters)
        return z * (-s).exp() + mean


class Spline:
    """A monotone rational-quadratic spline with `bins` bins on [−B, B], the identity outside.

    Durkan et al. 2019, Neural Spline Flows, equations 4 to 8. In the bin from (x_k, z_k) on, of
    width w and height h, with ξ = (x − x_k)/w, slope δ = h/w and derivatives d_k, d_{k+1} at its
    ends,

        z = z_k + h·[δξ² + d_k ξ(1 − ξ)] / [δ + (d_{k+1} + d_k − 2δ) ξ(1 − ξ)].

    The parameters are K widths and K heights (softmax) and the K − 1 derivatives at inner knots
    (softplus); at ±B the derivative is 1, that of the tails. Nothing can be blown up: what is
    outside stays, what is inside stays inside.
    """

    LEAST = 1e-3  # width and height of a bin, as a share of 2B, and a derivative

    def __init__(self, bins: int = 8, bound: float = 3.0):
        if bins * self.LEAST >= 0.5:
            raise ValueError(f"{bins} bins are too many")
        self.bins, self.bound = bins, bound
        self.outputs = 3 * bins - 1

    def _knots(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """The knots [..., K] that bins begin at, and the sizes of the bins [..., K]."""
        shares = self.LEAST + (1.0 - self.LEAST * self.bins) * raw.softmax(-1)
        sizes = 2 * self.bound * shares
        return F.pad(sizes.cumsum(-1)[..., :-1], (1, 0)) - self.bound, sizes

    def _bin(self, at: Tensor, parameters: Tensor, upward: bool) -> tuple[Tensor, ...]:
        """(x_k, w, z_k, h, d_k, d_{k+1}) of the bin that each number lies in, [...] each."""
        k = self.bins
        widths, heights, raw = parameters.split((k, k, k - 1), -1)
        (x, w), (z, h) = self._knots(widths), self._knots(heights)
        # softplus(raw + offset) is 1 − LEAST at raw = 0
        offset = math.log(math.expm1(1.0 - self.LEAST))
        d = F.pad(self.LEAST + F.softplus(raw + offset), (1, 1), value=1.0)
        knots = (x if upward else z).detach()
        number = (at[..., None] >= knots[..., 1:]).sum(-1, keepdim=True)
        chosen = [t.gather(-1, number)[..., 0] for t in (x, w, z, h, d)]
        return (*chosen, d.gather(-1, number + 1)[..., 0])

    def _derivative(self, xi: Tensor, slope: Tensor, d: Tensor, e: Tensor) -> Tensor:
        """ln dz/dx at ξ, of d = d_k and e = d_{k+1}."""
        between = xi * (1 - xi)
        below = slope + (e + d - 2 * slope) * between
        above = e * xi.square() + 2 * slope * between + d * (1 - xi).square()
        return 2 * slope.log() + above.log() - 2 * below.log()

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < self.bound
        clamped = x.clamp(-self.bound, self.bound)
        x0, w, z0, h, d, e = self._bin(clamped, parameters, True)
        slope, xi = h / w, ((clamped - x0) / w).clamp(0, 1)
        between = xi * (1 - xi)
        share = (slope * xi.square() + d * between) / (slope + (e + d - 2 * slope) * between)
        log_derivative = self._derivative(xi, slope, d, e)
        z = torch.where(inside, z0 + h * share, x)
        return z, torch.where(inside, log_derivative, torch.zeros_like(x))

    def inverse(self, z: Tensor, parameters: Tensor) -> Tensor:
        inside = z.abs() < self.bound
        clamped = z.clamp(-self.bound, self.bound)
        x0, w, z0, h, d, e = self._bin(clamped, parameters, False)
        slope = h / w
        up = clamped - z0
        bend = up * (e + d - 2 * slope)
        a, b, c = h * (slope - d) + bend, h * d - bend, -slope * up
        root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
        xi = (2 * c / (-b - root)).clamp(0, 1)  # the form that does not cancel
        return torch.where(inside, x0 + w * xi, z)


class Both:
    """One function and then another, each with parameters of its own."""

    def __init__(self, first: Elementwise, second: Elementwise):
        self.first, self.second = first, second
        self.outputs = first.outputs + second.outputs

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        one, other = parameters.split((self.first.outputs, self.second.outputs), -1)
        return one, other

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        one, other = self._parts(parameters)
        x, first = self.first.forward(x, one)
        z, second = self.second.forward(x, other)
        return z, first + second

    def inverse(self, z: Tensor, parameters: Tensor) -> Tensor:
        one, other = self._parts(parameters)
        return self.first.inverse(self.second.inverse(z, other), one)
