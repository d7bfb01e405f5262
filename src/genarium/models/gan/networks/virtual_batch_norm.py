"""Virtual batch norm (Salimans et al. 2016, 3.4): no image depends on its neighbours in the batch.

A network with such norms is always called on R reference rows followed by the rows that count
(`WithReference` does that): the reference goes through the live weights again in every call.

    R reference rows · n rows that count · F channels
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genarium.nn.norm import full_precision


class VirtualBatchNorm2d(nn.Module):
    """y = γ·(x - μ) / √(v + ε) + β for x [R+n,F,h,w], whose first R rows are the reference.

    The reference rows are normalized by their own mean and mean square over rows and pixels. Each
    other row x_i takes μ = own/(R+1) + reference·R/(R+1) of the means, the same blend of the mean
    squares, and v = mean square - μ². Its own numbers are in the blend so that no x_i can lie
    arbitrarily far out.
    """

    def __init__(self, channels: int, reference: int, eps: float = 1e-5):
        super().__init__()
        self.reference, self.eps = reference, eps
        self.weight = nn.Parameter(torch.normal(1.0, 0.02, (channels,)))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        reference, own = full_precision(x).tensor_split([self.reference])
        variance, mean = torch.var_mean(reference, (0, 2, 3), correction=0, keepdim=True)
        own_variance, own_mean = torch.var_mean(own, (2, 3), correction=0, keepdim=True)
        share = 1 / (self.reference + 1)
        # E[x²] - μ² of the blend, written as a sum of variances: no cancellation.
        blend = (
            (1 - share) * variance
            + share * own_variance
            + share * (1 - share) * (own_mean - mean).square()
        )
        centre = torch.lerp(mean, own_mean, share)
        y = torch.cat(
            [
                (reference - mean) * torch.rsqrt(variance + self.eps),
                (own - centre) * torch.rsqrt(blend + self.eps),
            ]
        )
        weight, bias = self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1)
        return (y * weight + bias).to(x.dtype)


class WithReference(nn.Module):
    """A generator whose norms are virtual: calls `network` on R fixed codes and the given ones.

    reference: R. make: gives the network, for a function that makes its norms. The reference
    codes are drawn once, from torch's global generator, and kept with the weights.
    """

    codes: Tensor

    def __init__(
        self, inputs: int, reference: int, make: Callable[[Callable[[int], nn.Module]], nn.Module]
    ):
        super().__init__()
        self.inputs = inputs
        self.network = make(lambda channels: VirtualBatchNorm2d(channels, reference))
        self.register_buffer("codes", torch.randn(reference, inputs))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.network(torch.cat([self.codes.to(z), z]))
        return images[len(self.codes) :]

    @torch.no_grad()
    def alone(self) -> nn.Module:
        """The same function of codes as a network of its own, to be exported: what its norms make
        of the reference is computed once and no longer goes along. A copy; training stays."""
        network = copy.deepcopy(self.network)
        norms = [
            (parent, name, child)
            for parent in network.modules()
            for name, child in parent.named_children()
            if isinstance(child, VirtualBatchNorm2d)
        ]
        seen: dict[nn.Module, Tensor] = {}

        def keep(module: nn.Module, given: tuple[Any, ...]) -> None:
            seen[module] = given[0]

        handles = [norm.register_forward_pre_hook(keep) for _, _, norm in norms]
        network(self.codes)
        for handle in handles:
            handle.remove()
        for parent, name, norm in norms:
            setattr(parent, name, _ReferenceNorm(norm, seen[norm]))
        return network


class _ReferenceNorm(nn.Module):
    """A `VirtualBatchNorm2d` whose reference is known: x [n,F,h,w] are the rows that count."""

    def __init__(self, norm: VirtualBatchNorm2d, reference: Tensor):
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.share = 1 / (norm.reference + 1)
        variance, mean = torch.var_mean(reference, (0, 2, 3), correction=0, keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("variance", variance)
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor) -> Tensor:
        own_variance, own_mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        share = self.share
        spread = share * own_variance + share * (1 - share) * (own_mean - self.mean).square()
        blend = (1 - share) * self.variance + spread
        y = (x - torch.lerp(self.mean, own_mean, share)) * torch.rsqrt(blend + self.eps)
        return y * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
