"""The bound on ln p(x) of many images and many draws, within a bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genarium.contract import Batch, Condition, Noise, Posterior
from genarium.models.conditioning import Rows
from genarium.models.row_noise import RowNoise
from genarium.nn import distributions as dist

if TYPE_CHECKING:
    from genarium.models.vae.model import VAE

PIXELS_AT_ONCE = 2**19
"""Decoded pixels held at once by `bound`, so that k = 5000 needs no more memory than k = 1."""


def bound(
    model: VAE,
    images: Tensor,
    condition: Condition,
    *,
    k: int,
    generator: torch.Generator | None,
) -> Tensor:
    """`VAE.elbo`: the k-sample bound on ln p(x|y) of images as stored, [B] nats, float64."""
    noise = RowNoise(len(images), generator, images.device)
    rows = max(1, PIXELS_AT_ONCE // model.spec.dims)
    group = max(1, rows // k)
    bounds = []
    for start in range(0, len(images), group):
        mine = slice(start, start + group)
        part = noise.part(mine)
        batch = Batch(images[mine], noise=part, values=model.spec.values)
        target = model.likelihood.target(batch)
        asked = None if condition is None else condition[mine]
        each = [of_part(model, target, k, part, rows, y) for y in _possible(model, asked, part)]
        # ln Σ_y p(x|y)/K: the mixture over all labels where none was given
        bounds.append(dist.importance_weighted_bound(torch.stack(each)))
    return torch.cat(bounds) if bounds else images.new_empty(0, dtype=torch.float64)


def _possible(model: VAE, condition: Condition, noise: RowNoise) -> list[Tensor | None]:
    """The conditions [B,S] of `condition`: one, or that of every class where none is given."""
    n, conditioning = len(noise.generators), model.conditioning
    if isinstance(conditioning, Rows):
        return [conditioning.filled(condition, noise.uniform(1)[:, 0]).to(noise.device)]
    if condition is None and model.conditional:
        labels = torch.arange(conditioning.size).view(-1, 1).expand(-1, n)
        return [conditioning.draw(n, own, None).to(noise.device) for own in labels]
    y = conditioning.draw(n, condition, None).to(noise.device)  # refuses a class it does not know
    return [y if conditioning.size else None]


def of_part(
    model: VAE, target: Tensor, k: int, noise: Noise, rows: int, y: Tensor | None
) -> Tensor:
    """The bound of the images of `target`, at most `rows` draws decoded at once."""
    if k == 1:
        return model.elbo_of(model.terms(target, noise, y))
    q = model.infer(model.likelihood.signed(target), y)
    eps = noise.normal(k, model.latent).flatten(0, 1)
    owner = torch.arange(len(target), device=eps.device).repeat_interleave(k)
    weights = [
        model.log_weights(
            target[i],
            part,
            Posterior(q.mean[i], q.log_variance[i]),
            None if y is None else y[i],
        )
        for part, i in zip(eps.split(rows), owner.split(rows))
    ]
    return dist.importance_weighted_bound(torch.cat(weights).view(-1, k), dim=1)
