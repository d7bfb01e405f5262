"""How much a number of a code moves the image: what sliders are ordered by."""

from __future__ import annotations

from torch import Tensor

REACH = 2.0
"""A number is moved from −REACH to REACH, in standard deviations."""
DEAD = 1.0
"""Grey levels of 255 below which a number changes nothing that could be seen."""


def effect(variance: Tensor | float) -> float:
    """The standard deviation of a pixel, in grey levels of 255, of images that differ in one number
    alone: 255·√(mean over bases and pixels of Var_v[x(z with z_d = v)]).

    variance: those variances, of pixels on [0, 1], of any shape.
    """
    mean = variance.mean().item() if isinstance(variance, Tensor) else variance
    return 255.0 * float(max(mean, 0.0)) ** 0.5
