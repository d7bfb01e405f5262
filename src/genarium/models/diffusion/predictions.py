"""What a network predicts, and how each prediction is read as each other one.

On the path x_t = αx + σε any two of x_t, the image x, the noise ε and the velocity v = α'x + σ'ε
give the others. So one output of a network can be read as all of them, each a sum a·x_t + b·output:

    output     image                    noise                    velocity
    velocity   (σ'x_t - σv)/d           (αv - α'x_t)/d           v
    noise      (x_t - σε)/α             ε                        (α'x_t + dε)/α
    image      x                        (x_t - αx)/σ             (σ'x_t - dx)/σ

with d = ασ' - α'σ. What the network should give, the best guess E[.|x_t], is the same in all three;
what differs is how errors of the network weigh at each time.

    velocity   flow matching (Lipman et al. 2023), v-prediction (Salimans & Ho 2022)
    noise      DDPM (Ho, Jain & Abbeel 2020)
    image      JiT (Li & He 2025): an image lies on a manifold that noise and velocity do not
    image, preconditioned   EDM (Karras et al. 2022): x̂ = c_skip·x_t + c_out·F(c_in·x_t, ln σ/4)
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from genarium.models.diffusion.paths import Path, beside

Quantity = Literal["image", "noise", "velocity"]


class Prediction:
    """How the output of a network is read.

    nearest, farthest: the shares of the path's times between which it can be read: at the ends of
    the path some divide by α or σ, which are 0 there.
    """

    nearest: float = 0.0
    farthest: float = 1.0

    def scale(self, path: Path, t: Tensor) -> Tensor:
        """By how much x_t is multiplied before the network sees it."""
        return torch.ones_like(t)

    def weights(self, path: Path, t: Tensor, of: Quantity) -> tuple[Tensor, Tensor]:
        """(a, b): the quantity is a·x_t + b·output."""
        raise NotImplementedError

    def damping(self, path: Path, t: Tensor) -> Tensor:
        """A factor of the squared error, for predictions whose errors grow without limit."""
        return torch.ones_like(t)

    def read(self, path: Path, output: Tensor, x_t: Tensor, t: Tensor, of: Quantity) -> Tensor:
        """The output [B,C,H,W] of the network at x_t and times [B], as the quantity `of`."""
        a, b = self.weights(path, t, of)
        return beside(a, x_t) * x_t + beside(b, x_t) * output


class Velocity(Prediction):
    """The output is v = dx_t/dt."""

    def weights(self, path: Path, t: Tensor, of: Quantity) -> tuple[Tensor, Tensor]:
        if of == "velocity":
            return torch.zeros_like(t), torch.ones_like(t)
        d = path.determinant(t)
        if of == "image":
            return path.sigma_rate(t) / d, -path.sigma(t) / d
        return -path.alpha_rate(t) / d, path.alpha(t) / d


class NoiseLevel(Prediction):
    """The output is ε; where nothing of the image is left, it says nothing of the image."""

    farthest = 0.999

    def weights(self, path: Path, t: Tensor, of: Quantity) -> tuple[Tensor, Tensor]:
        if of == "noise":
            return torch.zeros_like(t), torch.ones_like(t)
        alpha = path.alpha(t)
        if of == "image":
            return 1 / alpha, -path.sigma(t) / alpha
        return path.alpha_rate(t) / alpha, path.determinant(t) / alpha


class Image(Prediction):
    """The output is x; where there is no noise yet, it says nothing of the noise.

    hold: the share of the times up to which an error of the image weighs as at that time, where it
    would be divided by σ (JiT's clipping of the denominator).
    """

    nearest = 1e-3
    hold = 0.05

    def damping(self, path: Path, t: Tensor) -> Tensor:
        return (path.sigma(t) / path.sigma(t.clamp(min=self.hold * path.end))).square()

    def weights(self, path: Path, t: Tensor, of: Quantity) -> tuple[Tensor, Tensor]:
        if of == "image":
            return torch.zeros_like(t), torch.ones_like(t)
        sigma = path.sigma(t)
        if of == "noise":
            return 1 / sigma, -path.alpha(t) / sigma
        return path.sigma_rate(t) / sigma, -path.determinant(t) / sigma


class Preconditioned(Image):
    """x̂ = c_skip·x_t + c_out·F, with the weights of EDM's table 1, so that inputs and targets of F
    have variance 1 at every noise level, where the images have deviation `data`.

        c_skip = s²/(σ² + s²),   c_out = σs/√(σ² + s²),   c_in = 1/√(σ² + s²)

    It is of the variance-exploding path, α = 1.
    """

    nearest = 0.0  # the path does not begin at 0

    def __init__(self, data: float = 0.5):
        self.data = data

    def damping(self, path: Path, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def scale(self, path: Path, t: Tensor) -> Tensor:
        return (path.sigma(t).square() + self.data**2).rsqrt()

    def weights(self, path: Path, t: Tensor, of: Quantity) -> tuple[Tensor, Tensor]:
        sigma, s = path.sigma(t), self.data
        skip = s**2 / (sigma.square() + s**2)
        out = sigma * s * (sigma.square() + s**2).rsqrt()
        a, b = super().weights(path, t, of)  # of x_t and the image
        return a + b * skip, b * out


PREDICTIONS: dict[str, type[Prediction]] = {
    "velocity": Velocity,
    "noise": NoiseLevel,
    "image": Image,
}
