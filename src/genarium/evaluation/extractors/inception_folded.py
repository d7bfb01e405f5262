"""The Inception network's function in fewer operations, for speed; same features up to rounding.

Three rewrites, all exact in real arithmetic:

- batch normalisation is part of the convolution: w' = w γ/√(σ²+ε), b' = β - μ γ/√(σ²+ε);
- the 1x1 convolutions at the head of a block's towers read the same input, so they are one;
- an average pool and a 1x1 convolution commute (the weights of the mean sum to one, so the bias
  passes too), so the pool runs on the convolution's few channels, not on the block's many.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.evaluation.extractors.inception import BLOCKS, Conv, Inception, Mixed, Tower, pooled


def fold(network: Inception) -> Inception:
    """The same function in evaluation mode; `network` stays as it is.

    The features differ from those of `network` by rounding: 1e-5 of the largest at most.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, Conv):
            _fold_norm(module)
    for name in BLOCKS:
        block = folded.get_submodule(name)
        assert isinstance(block, Mixed)
        setattr(folded, name, Fused(block))
    return folded.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold_norm(module: Conv) -> None:
    """Batch normalisation into the convolution, computed in float64."""
    conv, norm = module.conv, module.bn
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        conv.weight.copy_(conv.weight.double() * scale.view(-1, 1, 1, 1))
        bias = norm.bias.double() - norm.running_mean.double() * scale
    conv.bias = nn.Parameter(bias.to(conv.weight.dtype))
    module.bn = nn.Identity()


def _at_head(tower: Tower) -> bool:
    """Whether a tower starts with a 1x1 convolution that can be computed beside the others'."""
    first = tower.layers[0] if tower.layers else None
    return first is not None and first.kernel == (1, 1) and tower.pool in ("", "average")


class Fused(nn.Module):
    """A `Mixed` block, normalisation folded, whose towers share one first convolution."""

    def __init__(self, block: Mixed):
        super().__init__()
        self.block = block
        self.sizes = [t.layers[0].outputs for t in block.towers if _at_head(t)]
        if not self.sizes:
            return
        heads = []
        for tower in block.towers:
            if _at_head(tower):
                module = block.get_submodule(tower.layers[0].name)
                assert isinstance(module, Conv)
                heads.append(module.conv)
                delattr(block, tower.layers[0].name)
        self.heads = nn.Conv2d(heads[0].in_channels, sum(self.sizes), 1)
        with torch.no_grad():
            self.heads.weight.copy_(torch.cat([conv.weight for conv in heads]))
            assert self.heads.bias is not None
            self.heads.bias.copy_(torch.cat([b for conv in heads if (b := conv.bias) is not None]))

    def forward(self, x: Tensor) -> Tensor:
        parts = iter(self.heads(x).split(self.sizes, dim=1) if self.sizes else ())
        outputs = []
        for tower in self.block.towers:
            if _at_head(tower):
                begun = F.relu(pooled(next(parts), tower.pool))
                outputs += self.block.rest(begun, tower, done=1)
            else:
                outputs += self.block.rest(pooled(x, tower.pool), tower)
        return torch.cat(outputs, dim=1)
