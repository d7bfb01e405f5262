"""Paths from an image to noise: x_t = α(t)·x + σ(t)·ε, ε ~ N(0, I), the image at time 0.

Each path is a distribution p_t for every time t, from that of the images to a Gaussian. What
differs is how fast the image fades and the noise grows:

    Linear      α = 1 - t, σ = t              rectified flow (Liu et al. 2023; Lipman et al. 2023)
    Cosine      α = cos πt/2, σ = sin πt/2    variance preserving (Nichol & Dhariwal 2021)
    Exploding   α = 1, σ = t, up to t = 80    variance exploding (Karras et al. 2022, "EDM")
    Discrete    α² = Π (1 - β_i), σ² = 1 - α²  the T steps of DDPM (Ho, Jain & Abbeel 2020)

    B batch · C channels · H, W pixels · N steps of a sampler
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genarium.errors import UserError


def beside(t: Tensor, x: Tensor) -> Tensor:
    """Times [B] (or one for all) so that they multiply x [B,C,H,W] image by image."""
    return t.view(-1, *[1] * (x.ndim - 1)) if t.ndim else t


class Path(nn.Module):
    """x_t = α(t)·x + σ(t)·ε, for times t from 0, the image, to `end`, the noise.

    Times are tensors, [B] or of one number; so is what the methods give.
    """

    end: float = 1.0
    first: float = 0.0  # the earliest time at which a network is asked

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[float, tuple[float, float]] = {}

    def alpha_sigma(self, t: float) -> tuple[float, float]:
        """(α, σ) at a time, in double precision. Computed once: a graph that is traced afterwards
        has the numbers as constants."""
        if t not in self._known:
            at = torch.tensor(t, dtype=torch.float64)
            self._known[t] = float(self.alpha(at)), float(self.sigma(at))
        return self._known[t]

    def alpha(self, t: Tensor) -> Tensor:
        """How much of the image is left."""
        raise NotImplementedError

    def sigma(self, t: Tensor) -> Tensor:
        """The deviation of the noise."""
        raise NotImplementedError

    def alpha_rate(self, t: Tensor) -> Tensor:
        """dα/dt."""
        raise NotImplementedError

    def sigma_rate(self, t: Tensor) -> Tensor:
        """dσ/dt."""
        raise NotImplementedError

    def time_of(self, ratio: Tensor) -> Tensor:
        """The time at which σ/α is `ratio`, where a path can say it in closed form."""
        raise NotImplementedError

    def label(self, t: Tensor) -> Tensor:
        """The time as a network gets it: a number of order 1."""
        return t

    def grid(self, steps: int) -> list[float]:
        """The times of a sampler of so many steps, N + 1 of them from `end` down to 0."""
        return [self.end * (steps - i) / steps for i in range(steps + 1)]

    def determinant(self, t: Tensor) -> Tensor:
        """ασ' - α'σ, by which velocity and noise are turned into each other; > 0."""
        return self.alpha(t) * self.sigma_rate(t) - self.alpha_rate(t) * self.sigma(t)

    def mix(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = α(t)·x + σ(t)·ε of images and noise [B,C,H,W] at times [B]."""
        return beside(self.alpha(t), x) * x + beside(self.sigma(t), x) * noise

    def velocity(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """dx_t/dt = α'(t)·x + σ'(t)·ε, along the way from this image to this noise."""
        return beside(self.alpha_rate(t), x) * x + beside(self.sigma_rate(t), x) * noise


class Linear(Path):
    """The straight way, at constant velocity ε - x."""

    def time_of(self, ratio: Tensor) -> Tensor:
        return ratio / (1 + ratio)

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def alpha_rate(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)

    def sigma_rate(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)


class Cosine(Path):
    """A quarter of a circle: for images of variance 1, x_t has variance 1 at all times."""

    def time_of(self, ratio: Tensor) -> Tensor:
        return 2 / math.pi * torch.atan(ratio)

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(math.pi / 2 * t)

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * t)

    def alpha_rate(self, t: Tensor) -> Tensor:
        return -math.pi / 2 * torch.sin(math.pi / 2 * t)

    def sigma_rate(self, t: Tensor) -> Tensor:
        return math.pi / 2 * torch.cos(math.pi / 2 * t)


class Exploding(Path):
    """The image stays and the noise grows; the time is the noise's deviation σ.

    first: the deviation before the last step, which goes to 0. The grid is EDM's (equation 5), with
    ρ = 7: dense where σ is small.
    """

    end = 80.0
    first = 0.002
    rho = 7.0

    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def alpha_rate(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def sigma_rate(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def label(self, t: Tensor) -> Tensor:
        return t.log() / 4

    def grid(self, steps: int) -> list[float]:
        most, least = self.end ** (1 / self.rho), self.first ** (1 / self.rho)
        between = max(1, steps - 1)
        return [(most + i / between * (least - most)) ** self.rho for i in range(steps)] + [0.0]


class Discrete(Path):
    """DDPM's chain of T steps; time t = i/T is its step i, and t = 0 the image itself.

        x_i = √(1 - β_i)·x_{i-1} + √β_i·ε_i,   ᾱ_i = Π_{j ≤ i} (1 - β_j),   α(i/T) = √ᾱ_i

    schedule: "linear", β from 1e-4 to 0.02 for T = 1000 (Ho et al.; for another T scaled by 1000/T,
    so that the noise at the end is the same), or "cosine", ᾱ_i = f(i)/f(0) with
    f(i) = cos²((i/T + s)/(1 + s)·π/2), s = .008, β ≤ .999 (Nichol & Dhariwal 2021). Between two
    steps ln ᾱ is a straight line, so that the samplers of continuous time can use it.
    """

    def __init__(self, count: int = 1000, schedule: str = "linear"):
        super().__init__()
        self.count, self.first = count, 1 / count
        step = torch.arange(1, count + 1, dtype=torch.float64)
        if schedule == "linear":
            scale = 1000 / count
            first, last = 1e-4 * scale, 0.02 * scale
            betas = torch.linspace(first, last, count, dtype=torch.float64)
        else:
            bend = torch.cos(
                (torch.cat([step[:1] - 1, step]) / count + 0.008) / 1.008 * torch.pi / 2
            )
            betas = 1 - bend[1:].square() / bend[:-1].square()
        betas = betas.clamp(max=0.999)
        log_kept = torch.cat([torch.zeros(1, dtype=torch.float64), (-betas).log1p().cumsum(0)])
        # of the schedule, not of the weights: made anew, in double precision, wherever it is used
        self.register_buffer("log_kept", log_kept, persistent=False)
        self.log_kept: Tensor  # ln ᾱ_0 .. ln ᾱ_T

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """ln ᾱ at times t, and its slope, float64."""
        table = self.log_kept.to(t.device)
        place = (t.double() * self.count).clamp(0, self.count)
        # a whole number that rounding has moved is itself again
        near = place.round()
        place = torch.where((place - near).abs() < 1e-4, near, place)
        below = place.ceil().long().clamp(min=1) - 1
        slope = table[below + 1] - table[below]
        return table[below] + (place - below) * slope, slope * self.count

    def alpha(self, t: Tensor) -> Tensor:
        return (self._at(t)[0] / 2).exp().to(t.dtype)

    def sigma(self, t: Tensor) -> Tensor:
        return (-self._at(t)[0].expm1()).sqrt().to(t.dtype)

    def alpha_rate(self, t: Tensor) -> Tensor:
        log_kept, slope = self._at(t)
        return ((log_kept / 2).exp() * slope / 2).to(t.dtype)

    def sigma_rate(self, t: Tensor) -> Tensor:
        log_kept, slope = self._at(t)
        sigma = (-log_kept.expm1()).sqrt().clamp(min=1e-12)
        return (-log_kept.exp() * slope / (2 * sigma)).to(t.dtype)

    def grid(self, steps: int) -> list[float]:
        """Whole steps of the chain, evenly spaced; all of them where `steps` is T."""
        if steps > self.count:
            raise UserError(f"--steps {steps}: the chain has {self.count}: give no more")
        whole = [round(self.count * (steps - i) / steps) for i in range(steps + 1)]
        return [i / self.count for i in whole]
