"""What a causal network's outputs say about the grey level of one pixel and colour.

M pixels and colours · L grey levels · O outputs of each · K components of a mixture
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import Tensor

from genarium.contract import Values
from genarium.errors import UserError
from genarium.models.autoregressive.wavefront import Choose
from genarium.nn.distributions import categorical_log_prob, discretized_logistic_log_prob
from genarium.recipes import refuse_unused


class Head(Protocol):
    """A distribution over the grey levels 0 .. L-1 of one pixel and colour.

    levels: L. outputs: O, numbers that the network gives for it. words: what it is, in a few.
    """

    levels: int
    outputs: int
    words: str

    def log_prob(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """ln p(level), [M] nats, of outputs [M,O] and levels [M] int64; sums to 1 over levels."""
        ...

    def logits(self, outputs: Tensor) -> Tensor:
        """ln p of every level up to a constant, outputs [M,O] -> [M,L]."""
        ...

    def probabilities(self, outputs: Tensor) -> Tensor:
        """p of every level, outputs [M,O] -> [M,L]."""
        ...

    def choose(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Inverse of the distribution function: outputs [M,O], uniform noise [M] -> levels [M]."""
        ...


def choose_level(logits: Tensor, noise: Tensor) -> Tensor:
    """Inverse of the distribution function: logits [M,L], uniform noise [M] -> levels [M]."""
    cumulative = torch.softmax(logits, dim=1).cumsum(dim=1)
    # The last step is left out: rounding may leave it below 1.
    return (cumulative[:, :-1] <= noise[:, None]).sum(dim=1)


AT_ONCE = 2**16
"""Levels of pixels that a `tempered` choice tabulates together: 256 pixels of 256."""


def tempered(head: Head, temperature: float) -> Choose:
    """`head.choose` of the distribution p(level)^(1/T) / Σ p^(1/T), T the temperature.

    That divides the logits by T: below 1 the likely levels become likelier, at 1 it is exact.
    """
    if temperature == 1.0:
        return head.choose

    at_once = min(256, max(1, AT_ONCE // head.levels))

    def choose(outputs: Tensor, noise: Tensor) -> Tensor:
        parts = [
            choose_level(head.logits(some) / temperature, own)
            for some, own in zip(outputs.split(at_once), noise.split(at_once))
        ]
        return torch.cat(parts)

    return choose


class Softmax:
    """A probability for every level, softmax over O = L scores (van den Oord et al. 2016)."""

    words = ""

    def __init__(self, levels: int):
        self.levels = self.outputs = levels

    def log_prob(self, outputs: Tensor, levels: Tensor) -> Tensor:
        return categorical_log_prob(outputs, levels)

    def logits(self, outputs: Tensor) -> Tensor:
        return outputs

    def probabilities(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs, dim=1)

    def choose(self, outputs: Tensor, noise: Tensor) -> Tensor:
        return choose_level(outputs, noise)


class LogisticMixture:
    """A mixture of K logistics, each integrated over the level's bin (Salimans et al. 2017).

    p(v) = Σ_k π_k·[σ((x + h - μ_k)/s_k) - σ((x - h - μ_k)/s_k)], the end bins open; level v lies at
    x = 2v/(L-1) - 1 and h = 1/(L-1). O = 3K: scores of the π, the μ, the ln s. It knows that
    neighbouring levels are alike, which a softmax has to learn. The dependence of G on R and of B
    on both is the masked network's, so it needs no coefficients between the colours' means.
    """

    FLOOR = -7.0
    """Least ln s: a ninth of a bin, of 256 levels or fewer; narrower ones only add rounding."""

    def __init__(self, levels: int, components: int = 10):
        self.levels, self.components, self.outputs = levels, components, 3 * components
        self.floor = self.FLOOR - max(0.0, math.log((levels - 1) / 255))
        self.words = f"mixture of {components} logistics"

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, means, log_scales = outputs.chunk(3, dim=1)
        # Spread over the range and one step apart, so that the components start as different ones.
        start = torch.linspace(-1, 1, self.components + 2, device=outputs.device)[1:-1]
        log_scales = (log_scales - 2.0).clamp(min=self.floor)
        return torch.log_softmax(scores, 1), means + start.to(means), log_scales

    def log_prob(self, outputs: Tensor, levels: Tensor) -> Tensor:
        weights, means, log_scales = self._split(outputs)
        each = discretized_logistic_log_prob(means, log_scales, levels[:, None], self.levels)
        return torch.logsumexp(weights + each, 1)

    def logits(self, outputs: Tensor) -> Tensor:
        every = torch.arange(self.levels, device=outputs.device)
        rows = outputs.repeat_interleave(self.levels, 0)
        return self.log_prob(rows, every.repeat(len(outputs))).view(-1, self.levels)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return self.logits(outputs).exp()

    def choose(self, outputs: Tensor, noise: Tensor) -> Tensor:
        weights, means, log_scales = self._split(outputs)
        # F(v) at the upper edge of each bin but the last, whose F is 1; bisection over it, for a
        # table of all levels would cost 256·K numbers a pixel.
        low = torch.zeros_like(noise, dtype=torch.int64)
        high = torch.full_like(low, self.levels - 1)
        scales, shares = torch.exp(-log_scales), weights.exp()
        step = 2.0 / (self.levels - 1)
        for _ in range((self.levels - 1).bit_length()):
            middle = (low + high) // 2
            edge = (middle.to(means) + 0.5) * step - 1.0
            below = (shares * torch.sigmoid((edge[:, None] - means) * scales)).sum(1)
            above = below <= noise
            low = torch.where(above & (low < high), middle + 1, low)
            high = torch.where(above, high, middle)
        return low


HeadName = Literal["softmax", "logistics"]


SOFTMAX = 256
"""Levels of a softmax at most: it has a score for each."""


def head_of(name: HeadName, levels: int, components: int, values: Values) -> Head:
    """The head that a recipe's arguments `output`, `levels` and `components` name.

    values: of the images: where they have fewer levels than a byte, the head has these. UserError
    for more levels than there are, or than a softmax can have.
    """
    most = values.levels
    if 0 < most < levels <= SOFTMAX:
        levels = most
    if most and levels > most:
        raise UserError(f"--levels {levels}: the data have {most}: give {most} or fewer")
    if name == "softmax" and levels > SOFTMAX:
        raise UserError(
            f"--levels {levels}: a softmax has {SOFTMAX} at most: add --output logistics"
        )
    if name == "softmax":
        refuse_unused("a softmax has none, --output logistics does", components=(components, 10))
    return Softmax(levels) if name == "softmax" else LogisticMixture(levels, components)
