"""Diffusion in continuous time, where the differential equation gives a likelihood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genarium.contract import Condition, Estimate, Spec
from genarium.models.diffusion import likelihood
from genarium.models.diffusion.denoiser import level_width
from genarium.models.diffusion.model import Diffusion
from genarium.models.row_noise import RowNoise

TOLERANCE = 1e-3


class Continuous(Diffusion):
    """A diffusion whose velocity is smooth in time: its likelihood can be estimated."""

    density = "8-bit grey levels (lower bound: density of uniformly dequantized levels)"

    def __init__(self, spec: Spec, *parts: Any, **more: Any):
        super().__init__(spec, *parts, **more)
        values = spec.values
        if not values.integer:
            self.density = f"floats, {values.span} (density of their share of the range)"
        elif not values.eight_bit:
            words = values.whole_in_words()
            self.density = f"{words} (lower bound: density of uniformly dequantized levels)"

    @property
    def estimator(self) -> str:
        """How `estimate_log_prob` computes."""
        exact = self.spec.dims <= likelihood.EXACT
        trace = "exact trace" if exact else "Hutchinson's trace"
        return f"ODE by dopri5 at tolerance {TOLERANCE:g}, {trace}"

    def estimate_log_prob(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
        tolerance: float = TOLERANCE,
    ) -> Estimate:
        """ln P(x) of uint8 images [B,C,H,W]: the mean of k draws and its standard error, [B] nats.

        A draw adds uniform noise u of one level to each pixel and takes the density there,
        ln p(x + u) + D·ln δ with δ the width of a level, whose mean over u is at most ln P(x)
        (Theis, van den Oord & Bethge 2016); floats have no levels, so no noise is added, and δ = 2,
        the whole range. With more than `likelihood.EXACT` dimensions it also draws the signs of
        Hutchinson's trace. An image's numbers do not depend on the images beside
        it. Without a condition it is the likelihood without one.
        """
        with torch.inference_mode(False), torch.no_grad():
            x = self.pixels(images.clone())
            y = self.shown(len(x), None if condition is None else condition.clone(), x)
            random = RowNoise(len(x), generator, x.device)
            draws = torch.stack([self._log_prob(x, y, random, tolerance) for _ in range(k)])
            return Estimate.of(draws)

    def _log_prob(self, x: Tensor, y: Tensor | None, random: RowNoise, tolerance: float) -> Tensor:
        """One draw, [B] nats."""
        width, shape = level_width(self.spec.values).to(x.device), x.shape[1:]
        dequantized = x + width * (random.uniform(*shape) - 0.5)
        signs = None
        if self.spec.dims > likelihood.EXACT:
            signs = 2 * (random.uniform(*shape) < 0.5).to(x) - 1
        nats = likelihood.log_density(self.field(y), dequantized, signs, tolerance)
        units = torch.where(width > 0, width, 2.0)
        return nats + self.spec.dims * float(units.log().mean())  # channels have as many pixels


class FlowMatching(Continuous):
    """A `Continuous` diffusion as `flow-matching` makes it."""
