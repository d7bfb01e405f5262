"""Which times a model is trained at, and how its errors weigh there: one choice, not two.

The loss is E_t E w(t)·|guess - truth|², a mean over pixels, with the error taken of one quantity.
A law of times with density p(t) and a weight w(t) only act by their product, so each class here
says both; the quantity in which the error is taken is a third factor in the same product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.contract import Noise
from genarium.models.diffusion.paths import Discrete, Path
from genarium.models.diffusion.predictions import Quantity


class TimeLaw:
    """of: the quantity whose error is minimised."""

    of: Quantity = "velocity"

    def times(self, path: Path, noise: Noise) -> Tensor:
        """A time for each image of the batch, [B]."""
        raise NotImplementedError

    def weight(self, path: Path, t: Tensor) -> Tensor:
        """w(t), [B]."""
        return torch.ones_like(t)


@dataclass(frozen=True)
class Uniform(TimeLaw):
    """t ~ U[0, end], the error of the velocity (Lipman et al. 2023).

    Stratified over the batch: image i of B has t in [i/B, (i + 1)/B), shifted by one number for
    all, so that the loss varies less (Kingma et al. 2021).
    """

    of: Quantity = "velocity"

    def times(self, path: Path, noise: Noise) -> Tensor:
        return path.end * stratified(noise)


@dataclass(frozen=True)
class LogitNormal(TimeLaw):
    """ln t/(1 - t) ~ N(mean, deviation²), the error of the velocity (Esser et al. 2024).

    Most times lie in the middle, where the image is neither plain to see nor gone.
    """

    mean: float = 0.0
    deviation: float = 1.0
    of: Quantity = "velocity"

    def times(self, path: Path, noise: Noise) -> Tensor:
        return path.end * torch.sigmoid(self.mean + self.deviation * stratified_normal(noise))


@dataclass(frozen=True)
class Likelihood(TimeLaw):
    """ln σ/α uniform between two ends, the plain error of the noise: the likelihood's own weights,

        d/d(ln σ/α) of -ln p  =  E|ε̂ - ε|² + what does not depend on the network

    (Kingma et al. 2021, "Variational Diffusion Models"; Song et al. 2021, "Maximum Likelihood
    Training of Score-Based Diffusion Models").

    least: the smallest σ/α, some part of a grey level. most: the largest.
    """

    least: float = 1e-3
    most: float = 150.0
    of: Quantity = "noise"

    def times(self, path: Path, noise: Noise) -> Tensor:
        share = stratified(noise).double()
        ratio = self.least * (self.most / self.least) ** share
        return path.time_of(ratio).float()


@dataclass(frozen=True)
class Steps(TimeLaw):
    """A step of DDPM's chain, 1 .. T, uniformly, and the plain error of the noise: "L_simple"."""

    of: Quantity = "noise"

    def times(self, path: Path, noise: Noise) -> Tensor:
        assert isinstance(path, Discrete)
        step = (stratified(noise).double() * path.count).floor() + 1
        return (step.clamp(max=path.count) / path.count).float()


@dataclass(frozen=True)
class LogNormal(TimeLaw):
    """EDM's: ln σ ~ N(mean, deviation²), w = (σ² + s²)/(σs)² on the error of the image, which makes
    the error of the network's own output weigh the same at every σ (Karras et al. 2022, table 1).

    data: s, the deviation of the images.
    """

    mean: float = -1.2
    deviation: float = 1.2
    data: float = 0.5
    of: Quantity = "image"

    def times(self, path: Path, noise: Noise) -> Tensor:
        times = (self.mean + self.deviation * stratified_normal(noise)).exp()
        return times.clamp(max=path.end)

    def weight(self, path: Path, t: Tensor) -> Tensor:
        sigma = path.sigma(t)
        return (sigma.square() + self.data**2) / (sigma * self.data).square()


def stratified(noise: Noise) -> Tensor:
    """Numbers on [0, 1), one in each B-th of it, [B]: image i of the global batch gets
    (i + u)/B + v modulo 1."""
    u = noise.uniform()
    v = noise.shared_uniform(1)
    number = torch.arange(noise.total, device=u.device)[noise.rows]
    return ((number + u) / noise.total + v).frac()


def stratified_normal(noise: Noise) -> Tensor:
    """Standard normal numbers, stratified alike, [B]."""
    return torch.special.ndtri(stratified(noise).double().clamp(1e-7, 1 - 1e-7)).float()
