"""Data whose best guesses are known: Gaussian, and a mixture of Gaussians; and tiny models.

B points · D numbers of one · K components
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genarium import recipes
from genarium.contract import Spec
from genarium.models.diffusion.mean_flow import MeanFlow
from genarium.models.diffusion.networks.dense import Dense
from genarium.models.diffusion.paths import Cosine, Discrete, Exploding, Linear, Path, beside
from genarium.models.diffusion.predictions import (
    Image,
    NoiseLevel,
    Preconditioned,
    Prediction,
    Velocity,
)
from genarium.models.diffusion.solvers import Field
from tests.conftest import tiny_spec

PATHS: dict[str, Path] = {
    "linear": Linear(),
    "cosine": Cosine(),
    "exploding": Exploding(),
    "discrete": Discrete(1000, "linear"),
    "discrete-cosine": Discrete(1000, "cosine"),
}
PREDICTIONS: dict[str, Prediction] = {
    "velocity": Velocity(),
    "noise": NoiseLevel(),
    "image": Image(),
    "preconditioned": Preconditioned(0.4),
}
PAIRS = [
    (path, prediction)
    for path in PATHS
    for prediction in PREDICTIONS
    if prediction != "preconditioned" or path == "exploding"
]


class Mixture:
    """x ~ Σ_k N(means_k, deviation²·I)/K: its density, draws and best guesses, float64.

    means: [K,D].
    """

    def __init__(self, means: Tensor, deviation: float):
        self.means, self.deviation = means.double(), deviation

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """[n,1,1,D]."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.randint(len(self.means), (n,), generator=generator)
        e = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        return (self.means[which] + self.deviation * e)[:, None, None]

    def log_density(self, x: Tensor) -> Tensor:
        """[B,1,1,D] -> [B]."""
        dims = self.means.shape[1]
        squared = (x.flatten(1)[:, None] - self.means).square().sum(2)
        each = -0.5 * squared / self.deviation**2
        constant = dims * (0.5 * math.log(2 * math.pi) + math.log(self.deviation))
        return each.logsumexp(1) - math.log(len(self.means)) - constant

    def image(self, path: Path, x_t: Tensor, t: Tensor) -> Tensor:
        """E[x | x_t], [B,1,1,D]."""
        return self.guess(path, x_t, t)[0]

    def guess(self, path: Path, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """E[x | x_t] and E[ε | x_t], [B,1,1,D] each."""
        alpha, sigma = path.alpha(t), path.sigma(t)
        variance = (alpha * self.deviation).square() + sigma.square()
        flat = x_t.flatten(1)[:, None]
        off = flat - beside(alpha, flat) * self.means  # [B,K,D]
        share = (-0.5 * off.square().sum(2) / variance.view(-1, 1)).softmax(1)
        pull = (alpha * self.deviation**2 / variance).view(-1, 1, 1)
        each = self.means + pull * off, (sigma / variance).view(-1, 1, 1) * off
        image, noise = ((share[:, :, None] * one).sum(1).view_as(x_t) for one in each)
        return image, noise

    def field(self, path: Path, prediction: Prediction) -> Field:
        """The field of a network that has learnt everything."""

        def output(x_t: Tensor, t: Tensor, rows: Tensor | None) -> Tensor:
            return self.output(path, prediction, x_t, t)

        return Field(path, prediction, output)

    def output(self, path: Path, prediction: Prediction, x_t: Tensor, t: Tensor) -> Tensor:
        """What a network should give at x_t and t under this prediction."""
        image, noise = self.guess(path, x_t, t)
        if isinstance(prediction, Preconditioned):
            # solved for F in x̂ = a·x_t + b·F
            a, b = prediction.weights(path, t, "image")
            return (image - beside(a, x_t) * x_t) / beside(b, x_t)
        if isinstance(prediction, Image):
            return image
        return noise if isinstance(prediction, NoiseLevel) else path.velocity(image, noise, t)


def gaussian(mean: float = 0.3, deviation: float = 0.4, dims: int = 2) -> Mixture:
    """N(mean, deviation²·I)."""
    return Mixture(torch.full((1, dims), mean, dtype=torch.float64), deviation)


def ring8(deviation: float = 0.02, radius: float = 0.7) -> Mixture:
    angle = torch.arange(8, dtype=torch.float64) * math.pi / 4
    return Mixture(radius * torch.stack([angle.cos(), angle.sin()], 1), deviation)


def grid25(deviation: float = 0.02, side: float = 0.35) -> Mixture:
    """Turned, as along the axes Hutchinson's signs would give the trace itself."""
    axis = side * torch.arange(-2, 3, dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    return Mixture(torch.cartesian_prod(axis, axis) @ turn, deviation)


def built(name: str, spec: Spec | None = None, **arguments: object):
    """A model of a recipe at its tiny size, its zero-initialised layers stirred."""
    recipe = recipes.get(name)
    torch.manual_seed(0)
    model = recipe(spec or tiny_spec(), **{**recipe.tiny, **arguments})
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return model.eval()


class KnownAverage(MeanFlow):
    """x ~ N(0, s²): the flow is x_t = x_1·d(t), d² = (s(1 - t))² + t², and u follows from it."""

    S = 0.4

    def deviation(self, t: Tensor) -> Tensor:
        return ((self.S * (1 - t)).square() + t.square()).sqrt()

    def average(self, x_t: Tensor, r: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        ratio = self.deviation(r) / self.deviation(t)
        slope = (t - self.S**2 * (1 - t)) / self.deviation(t).square()
        unequal = (t - r).abs() > 1e-9
        safe = torch.where(unequal, t - r, torch.ones_like(t))
        return torch.where(unequal, (1 - ratio) / safe, slope).view(-1, 1, 1, 1) * x_t


def known_average() -> KnownAverage:
    return KnownAverage(Spec(1, 1, 2), Dense((1, 1, 2), 1, times=2))
