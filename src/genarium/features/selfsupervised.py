"""Features learnt without labels: two views of a picture are to be told alike, all others apart.

    Bardes, Ponce & LeCun 2022, VICReg: Variance-Invariance-Covariance Regularization for
    Self-Supervised Learning

Two views of each picture go through the network and a projector of three layers to z, z' [B,P]:

    25 mean (z - z')²  +  25 (v(z) + v(z'))  +  c(z) + c(z')

v(z) = mean_p max(0, 1 - sqrt(var z_p + 1e-4)) keeps every number of z spread, and
c(z) = (1/P) Σ_{p≠q} cov(z)_pq² keeps two of them from saying the same. Neither needs pictures that
are unlike, so batches may be small, as small sets need it.

A network does not see what its views differ in. So they differ in what a model of pictures may do
as it likes, and in nothing that a score should notice: no blur, no noise, no turning, no colour
taken away.

- a crop of 40 to 100 % of the area, its aspect 3/4 to 4/3, brought back to the full size
- mirrored left to right, with probability 1/2
- contrast times 0.8 to 1.25, then brightness plus up to 0.1 of the range

Shapes: B batch · C channels · H, W pixels · D features · P numbers of a projection
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.contract import Batch, Model, Optim, Phase, Spec, Step
from genarium.contract.batch import Noise

VIEWS = (
    "crop of 40 to 100 % of the area, aspect 3/4 to 4/3",
    "mirrored with probability 1/2",
    "contrast times 0.8 to 1.25",
    "brightness plus up to 0.1 of the range",
)
AREA, ASPECT, CONTRAST, BRIGHTNESS = 0.4, 4 / 3, 1.25, 0.2
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0


def view(x: Tensor, noise: Noise) -> Tensor:
    """A view of each picture, floats [B,C,H,W] on [-1, 1], drawn as the module's text says."""
    area, aspect, across, down, side, contrast, brightness = noise.uniform(7).unbind(1)
    ratio = ASPECT ** (2 * aspect - 1)
    area = AREA + (1 - AREA) * area
    width, height = ((area * r).sqrt().clamp(max=1) for r in (ratio, 1 / ratio))
    mirror = torch.where(side < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(width)
    # the grid is on [-1, 1]: a crop is a scale and a shift of what is left over
    rows = [
        torch.stack([mirror * width, zero, (2 * across - 1) * (1 - width)], 1),
        torch.stack([zero, height, (2 * down - 1) * (1 - height)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    contrast = (CONTRAST ** (2 * contrast - 1)).view(-1, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + contrast * (x - mean) + BRIGHTNESS * (2 * brightness - 1).view(-1, 1, 1, 1)


def variance(z: Tensor) -> Tensor:
    """mean_p max(0, 1 - sqrt(var z_p + 1e-4)) of [B,P]: 0 where every number varies by 1."""
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance(z: Tensor) -> Tensor:
    """(1/P) Σ_{p≠q} cov(z)_pq² of [B,P]: 0 where no two numbers go together."""
    centred = z - z.mean(0)
    cov = centred.T @ centred / (len(z) - 1)
    return (cov.square().sum() - cov.diagonal().square().sum()) / z.shape[1]


class VICReg(Model):
    """A network floats [B,C,H,W] -> (features [B,D], anything), and the loss that trains it.

    spec: of the pictures. network: what is trained; the projector is thrown away afterwards. dims:
    D. projection: P. lr: of AdamW.
    """

    def __init__(
        self, spec: Spec, network: nn.Module, dims: int, projection: int = 256, lr: float = 1e-3
    ):
        super().__init__()
        self.spec, self.network = spec, network
        layers: list[nn.Module] = []
        for inputs in (dims, projection):
            layers += [nn.Linear(inputs, projection), nn.BatchNorm1d(projection), nn.ReLU()]
        self.projector = nn.Sequential(*layers, nn.Linear(projection, projection))
        self.phases = (Phase("features", optim=Optim("adamw", lr=lr, weight_decay=1e-4)),)

    def step(self, batch: Batch, phase: str) -> Step:
        x = batch.signed()
        views = torch.cat([view(x, batch.noise), view(x, batch.noise)])
        features, _ = self.network(views)
        one, other = self.projector(features).float().chunk(2)
        losses = {
            "invariance": INVARIANCE * F.mse_loss(one, other),
            "variance": VARIANCE * (variance(one) + variance(other)),
            "covariance": COVARIANCE * (covariance(one) + covariance(other)),
        }
        spread = features.detach().float().std(0).mean()
        return Step(losses, {"spread": spread})


def steps_for(images: int, batch: int) -> int:
    """Steps of a training where nobody says how many: 100 passes, 300 steps at least and 2,000 at
    most."""
    return min(2000, max(300, math.ceil(100 * images / batch)))
